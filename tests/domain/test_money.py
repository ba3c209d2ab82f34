"""Amounts: exact in, exact out, and nothing that is not an amount."""

from decimal import Context, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.samples import SOL, TOKEN_PROGRAM, USDC
from workflows.domain.money import MAX_BASE_UNITS, AmountError, Token, TokenAmount, least_output, price

U64 = st.integers(0, MAX_BASE_UNITS)
DECIMALS = st.integers(0, 255)


def token(decimals: int) -> Token:
    return Token(mint="mint", symbol="TKN", decimals=decimals, program=TOKEN_PROGRAM)


REFUSED = {
    "amount_invalid": (
        *("", " ", "abc", "1,5", "0x10", "1_000", " 1", "1 ", "1\n", "--1", "1e", "e1", ".", "+", "1.2.3", "e"),
        *("NaN", "sNaN", "Infinity", "-Infinity", "inf", "1e99999999999999999999", "9" * 81, "0." + "0" * 79),
        # Digits of other scripts, a vulgar fraction, a space that does not break.
        *("\u0661", "\uff11.\uff15", "\u00bd", "1\u00a0000"),
    ),
    "amount_not_positive": ("0", "0.0", "-0", "-1", "-1e-30", "0e999", "-18446744073.709551616"),
    "amount_too_precise": (
        *("0.0000000001", "1.0000000001", "1e-10", "1e-999999", "1e-99999999999"),
        # More digits than any rounding context would keep.
        *("1." + "0" * 70 + "1", "18446744073.7095516150001"),
    ),
    "amount_too_large": ("18446744073.709551616", "18446744074", "1e12", "1e999999", "9" * 80),
}


def parsed(of: Token, text: str) -> int | str:
    """The units, or the code of the refusal."""
    try:
        return of.parse(text)
    except AmountError as error:
        return error.code


class TestParse:
    @given(U64.filter(bool), st.integers(0, 20))
    def test_what_is_formatted_is_parsed_back(self, base_units: int, decimals: int) -> None:
        assert token(decimals).parse(token(decimals).format(base_units)) == base_units

    @given(st.integers(1, MAX_BASE_UNITS), st.integers(0, 255))
    def test_any_form_of_a_number_has_the_same_units(self, base_units: int, decimals: int) -> None:
        forms = {f"{base_units}e-{decimals}", f"+{base_units}E-{decimals}", f"0{base_units}.0e-{decimals}"}
        assert {token(decimals).parse(form) for form in forms} == {base_units}

    @given(st.text(alphabet="0123456789.eE+-_ ", max_size=90), DECIMALS)
    def test_the_units_are_those_of_the_exact_number_or_there_are_none(self, text: str, decimals: int) -> None:
        units = parsed(token(decimals), text)
        if isinstance(units, str):
            assert units in {"amount_invalid", "amount_not_positive", "amount_too_precise", "amount_too_large"}
        else:
            assert 1 <= units <= MAX_BASE_UNITS
            assert Fraction(text) * 10**decimals == units

    @given(st.integers(1, MAX_BASE_UNITS))
    def test_the_callers_decimal_context_rounds_nothing(self, base_units: int) -> None:
        with localcontext(Context(prec=3)):
            assert USDC.parse(USDC.format(base_units)) == base_units
            assert TokenAmount(token=USDC, base_units=base_units).base_units == base_units

    @pytest.mark.parametrize(
        ("text", "units"),
        [
            ("1.5", 1_500_000_000),
            ("0.000000001", 1),
            (".5", 500_000_000),
            ("5.", 5_000_000_000),
            ("1e-9", 1),
            ("18446744073.709551615", MAX_BASE_UNITS),
            ("1" + "." + "0" * 78, 1_000_000_000),
        ],
    )
    def test_an_amount_of_sol(self, text: str, units: int) -> None:
        assert SOL.parse(text) == units

    @pytest.mark.parametrize(("code", "texts"), REFUSED.items())
    def test_what_is_no_amount_of_sol_is_refused_with_its_reason(self, code: str, texts: tuple[str, ...]) -> None:
        assert {text: parsed(SOL, text) for text in texts} == dict.fromkeys(texts, code)

    def test_a_token_without_decimals_has_no_fractions(self) -> None:
        assert token(0).parse("7") == 7
        with pytest.raises(AmountError, match="has 0 decimals"):
            token(0).parse("7.5")


class TestFormat:
    @pytest.mark.parametrize(
        ("units", "decimals", "text"),
        [
            (0, 9, "0"),
            (1, 9, "0.000000001"),
            (1_500_000_000, 9, "1.5"),
            (1_000_000_000, 9, "1"),
            (10, 0, "10"),
            (MAX_BASE_UNITS, 6, "18446744073709.551615"),
            (MAX_BASE_UNITS, 0, "18446744073709551615"),
            (120, 20, "0.0000000000000000012"),
        ],
    )
    def test_the_shortest_plain_text(self, units: int, decimals: int, text: str) -> None:
        assert token(decimals).format(units) == text

    @given(U64, DECIMALS)
    def test_no_exponent_no_trailing_zero_no_lost_unit(self, units: int, decimals: int) -> None:
        text = token(decimals).format(units)
        assert Fraction(text) * 10**decimals == units
        assert set(text) <= set("0123456789.")
        assert not text.endswith(".")
        assert "." not in text or not text.endswith("0")


class TestWire:
    @given(U64)
    def test_an_amount_travels_as_a_string_and_comes_back_whole(self, units: int) -> None:
        amount = TokenAmount(token=USDC, base_units=units)
        document = amount.model_dump_json()
        assert f'"base_units":"{units}"' in document
        assert TokenAmount.model_validate_json(document) == amount

    @pytest.mark.parametrize("wrong", [-1, "-1", 1.5, "1.5", None, "", "1e3"])
    def test_what_is_no_count_of_base_units_is_refused(self, wrong: object) -> None:
        with pytest.raises(ValueError, match="base_units"):
            TokenAmount.model_validate({"token": USDC, "base_units": wrong})

    def test_an_amount_reads_as_a_person_writes_it(self) -> None:
        assert str(TokenAmount.parse(SOL, "1.50")) == "1.5 SOL"


class TestPrice:
    @given(st.integers(1, MAX_BASE_UNITS), U64, st.integers(0, 20), st.integers(0, 20))
    def test_the_price_is_the_ratio_to_18_digits(self, paid: int, received: int, sold: int, bought: int) -> None:
        value = price(
            TokenAmount(token=token(sold), base_units=paid), TokenAmount(token=token(bought), base_units=received)
        )
        assert value is not None
        exact = Fraction(received, 10**bought) / Fraction(paid, 10**sold)
        assert abs(Fraction(value) - exact) * 10**17 <= exact
        assert len(value.as_tuple().digits) <= 18

    def test_nothing_paid_has_no_price(self) -> None:
        assert price(TokenAmount(token=SOL, base_units=0), TokenAmount(token=USDC, base_units=5)) is None

    def test_a_price_counts_in_whole_tokens(self) -> None:
        assert price(TokenAmount.parse(SOL, "2"), TokenAmount.parse(USDC, "301.5")) == Decimal("150.75")


class TestLeastOutput:
    @given(U64, st.integers(0, 10_000))
    def test_no_more_than_the_slippage_is_given_away_and_never_everything(self, quoted: int, slippage_bps: int) -> None:
        least = least_output(quoted, slippage_bps)
        assert least >= 1
        assert least <= max(1, quoted)
        # The smallest integer that keeps the promise.
        assert least * 10_000 >= quoted * (10_000 - slippage_bps)
        assert least == 1 or (least - 1) * 10_000 < quoted * (10_000 - slippage_bps)

    @given(st.integers(0, MAX_BASE_UNITS), st.integers(0, 9_999))
    def test_more_slippage_never_asks_for_more(self, quoted: int, slippage_bps: int) -> None:
        assume(slippage_bps < 10_000)
        assert least_output(quoted, slippage_bps + 1) <= least_output(quoted, slippage_bps)

    @pytest.mark.parametrize(
        ("quoted", "slippage_bps", "least"),
        [
            (10_000, 50, 9_950),
            (10_001, 50, 9_951),
            (1, 50, 1),
            (1, 10_000, 1),
            (0, 0, 1),
            (MAX_BASE_UNITS, 0, MAX_BASE_UNITS),
        ],
    )
    def test_rounds_up(self, quoted: int, slippage_bps: int, least: int) -> None:
        assert least_output(quoted, slippage_bps) == least

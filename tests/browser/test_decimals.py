"""The page's arithmetic, against Python's: exact to the last digit, for amounts that no double can hold."""

from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal
from typing import Any

import pytest
from playwright.async_api import Page

from tests.browser.conftest import Visit

pytestmark = pytest.mark.timeout(120)

EXACT = Context(prec=100)

AMOUNTS = [
    *("0", "0.1", "0.2", "1", "1.5", "150.0961", "225.144153", "224.790364", "0.000000001", "0.00000001"),
    *("18446744073709551615", "18446744073.709551615", "9007199254740993", "0.300000000000000004", "999999.999999"),
    *("123456789012345678.123456789", "1000000000000000000.000000001", "33.333333333333333333", "2", "3", "7"),
]
PAIRS = [(one, other) for one in AMOUNTS for other in AMOUNTS]


async def asked(page: Page, body: str, cases: Any) -> Any:
    """What the module's functions answer to all cases."""
    program = f"""async (cases) => {{
        const release = document.querySelector('script[type=module]').src;
        const d = await import(new URL('lib/decimal.js', release));
        const f = await import(new URL('lib/format.js', release));
        return cases.map(([a, b]) => {{ {body} }});
    }}"""
    return await page.evaluate(program, cases)


def plain(value: Decimal) -> str:
    return f"{value:f}".rstrip("0").rstrip(".") if "." in f"{value:f}" else f"{value:f}"


async def test_sums_and_products_are_exact(visit: Visit) -> None:
    await visit.go("trade")
    found = await asked(
        visit.page,
        """const [x, y] = [d.parse(a), d.parse(b)];
        return [d.compare(x, y), d.text(d.subtract(x, y)), d.text(d.multiply(x, y))];""",
        PAIRS,
    )
    for (one, other), (order, rest, product) in zip(PAIRS, found, strict=True):
        a, b = Decimal(one), Decimal(other)
        assert order == (a > b) - (a < b)
        assert rest == plain(EXACT.subtract(a, b))
        assert product == plain(EXACT.multiply(a, b))


async def test_quotients_are_cut_off_and_basis_points_rounded(visit: Visit) -> None:
    await visit.go("trade")
    found = await asked(
        visit.page,
        """const [x, y] = [d.parse(a), d.parse(b)];
        const [quotient, points] = [d.divide(x, y, 18), d.bps(x, y)];
        return [quotient && d.fixed(quotient, 18), points && d.fixed(points, 2)];""",
        PAIRS,
    )
    for (one, other), (quotient, points) in zip(PAIRS, found, strict=True):
        a, b = Decimal(one), Decimal(other)
        if b == 0:
            assert (quotient, points) == (None, None)
            continue
        wide = Context(prec=100, rounding=ROUND_DOWN)
        assert Decimal(quotient) == wide.divide(a, b).quantize(Decimal("1e-18"), context=wide)
        exact = EXACT.divide(EXACT.multiply(EXACT.subtract(a, b), Decimal(10_000)), b)
        assert Decimal(points) == exact.quantize(Decimal("0.01"), ROUND_HALF_UP, context=EXACT)


async def test_amounts_read_as_people_write_them(visit: Visit) -> None:
    await visit.go("trade")
    cases = [
        ("1234567.89", None, "1,234,567.89"),
        ("0.00001234", None, "0.00001234"),
        ("18446744073709551615", None, "18,446,744,073,709,551,615"),
        ("150.0961020", 7, "150.0961"),
        ("0.0000240999", 3, "0.000024"),
        ("1234567.89", 3, "1,234,567"),
        (None, None, "\u2013"),
    ]
    shown = await asked(
        visit.page, "return f.amount(a, b ?? undefined);", [(text, digits) for text, digits, _ in cases]
    )
    assert shown == [expected for _, _, expected in cases]
    texts = ["", ".", "1e5", "-", "1.2.3", " 1.5 ", "abc", "1,5", "٣", "0x1", "-2.50"]
    read = await asked(visit.page, "const x = d.parse(a); return x && d.text(x);", [(text, None) for text in texts])
    assert read == [None, None, None, None, None, "1.5", None, None, None, None, "-2.5"]


async def test_a_sentence_groups_amounts_and_leaves_fractions_and_addresses_alone(visit: Visit) -> None:
    await visit.go("trade")
    why = "raydium clmm pays 1500914.170012 USDC for 10000 SOL, 0.00012345 bps over meteora damm_v2 9xVZ1234 (6022)"
    (shown,) = await asked(visit.page, "return f.sentence(a);", [(why, None)])
    assert shown == (
        "Raydium CLMM pays 1,500,914.170012 USDC for 10,000 SOL, 0.00012345 bps over Meteora DAMM v2 9xVZ1234 (6022)"
    )

"""Meteora DAMM v2 pools: one full-range position, constant base fee, fees taken from the quote side."""

from solders.pubkey import Pubkey

from activities.venues.pool import Account
from deploy.localnet.pools.spec import Built, PoolSpec, Token, pda, record, uint, vault
from deploy.localnet.tokens import rent_exempt

PROGRAM = Pubkey.from_string("cpamdpZCGKUy5JxQXB4dcpGPiikHawvSWAd6mEn1sGG")
AUTHORITY = Pubkey.from_string("HLnpSz9h2S4hiLQ43rnSD9XkcUThA7B8hQMKmDaiTLcC")
_POOL_TAG = bytes.fromhex("f19a6d0411b16dbc")
_POOL_SIZE = 1_112
# The price range of a full-range position (cp-amm MIN_SQRT_PRICE and MAX_SQRT_PRICE, Q64.64).
_MIN_SQRT_PRICE = 4_295_048_016
_MAX_SQRT_PRICE = 79_226_673_521_066_979_257_578_248_091
_PROTOCOL_PERCENT = 20
_FEES_IN_TOKEN_B = 1


def address(spec: PoolSpec) -> Pubkey:
    """The pool of the two mints under configuration `spec.index`; the program puts the larger mint first."""
    config = pda(PROGRAM, b"config", uint(spec.index, 8))
    first, second = sorted((bytes(spec.base.mint), bytes(spec.quote.mint)), reverse=True)
    return pda(PROGRAM, b"pool", config, first, second)


def build(spec: PoolSpec) -> Built:
    """A pool that trades from its first slot on; token A is the base token."""
    pool = address(spec)
    root = spec.sqrt_price_x64()
    # Within [min, max] the pool holds L * (P - min) / 2^128 of B and L * (max - P) / (P * max) of A.
    liquidity = (spec.quote_depth << 128) // (root - _MIN_SQRT_PRICE)
    amount_b = liquidity * (root - _MIN_SQRT_PRICE) >> 128
    amount_a = liquidity * (_MAX_SQRT_PRICE - root) // (root * _MAX_SQRT_PRICE)
    vault_a, vault_b = (_vault(token, pool) for token in (spec.base, spec.quote))
    data = record(
        _POOL_SIZE,
        {
            0: _POOL_TAG,
            8: uint(spec.fee_ppm * 1_000, 8),
            48: uint(_PROTOCOL_PERCENT, 1),
            152: uint(root, 16),
            168: spec.base.mint,
            200: spec.quote.mint,
            232: vault_a,
            264: vault_b,
            360: uint(liquidity, 16),
            424: uint(_MIN_SQRT_PRICE, 16),
            440: uint(_MAX_SQRT_PRICE, 16),
            456: uint(root, 16),
            482: uint(_is_token_2022(spec.base), 1),
            483: uint(_is_token_2022(spec.quote), 1),
            484: uint(_FEES_IN_TOKEN_B, 1),
            486: uint(1, 1),
            680: uint(amount_a, 8),
            688: uint(amount_b, 8),
            696: uint(1, 1),
        },
    )
    return {
        pool: Account(PROGRAM, rent_exempt(_POOL_SIZE), data),
        vault_a: vault(spec.base, AUTHORITY, amount_a),
        vault_b: vault(spec.quote, AUTHORITY, amount_b),
    }


def _vault(token: Token, pool: Pubkey) -> Pubkey:
    return pda(PROGRAM, b"token_vault", token.mint, pool)


def _is_token_2022(token: Token) -> int:
    return int(len(token.account.data) > 82)

"""Raydium AMM v4 pools: swaps only (status 6), so without an order book behind them."""

from math import isqrt

from solders.pubkey import Pubkey

from activities.venues.pool import Account
from activities.venues.raydium.amm_v4 import AUTHORITY, PROGRAM
from deploy.localnet.pools.spec import Built, PoolSpec, pda, record, uint, vault
from deploy.localnet.tokens import mint_account, rent_exempt

_MARKET_PROGRAM = Pubkey.from_string("srmqPvymJeFKQ4zGQed1GFppgkRHL9kaELCbyksJtPX")
_SIZE = 752
_SWAP_ONLY = 6
_AUTHORITY_BUMP = 254
_PPM = 1_000_000


def build(spec: PoolSpec) -> Built:
    """A pool whose coin is the base token; its market is an address without an account."""
    base, quote = spec.base, spec.quote
    market = pda(_MARKET_PROGRAM, b"localnet market", base.mint, quote.mint, uint(spec.index, 2))

    def associated(name: str) -> Pubkey:
        return pda(PROGRAM, PROGRAM, market, f"{name}_associated_seed".encode())

    lp_mint, coin_vault, pc_vault = associated("lp_mint"), associated("coin_vault"), associated("pc_vault")
    supply = isqrt(spec.base_depth * spec.quote_depth)
    data = record(
        _SIZE,
        {
            0: uint(_SWAP_ONLY, 8),
            8: uint(_AUTHORITY_BUMP, 8),
            32: uint(base.decimals, 8),
            40: uint(quote.decimals, 8),
            128: uint(5, 8),
            136: uint(10_000, 8),
            144: uint(spec.fee_ppm, 8),
            152: uint(_PPM, 8),
            160: uint(12, 8),
            168: uint(100, 8),
            176: uint(spec.fee_ppm, 8),
            184: uint(_PPM, 8),
            336: coin_vault,
            368: pc_vault,
            400: base.mint,
            432: quote.mint,
            464: lp_mint,
            496: associated("open_order"),
            528: market,
            560: _MARKET_PROGRAM,
            592: associated("target"),
            720: uint(supply, 8),
        },
    )
    return {
        associated("amm"): Account(PROGRAM, rent_exempt(_SIZE), data),
        lp_mint: mint_account(base.decimals, supply, AUTHORITY),
        coin_vault: vault(base, AUTHORITY, spec.base_depth),
        pc_vault: vault(quote, AUTHORITY, spec.quote_depth),
    }

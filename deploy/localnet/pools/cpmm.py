"""Raydium CPMM pools."""

from math import isqrt

from solders.pubkey import Pubkey

from activities.venues.pool import Account
from activities.venues.raydium.cpmm import AUTHORITY, PROGRAM
from deploy.localnet.pools.spec import Built, PoolSpec, pda, record, uint, vault
from deploy.localnet.tokens import mint_account, rent_exempt

_CONFIG_TAG = bytes.fromhex("daf42168cbcb2b6f")
_POOL_TAG = bytes.fromhex("f7ede3f5d7c3de46")
_OBSERVATION_TAG = bytes.fromhex("7aaec5358109a584")
_CONFIG_SIZE, _POOL_SIZE, _OBSERVATION_SIZE = 236, 637, 4_075
_LP_DECIMALS = 9
# Shares of the trade fee in millionths, as Raydium's own configurations have them.
_PROTOCOL_SHARE, _FUND_SHARE = 120_000, 40_000


def address(spec: PoolSpec) -> Pubkey:
    """The pool of the two mints under fee configuration `spec.index`."""
    (first, _), (second, _) = spec.sorted_pair()
    return pda(PROGRAM, b"pool", _config(spec), first.mint, second.mint)


def build(spec: PoolSpec) -> Built:
    """A pool without creator fee and with nothing owed yet."""
    (first, amount_0), (second, amount_1) = spec.sorted_pair()
    pool, config = address(spec), _config(spec)
    vault_0, vault_1 = (pda(PROGRAM, b"pool_vault", pool, token.mint) for token in (first, second))
    lp_mint, observation = pda(PROGRAM, b"pool_lp_mint", pool), pda(PROGRAM, b"observation", pool)
    supply = isqrt(amount_0 * amount_1)
    config_data = record(
        _CONFIG_SIZE,
        {
            0: _CONFIG_TAG,
            8: uint(Pubkey.find_program_address([b"amm_config", spec.index.to_bytes(2)], PROGRAM)[1], 1),
            10: uint(spec.index, 2),
            12: uint(spec.fee_ppm, 8),
            20: uint(_PROTOCOL_SHARE, 8),
            28: uint(_FUND_SHARE, 8),
        },
    )
    pool_data = record(
        _POOL_SIZE,
        {
            0: _POOL_TAG,
            8: config,
            72: vault_0,
            104: vault_1,
            136: lp_mint,
            168: first.mint,
            200: second.mint,
            232: first.account.owner,
            264: second.account.owner,
            296: observation,
            328: uint(Pubkey.find_program_address([b"vault_and_lp_mint_auth_seed"], PROGRAM)[1], 1),
            330: uint(_LP_DECIMALS, 1),
            331: uint(first.decimals, 1),
            332: uint(second.decimals, 1),
            333: uint(supply, 8),
        },
    )
    observation_data = record(_OBSERVATION_SIZE, {0: _OBSERVATION_TAG, 11: pool})
    return {
        config: Account(PROGRAM, rent_exempt(_CONFIG_SIZE), config_data),
        pool: Account(PROGRAM, rent_exempt(_POOL_SIZE), pool_data),
        observation: Account(PROGRAM, rent_exempt(_OBSERVATION_SIZE), observation_data),
        lp_mint: mint_account(_LP_DECIMALS, supply, AUTHORITY),
        vault_0: vault(first, AUTHORITY, amount_0),
        vault_1: vault(second, AUTHORITY, amount_1),
    }


def _config(spec: PoolSpec) -> Pubkey:
    return pda(PROGRAM, b"amm_config", spec.index.to_bytes(2))

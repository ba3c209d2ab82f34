"""Meteora DAMM v1 pools, each alone in the two vaults that hold its tokens.

On the real venue all pools of a token share its vault; here a token can be in one DAMM v1 pool only.
"""

from solders.pubkey import Pubkey

from activities.venues.meteora.damm_v1_state import DISCRIMINATOR, PROGRAM
from activities.venues.meteora.damm_v1_vault import VAULT_PROGRAM
from activities.venues.pool import Account
from deploy.localnet.pools.spec import Built, PoolSpec, Token, pda, record, uint, vault
from deploy.localnet.tokens import mint_account, rent_exempt, token_account

# Part of every vault's address: the key that made the first ones.
_VAULT_BASE = Pubkey.from_string("HWzXGcGHy4tcpYfaRDCyLNzXqBTv3E6BttpCH2vJxArv")
_VAULT_TAG = bytes.fromhex("d308e82b02987577")
_POOL_SIZE, _VAULT_SIZE = 944, 10_240
_PPM = 1_000_000
_PROTOCOL_PERCENT = 20


def build(spec: PoolSpec) -> Built:
    """A constant-product pool; token A is the base token."""
    config = pda(PROGRAM, b"config", uint(spec.index, 8))
    first, second = sorted((bytes(spec.base.mint), bytes(spec.quote.mint)), reverse=True)
    pool = pda(PROGRAM, first, second, config)
    built: Built = {}
    fields: dict[int, bytes | Pubkey] = {
        0: DISCRIMINATOR,
        8: pda(PROGRAM, b"lp_mint", pool),
        233: uint(1, 1),
        330: uint(spec.fee_ppm, 8),
        338: uint(_PPM, 8),
        346: uint(_PROTOCOL_PERCENT, 8),
        354: uint(100, 8),
    }
    sides = ((spec.base, spec.base_depth), (spec.quote, spec.quote_depth))
    # The pool's LP accounts, of which the first is the authority of both, are made from the vaults' addresses.
    vaults = [_vault_address(token) for token, _ in sides]
    authority = pda(PROGRAM, vaults[0], pool)
    for side, (token, amount) in enumerate(sides):
        lp_mint = pda(VAULT_PROGRAM, b"lp_mint", vaults[side])
        lp_account = pda(PROGRAM, vaults[side], pool)
        protocol_fee = pda(PROGRAM, b"fee", token.mint, pool)
        fields |= {
            40 + 32 * side: token.mint,
            104 + 32 * side: vaults[side],
            168 + 32 * side: lp_account,
            234 + 32 * side: protocol_fee,
        }
        built |= _vault(token, amount, lp_mint)
        built[lp_mint] = mint_account(token.decimals, amount, vaults[side])
        built[lp_account] = token_account(lp_mint, authority, amount)
        built[protocol_fee] = vault(token, authority, 0)
    bump = Pubkey.find_program_address([bytes(vaults[0]), bytes(pool)], PROGRAM)[1]
    data = record(_POOL_SIZE, {**fields, 232: uint(bump, 1)})
    built[pool] = Account(PROGRAM, rent_exempt(_POOL_SIZE), data)
    return built


def _vault(token: Token, amount: int, lp_mint: Pubkey) -> Built:
    """A vault that has lent nothing out and has no profit locked."""
    address = _vault_address(token)
    tokens = pda(VAULT_PROGRAM, b"token_vault", address)
    data = record(
        _VAULT_SIZE,
        {
            0: _VAULT_TAG,
            8: uint(1, 1),
            11: uint(amount, 8),
            19: tokens,
            83: token.mint,
            115: lp_mint,
        },
    )
    return {
        address: Account(VAULT_PROGRAM, rent_exempt(_VAULT_SIZE), data),
        tokens: vault(token, address, amount),
    }


def _vault_address(token: Token) -> Pubkey:
    return pda(VAULT_PROGRAM, b"vault", token.mint, _VAULT_BASE)

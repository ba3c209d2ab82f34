"""The swap instructions of Meteora DAMM v2: `swap2`, and the older `swap` for an exact input."""

from struct import Struct
from typing import NamedTuple

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from activities.venues.errors import DecodeError
from activities.venues.pool import Mode, Pool, Swap, SwapCall, UserAccounts

PROGRAM = Pubkey.from_string("cpamdpZCGKUy5JxQXB4dcpGPiikHawvSWAd6mEn1sGG")
# Program addresses of the seeds "pool_authority" and "__event_authority".
_POOL_AUTHORITY = Pubkey.from_string("HLnpSz9h2S4hiLQ43rnSD9XkcUThA7B8hQMKmDaiTLcC")
_EVENT_AUTHORITY = Pubkey.from_string("3rmHSu74h1ZcmAisVcWerTCiRDQbUrBKmcwptYGjHfet")
_INSTRUCTIONS_SYSVAR = Pubkey.from_string("Sysvar1nstructions1111111111111111111111111")

_SWAP = bytes.fromhex("f8c69e91e17587c8")
_SWAP2 = bytes.fromhex("414b3f4ceb5b5b88")
_SWAP_DATA, _SWAP2_DATA = Struct("<8sQQ"), Struct("<8sQQB")
_ACCOUNTS = 14

_MODE_BYTES = {Mode.EXACT_IN: 0, Mode.PARTIAL_FILL: 1, Mode.EXACT_OUT: 2}
_MODES = {byte: mode for mode, byte in _MODE_BYTES.items()}


class Form(NamedTuple):
    """The form of a swap instruction.

    `legacy` is `swap`, else `swap2`; `referral` is the token account, of the fee's mint, that is paid the
    referral's part; `introspected` lists the instructions sysvar, which an active rate limiter asks for.
    """

    legacy: bool = False
    referral: Pubkey | None = None
    introspected: bool = False


def swap_instruction(
    pool: Pool, vaults: tuple[Pubkey, Pubkey], swap: Swap, limit: int, user: UserAccounts, form: Form
) -> Instruction:
    """The instruction for `swap`; the vaults, as mints and token programs, stand in the order A, B."""
    if form.legacy:
        data = _SWAP_DATA.pack(_SWAP, swap.amount, limit)
    else:
        data = _SWAP2_DATA.pack(_SWAP2, swap.amount, limit, _MODE_BYTES[swap.mode])
    mint_a, mint_b = pool.mint_a, pool.mint_b
    metas = [
        AccountMeta(_POOL_AUTHORITY, is_signer=False, is_writable=False),
        AccountMeta(pool.address, is_signer=False, is_writable=True),
        *(AccountMeta(key, False, True) for key in (user.source, user.destination, *vaults)),
        AccountMeta(mint_a.address, is_signer=False, is_writable=False),
        AccountMeta(mint_b.address, is_signer=False, is_writable=False),
        AccountMeta(user.owner, is_signer=True, is_writable=False),
        AccountMeta(mint_a.program, is_signer=False, is_writable=False),
        AccountMeta(mint_b.program, is_signer=False, is_writable=False),
        # The program's own key stands for an optional account that is left out.
        AccountMeta(form.referral or PROGRAM, is_signer=False, is_writable=form.referral is not None),
        AccountMeta(_EVENT_AUTHORITY, is_signer=False, is_writable=False),
        AccountMeta(PROGRAM, is_signer=False, is_writable=False),
    ]
    if form.introspected:
        metas.append(AccountMeta(_INSTRUCTIONS_SYSVAR, is_signer=False, is_writable=False))
    return Instruction(PROGRAM, data, metas)


def parse_swap(instruction: Instruction) -> tuple[SwapCall, Form] | None:
    """Take either swap instruction apart; None for another one, DecodeError for an incomplete one."""
    data, metas = instruction.data, instruction.accounts
    tag = data[:8]
    if instruction.program_id != PROGRAM or tag not in (_SWAP, _SWAP2):
        return None
    layout = _SWAP_DATA if tag == _SWAP else _SWAP2_DATA
    if len(data) < layout.size or len(metas) < _ACCOUNTS:
        raise DecodeError("meteora_damm_v2", "swap instruction", len(data), f"{len(metas)} accounts")
    _, amount, limit, *mode = layout.unpack_from(data)
    referral = metas[11].pubkey
    form = Form(
        tag == _SWAP,
        None if referral == PROGRAM else referral,
        len(metas) > _ACCOUNTS and metas[_ACCOUNTS].pubkey == _INSTRUCTIONS_SYSVAR,
    )
    user = UserAccounts(metas[8].pubkey, metas[2].pubkey, metas[3].pubkey)
    # The program takes a mode that it does not know for an exact input.
    return SwapCall(
        metas[1].pubkey, user, _MODES.get(mode[0], Mode.EXACT_IN) if mode else Mode.EXACT_IN, amount, limit
    ), form

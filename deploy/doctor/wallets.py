"""The wallets: can each sign, who else may read its key, and can it pay for an order?"""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from solana_keychain import MemorySigner
from solana_keychain.core.signer import TransactionSigner
from solders.pubkey import Pubkey

from activities.settings import WorkerSettings
from activities.solana.rpc import MAX_ACCOUNTS, ChainUnavailable, SolanaRpc
from activities.solana.signers.definitions import FileWallet, Wallet, WalletsFileError, read_wallets_file
from activities.solana.signers.keys import KeyDirectory, KeyUnusable, open_to_others
from activities.solana.signers.opened import open_signer
from deploy.doctor.finding import Finding, failure, ok, warning

# Two token accounts at 2,039,280 lamports each, and the fees of some attempts.
_ENOUGH_LAMPORTS = 5_000_000
_LAMPORTS_PER_SOL = 1_000_000_000

_OF_FILE = "correct the file that ORDER_ENGINE_WALLETS_FILE names"


async def examine_wallets(settings: WorkerSettings, rpc: SolanaRpc) -> Sequence[Finding]:
    """Every wallet that an order may name."""
    async with AsyncExitStack() as closing:
        if settings.wallets_file is not None:
            findings, addresses = await _of_file(settings.wallets_file, settings, closing)
        else:
            findings, addresses = _of_directory(settings.wallet_dir or Path())
        return [*findings, *await _balances(rpc, addresses)]


async def _of_file(
    file: Path, settings: WorkerSettings, closing: AsyncExitStack
) -> tuple[list[Finding], dict[str, Pubkey]]:
    try:
        wallets = read_wallets_file(file, settings.cluster)
    except WalletsFileError as error:
        return [failure("wallets", str(error), _OF_FILE)], {}
    findings, addresses = [], {}
    for name, wallet in wallets.items():
        try:
            signer = await open_signer(name, wallet, closing)
        except WalletsFileError as error:
            findings.append(failure(f"wallet {name}", str(error), _OF_FILE))
            continue
        addresses[name] = signer.pubkey
        findings.append(await _serves(name, wallet, signer))
    return findings, addresses


async def _serves(name: str, wallet: Wallet, signer: TransactionSigner) -> Finding:
    check = f"wallet {name}"
    if isinstance(wallet, FileWallet):
        return _key_file(check, wallet.path, signer)
    if not isinstance(signer, MemorySigner) and not await signer.is_available():
        says = f"the signing service does not answer for it, or its key is not {signer.pubkey}"
        return failure(check, says, f"start or unseal the service; or {_OF_FILE}: address, key, token, public_key")
    return ok(check, f"{wallet.kind}, {signer.pubkey}")


def _of_directory(directory: Path) -> tuple[list[Finding], dict[str, Pubkey]]:
    keys = KeyDirectory(directory)
    findings: list[Finding] = []
    addresses: dict[str, Pubkey] = {}
    for name in keys:
        check = f"wallet {name}"
        try:
            signer = keys[name]
        except KeyUnusable as error:
            mend = "replace it by one that solana-keygen wrote, or remove it"
            findings.append(failure(check, str(error), mend))
            continue
        addresses[name] = signer.pubkey
        findings.append(_key_file(check, keys.path(name), signer))
    if not findings:
        mend = "put key files there, or set ORDER_ENGINE_WALLET_DIR or ORDER_ENGINE_WALLETS_FILE"
        return [failure("wallets", f"there is no key file in {directory}", mend)], {}
    return findings, addresses


def _key_file(check: str, path: Path, signer: TransactionSigner) -> Finding:
    if open_to_others(path) is not None:
        return warning(check, f"others may use the key in {path}", f"chmod 600 {path}")
    return ok(check, f"file, {signer.pubkey}")


async def _balances(rpc: SolanaRpc, addresses: dict[str, Pubkey]) -> list[Finding]:
    asked = list(addresses.items())[:MAX_ACCOUNTS]
    if not asked:
        return []
    try:
        _, accounts = await rpc.accounts([address for _, address in asked])
    except ChainUnavailable:
        # The node's own check says so.
        return []
    findings = []
    for name, address in asked:
        account = accounts[address]
        lamports = account.lamports if account is not None else 0
        says = f"{lamports // _LAMPORTS_PER_SOL}.{lamports % _LAMPORTS_PER_SOL:09} SOL"
        if lamports < _ENOUGH_LAMPORTS:
            needed = f"{_ENOUGH_LAMPORTS / _LAMPORTS_PER_SOL:g} SOL pays for the accounts and fees of an order"
            findings.append(warning(f"balance of {name}", says, f"fund {address}: {needed}"))
        else:
            findings.append(ok(f"balance of {name}", says))
    return findings

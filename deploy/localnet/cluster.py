"""Opens a cluster: continues the ledger in the data directory, or makes a new one from the genesis."""

import os
from contextlib import ExitStack

from solders.pubkey import Pubkey

from activities.venues import kinds
from activities.venues.pool import Account
from deploy.localnet.genesis import LAMPORTS_PER_SOL, Genesis, read_dumps
from deploy.localnet.ledger import Ledger
from deploy.localnet.settings import LocalnetSettings
from deploy.localnet.slots import Commitment, SlotClock
from deploy.localnet.store import Store
from deploy.localnet.wallets import wallet

# Pays the airdrops; its key file lies beside the wallets.
FAUCET = "faucet"
_FAUCET_SOL = 500_000_000
_UPGRADEABLE_LOADER = Pubkey.from_string("BPFLoaderUpgradeab1e11111111111111111111111")
# An upgradeable program's account: state 2 and the address of its data account.
_PROGRAM_DATA = (2).to_bytes(4, "little")


def open_cluster(settings: LocalnetSettings) -> Ledger:
    """The cluster of the data directory; account dumps that it does not hold yet are loaded into it.

    Raises GenesisError and BadProgram on unusable files, LedgerInUse, OSError and sqlite3.Error on an unusable
    data directory.
    """
    with ExitStack() as stack:
        store = Store(settings.data_dir / "ledger.sqlite")
        stack.callback(store.close)
        ledger = _open(store, settings)
        stack.pop_all()
    return ledger


def _open(store: Store, settings: LocalnetSettings) -> Ledger:
    known = store.value("genesis_hash")
    if isinstance(known, str):
        genesis_hash = bytes.fromhex(known)
    else:
        # Random, so that no transaction of another cluster can run here.
        genesis_hash = os.urandom(32)
        _write_genesis(store, settings)
        store.set_value("genesis_hash", genesis_hash.hex())
    _load_dumps(store, settings)
    lags = {
        Commitment.PROCESSED: 0,
        Commitment.CONFIRMED: settings.confirmed_lag,
        Commitment.FINALIZED: settings.finalized_lag,
    }
    clock = SlotClock(genesis_hash, settings.slot_ms, store.anchors(), lags)
    store.set_value("anchors", clock.anchors)
    return Ledger(store, clock, genesis_hash, settings.programs)


def _write_genesis(store: Store, settings: LocalnetSettings) -> None:
    genesis = Genesis(settings.genesis)
    directory = settings.data_dir / "wallets"
    owners = {name: wallet(directory, name).pubkey() for name in genesis.wallets}
    accounts = genesis.accounts(owners)
    faucet = wallet(directory, FAUCET).pubkey()
    accounts[faucet] = Account(Pubkey.default(), _FAUCET_SOL * LAMPORTS_PER_SOL, b"")
    programs = frozenset(kind.program_id for kind in kinds.KINDS)
    for program in programs:
        data = _PROGRAM_DATA + bytes(Pubkey.find_program_address([bytes(program)], _UPGRADEABLE_LOADER)[0])
        accounts[program] = Account(_UPGRADEABLE_LOADER, 1_141_440, data)
    store.put_accounts(accounts, programs)


def _load_dumps(store: Store, settings: LocalnetSettings) -> None:
    """Load each dumped account once: a restart must not undo what happened to it since."""
    stored = store.value("loaded")
    loaded = set(stored) if isinstance(stored, list) else set()
    accounts, executable = read_dumps(settings.accounts)
    fresh = {address: account for address, account in accounts.items() if str(address) not in loaded}
    if fresh:
        store.put_accounts(fresh, executable)
        store.set_value("loaded", sorted(loaded | {str(address) for address in fresh}))

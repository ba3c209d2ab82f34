"""Whatever is sent, delayed, reverted, forked, restarted: accounts are what the statuses say, and nothing leaks."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from activities.venues import kinds
from activities.venues.mint import NATIVE_MINT
from activities.venues.pool import Mode, Swap, UserAccounts
from deploy.localnet.ledger import Mishap
from deploy.localnet.node import Node
from deploy.localnet.pool_cache import PoolCache
from deploy.localnet.server import open_node
from deploy.localnet.settings import LocalnetSettings
from deploy.localnet.tokens import read_token_account
from deploy.localnet.transactions import WireTransaction, decode
from tests.localnet.chain import USDC, ata, wrap

LATEST = 1 << 60
# Spelled out: `builds` would make up values for the other fields.
MISHAPS = st.one_of(
    st.just(Mishap()),
    st.integers(1, 160).map(lambda slots: Mishap(delay_slots=slots)),
    st.just(Mishap(custom_error=6005)),
    st.tuples(st.integers(1, 31), st.none() | st.integers(1, 40)).map(
        lambda fork: Mishap(forked_after=fork[0], again=fork[1])
    ),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("pay"), MISHAPS),
        st.tuples(st.just("swap"), MISHAPS),
        st.tuples(st.just("send again"), st.integers(0, 30)),
        st.tuples(st.just("doom"), st.none()),
        st.tuples(st.just("pass"), st.integers(1, 40)),
        st.tuples(st.just("fork"), st.tuples(st.integers(1, 32), st.none() | st.integers(1, 40))),
        st.tuples(st.just("restart"), st.none()),
    ),
    min_size=3,
    max_size=25,
)


class World:
    """One cluster and what was sent to it."""

    def __init__(self, data_dir: Path) -> None:
        self._settings = LocalnetSettings(data_dir=data_dir, slot_ms=60_000)
        self._node = open_node(self._settings)
        self._wallet = Keypair.from_bytes(bytes(json.loads((data_dir / "wallets" / "default.json").read_text())))
        self._sent: list[WireTransaction] = []
        # The payee of a payment, the temporary account of a swap: it exists when the transaction had effect.
        self._evidence: dict[bytes, Pubkey] = {}
        self._final: set[tuple[bytes, int]] = set()
        self._pools = PoolCache()
        self._lamports = self._total_lamports()
        self._usdc = self._total_usdc()

    @property
    def _ledger(self) -> Any:
        return self._node.ledger

    @property
    def node(self) -> Node:
        """The cluster."""
        return self._node

    def close(self) -> None:
        """Stop the cluster."""
        self._ledger.close()

    def do(self, step: str, detail: Any) -> None:
        """Take one step, then look whether all is well."""
        ledger = self._ledger
        ledger.catch_up()
        if step == "pay":
            to = Keypair().pubkey()
            pay = TransferParams(from_pubkey=self._wallet.pubkey(), to_pubkey=to, lamports=10**9)
            self._send([transfer(pay)], to, detail)
        elif step == "swap":
            self._swap(detail)
        elif step == "send again" and self._sent:
            ledger.submit(self._sent[detail % len(self._sent)])
        elif step == "doom" and self._sent:
            ledger.doom(self._sent[-1])
        elif step == "pass":
            ledger.skip(detail)
        elif step == "fork":
            ledger.fork(*detail)
        elif step == "restart":
            ledger.close()
            self._node = open_node(self._settings)
        self.check()

    def check(self) -> None:
        """Balances, histories and statuses tell one story; what was final is still there."""
        ledger = self._ledger
        ledger.catch_up()
        fees = 0
        for transaction in self._sent:
            signature = bytes(transaction.signature)
            status, landed = ledger.status(signature, True), ledger.store.landed(signature)
            evidence = self._evidence[signature]
            in_history = [row.signature for row in ledger.store.history(evidence, None, None, (0, LATEST), 10)]
            assert (status is None) is (landed is None)
            assert in_history == ([] if landed is None else [signature])
            assert (ledger.book[evidence] is not None) is (status is not None and status.error is None)
            if landed is not None:
                fees += json.loads(landed.meta)["fee"]
                assert landed.slot <= ledger.clock.slot()
                if ledger.clock.commitment_of(landed.slot) == "finalized":
                    self._final.add((signature, landed.slot))
        for signature, slot in self._final:
            assert ledger.status(signature, True).slot == slot
        assert self._total_lamports() == self._lamports - fees
        assert self._total_usdc() == self._usdc
        for address, account in ledger.book.items():
            assert address in ledger.book.executable or ledger.machine.existing(address) == account

    def _swap(self, mishap: Mishap) -> None:
        ledger, kind = self._ledger, kinds.by_name("cpmm")
        (pool, *_) = sorted(
            (self._pools.pool(kind, address, ledger.book)[0] for address in self._cpmm_pools()),
            key=lambda pool: pool.reserves(),
        )
        swap = Swap(pool.mint_a.address == USDC, Mode.EXACT_IN, 10**8 + len(self._sent))
        quote = pool.quote(swap, ledger.machine.clock)
        owner = self._wallet.pubkey()
        wrapped, making = wrap(owner, f"order-{len(self._sent)}", 0)
        user = UserAccounts(owner, ata(owner, USDC), wrapped)
        self._send([*making, pool.instruction(quote, 1, user)], wrapped, mishap)

    def _cpmm_pools(self) -> Iterator[Pubkey]:
        kind = kinds.by_name("cpmm")
        for address, account in self._ledger.book.owned_by_program(kind.program_id):
            if any(filter_.matches(account.data) for filter_ in kind.filters(USDC, NATIVE_MINT)):
                yield address

    def _send(self, instructions: list[Instruction], evidence: Pubkey, mishap: Mishap) -> None:
        blockhash = Hash(self._ledger.clock.blockhash(self._ledger.clock.slot()))
        message = MessageV0.try_compile(self._wallet.pubkey(), instructions, [], blockhash)
        transaction = decode(bytes(VersionedTransaction(message, [self._wallet])))
        self._sent.append(transaction)
        self._evidence[bytes(transaction.signature)] = evidence
        self._ledger.submit(transaction, mishap)

    def _total_lamports(self) -> int:
        return sum(account.lamports for account in self._ledger.book.values())

    def _total_usdc(self) -> int:
        holdings = (read_token_account(account) for account in self._ledger.book.values())
        return sum(holding.amount for holding in holdings if holding is not None and holding.mint == USDC)


@pytest.fixture(scope="module")
def genesis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new cluster's data directory, to be copied."""
    directory = tmp_path_factory.mktemp("genesis") / "first"
    open_node(LocalnetSettings(data_dir=directory, slot_ms=60_000)).ledger.close()
    return directory


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_the_accounts_are_what_the_statuses_say(genesis: Path, tmp_path_factory: Any, steps: list[Any]) -> None:
    directory = tmp_path_factory.mktemp("chain") / "data"
    shutil.copytree(genesis, directory)
    world = World(directory)
    try:
        for step, detail in steps:
            world.do(step, detail)
        # Whatever is still on its way has landed by then, or never will.
        world.do("pass", 400)
        world.do("restart", None)
    finally:
        world.close()
        shutil.rmtree(directory)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, back=st.integers(1, 150))
def test_looking_back_shows_what_was_there(genesis: Path, tmp_path_factory: Any, steps: list[Any], back: int) -> None:
    directory = tmp_path_factory.mktemp("chain") / "data"
    shutil.copytree(genesis, directory)
    world = World(directory)
    try:
        seen: dict[int, dict[Any, Any]] = {}
        for step, detail in steps:
            if step in ("restart", "fork") or (isinstance(detail, Mishap) and detail.forked_after):
                continue
            world.do(step, detail)
            ledger = world.node.ledger
            seen[ledger.clock.slot()] = dict(ledger.book.items())
        ledger = world.node.ledger
        slot = ledger.clock.slot()
        now = dict(ledger.book.items())
        wanted = max((at for at in seen if at <= slot - back), default=None)
        if wanted is not None and slot - wanted <= 150:
            with ledger.as_of(wanted, accounts=True):
                assert dict(ledger.book.items()) == seen[wanted]
                assert ledger.clock.slot() == wanted
        assert dict(ledger.book.items()) == now
        world.check()
    finally:
        world.close()
        shutil.rmtree(directory)

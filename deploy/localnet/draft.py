"""The message that the virtual machine really runs for a transaction, put together instruction by instruction."""

from solders.hash import Hash
from solders.instruction import CompiledInstruction
from solders.message import Message
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from deploy.localnet.transactions import Resolved

SYSTEM_PROGRAM = Pubkey.default()


class Draft:
    """A legacy message over a transaction's resolved accounts.

    The fee payer, the signers and the write locks are the transaction's own; `origin` tells for each
    instruction which of the transaction's instructions it stands for.
    """

    def __init__(self, resolved: Resolved) -> None:
        self._signers = resolved.signers
        self._readonly_signers = resolved.readonly_signers
        total, signers = len(resolved.keys), resolved.signers
        # Looked-up writable accounts come behind static read-only ones; a legacy header wants them first.
        order = list(range(total))
        if resolved.loaded_writable:
            order[signers:] = sorted(order[signers:], key=lambda at: not resolved.writable[at])
        self._keys = [resolved.keys[at] for at in order]
        self._shifted = bool(resolved.loaded_writable)
        self._position = {old: new for new, old in enumerate(order)} if self._shifted else {}
        self._readonly = resolved.writable[signers:].count(False)
        self._index: dict[Pubkey, int] | None = None
        self._instructions: list[CompiledInstruction] = []
        self.origin: list[int] = []

    def keep(self, instruction: CompiledInstruction, origin: int) -> None:
        """Append one of the transaction's own instructions."""
        if self._shifted:
            at = self._position
            accounts = bytes(at[old] for old in instruction.accounts)
            instruction = CompiledInstruction(at[instruction.program_id_index], instruction.data, accounts)
        self._instructions.append(instruction)
        self.origin.append(origin)

    def fail(self, origin: int) -> None:
        """Append an instruction that fails in place of instruction `origin`, whatever the accounts are."""
        self.add(SYSTEM_PROGRAM, b"", (), origin)

    def add(self, program: Pubkey, data: bytes, accounts: tuple[Pubkey, ...], origin: int) -> None:
        """Append an instruction that stands for instruction `origin`; unknown accounts join read-only."""
        indexes = bytes(self._at(key) for key in accounts)
        self._instructions.append(CompiledInstruction(self._at(program), data, indexes))
        self.origin.append(origin)

    def instruction(self, index: int) -> CompiledInstruction:
        """The drafted instruction `index`."""
        return self._instructions[index]

    def cut(self, origin: int) -> None:
        """Take out every instruction that stands for instruction `origin` or a later one."""
        kept = [at for at, of in enumerate(self.origin) if 0 <= of < origin]
        self._instructions = [self._instructions[at] for at in kept]
        self.origin = [self.origin[at] for at in kept]

    def program(self, index: int) -> Pubkey:
        """The program that the drafted instruction `index` calls."""
        return self._keys[self._instructions[index].program_id_index]

    def key(self, index: int) -> Pubkey:
        """The account behind a drafted instruction's account index."""
        return self._keys[index]

    def transaction(self) -> VersionedTransaction:
        """The draft with empty signatures: the machine does not check them."""
        message = Message.new_with_compiled_instructions(
            self._signers, self._readonly_signers, self._readonly, self._keys, Hash.default(), self._instructions
        )
        return VersionedTransaction.populate(message, [Signature.default()] * self._signers)

    def _at(self, key: Pubkey) -> int:
        if self._index is None:
            self._index = {known: at for at, known in enumerate(self._keys)}
        at = self._index.get(key)
        if at is None:
            at = self._index[key] = len(self._keys)
            self._keys.append(key)
            self._readonly += 1
        return at

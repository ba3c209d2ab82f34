"""A real program in the place of a venue's: settles one known swap by calls of the token program.

It takes the accounts of the venue's own instruction, in their order, moves the amounts that it was made for
(out of the vault with the signature of the vault's owner, an address derived from the program), and writes the
bytes of the next state. So it does to the accounts exactly what the venue's program does for that one swap.
"""

from collections.abc import Mapping, Sequence
from struct import Struct
from typing import NamedTuple

from solders.pubkey import Pubkey

from tests.localnet.sbf import Program

# Where the parts of an account lie in a program's input (loader of upgradeable programs).
_SIGNER, _WRITABLE, _EXECUTABLE, _KEY, _OWNER, _LAMPORTS, _LENGTH, _DATA = 1, 2, 3, 8, 40, 72, 80, 88
# What the input leaves free behind an account's data.
_SPARE = 10_240
_TRANSFER_CHECKED = Struct("<BQB")
_INFO_SIZE, _META_SIZE = 56, 16
# Places in the stack frame, below r10; the runtime wants them aligned to 8 bytes.
_INFOS, _METAS, _INSTRUCTION, _TRANSFER, _SEEDS, _SEED_LIST, _SIGNERS = -512, -1024, -1104, -1120, -1200, -1264, -1280
_INPUT, _BASE, _VALUE = 6, 7, 8


class Transfer(NamedTuple):
    """A TransferChecked; everything but the amount is a position among the instruction's accounts."""

    token_program: int
    source: int
    mint: int
    destination: int
    authority: int
    amount: int
    decimals: int


class Writes(NamedTuple):
    """Bytes to write into the data of the account at `position`."""

    position: int
    changes: Mapping[int, bytes]


def settling(
    accounts: Sequence[tuple[Pubkey, int]], transfers: Sequence[Transfer], writes: Sequence[Writes], seeds: list[bytes]
) -> bytes:
    """The program; `accounts` are addresses and data lengths in order, `seeds` those of the vaults' owner."""
    at = _positions(accounts)
    program = Program().copy(_INPUT, 1)
    for transfer in transfers:
        _transfer(program, transfer, at, seeds)
    for position, changes in writes:
        program.copy(_BASE, _INPUT).add(_BASE, at[position] + _DATA)
        for offset, data in changes.items():
            for index, byte in enumerate(data):
                program.move(_VALUE, byte).store(_BASE, offset + index, _VALUE, 1)
    return program.move(0, 0).exit().elf()


def _positions(accounts: Sequence[tuple[Pubkey, int]]) -> list[int]:
    """Where each account begins in the input; one that is named again shares the first one's place."""
    offset, at = 8, []
    known: dict[Pubkey, int] = {}
    for address, length in accounts:
        if address in known:
            at.append(known[address])
            offset += 8
        else:
            known[address] = offset
            at.append(offset)
            offset += _DATA + -(-(length + _SPARE) // 8) * 8 + 8
    return at


def _transfer(program: Program, transfer: Transfer, at: list[int], seeds: list[bytes]) -> None:
    named = (transfer.source, transfer.mint, transfer.destination, transfer.authority)
    for index, position in enumerate((*named, transfer.token_program)):
        _info(program, _INFOS + index * _INFO_SIZE, at[position])
    for index, position in enumerate(named):
        writable, signer = int(index in (0, 2)), int(index == 3)
        place = _METAS + index * _META_SIZE
        program.copy(_BASE, _INPUT).add(_BASE, at[position] + _KEY).store(10, place, _BASE)
        program.move(_VALUE, writable | signer << 8).store(10, place + 8, _VALUE)
    _put(program, _TRANSFER, _TRANSFER_CHECKED.pack(12, transfer.amount, transfer.decimals))
    program.copy(_BASE, _INPUT).add(_BASE, at[transfer.token_program] + _KEY).store(10, _INSTRUCTION, _BASE)
    _point(program, _INSTRUCTION + 8, _METAS, len(named))
    _point(program, _INSTRUCTION + 24, _TRANSFER, _TRANSFER_CHECKED.size)
    place = _SEEDS
    for index, seed in enumerate(seeds):
        _put(program, place, seed)
        _point(program, _SEED_LIST + index * 16, place, len(seed))
        place += len(seed)
    _point(program, _SIGNERS, _SEED_LIST, len(seeds))
    program.copy(1, 10).add(1, _INSTRUCTION).copy(2, 10).add(2, _INFOS).move(3, len(named) + 1)
    program.copy(4, 10).add(4, _SIGNERS).move(5, 1).call("sol_invoke_signed_c")


def _info(program: Program, place: int, account: int) -> None:
    """Describe the account that begins at `account` in the input."""
    program.copy(_BASE, _INPUT).add(_BASE, account)
    for offset, part in ((0, _KEY), (8, _LAMPORTS), (24, _DATA), (32, _OWNER)):
        program.copy(_VALUE, _BASE).add(_VALUE, part).store(10, place + offset, _VALUE)
    program.load(_VALUE, _BASE, _LENGTH).store(10, place + 16, _VALUE)
    program.move(_VALUE, 0).store(10, place + 40, _VALUE).store(10, place + 48, _VALUE)
    for offset, part in ((48, _SIGNER), (49, _WRITABLE), (50, _EXECUTABLE)):
        program.load(_VALUE, _BASE, part, 1).store(10, place + offset, _VALUE, 1)


def _point(program: Program, place: int, target: int, length: int) -> None:
    """Write the address of a place in the frame, and a length."""
    program.copy(_VALUE, 10).add(_VALUE, target).store(10, place, _VALUE)
    program.move(_VALUE, length).store(10, place + 8, _VALUE)


def _put(program: Program, place: int, data: bytes) -> None:
    for index, byte in enumerate(data):
        program.move(_VALUE, byte).store(10, place + index, _VALUE, 1)

"""Vector files: recorded swaps of the real programs, and instructions of the official SDKs, as data.

A file is told by its content, never by its name. A swap file has `scenarios` (accounts, clock, roles) with
their `cases`; an instruction file has `cases` alone, which name scenarios of swap files nearby.
"""

import base64
import binascii
import gzip
import json
import lzma
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from activities.venues.pool import Account, Accounts, Clock

Json = Mapping[str, Any]

# How a packed file begins.
_GZIP, _XZ = b"\x1f\x8b", b"\xfd7zXZ\x00"


class BadVectorFile(Exception):
    """The file is not a vector file, or not a complete one; the message says where."""


@dataclass(frozen=True, slots=True)
class Case:
    """One swap: `raw` is its record, `result` what the program did (None when only quoted elsewhere)."""

    side: str
    mode: str
    amount: int
    limit: int
    raw: Json

    @property
    def result(self) -> Json:
        """The recorded outcome: `ok`, then amounts and `post_diff`, or `error`."""
        result: Json = self.raw["result"]
        return result

    @property
    def instruction_key(self) -> str:
        """The name under which the scenario keeps the accounts of this case's instruction."""
        parts = (self.side, self.mode, self.raw.get("ix"))
        return ":".join(part for part in parts if part)

    def __str__(self) -> str:
        return f"{self.instruction_key} amount {self.amount} limit {self.limit}"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One state of one pool: its accounts at one clock, who is who among them, and the cases run on it."""

    id: str
    clock: Clock
    roles: Mapping[str, Pubkey]
    payer: Pubkey
    accounts: Accounts
    account_lists: Mapping[str, Json]
    cases: tuple[Case, ...]
    warning: str | None

    def instruction(self, case: Case) -> Instruction | None:
        """The instruction that was run for `case`, None where none was."""
        recorded = self.account_lists.get(case.instruction_key)
        if recorded is None or "data_hex" not in case.raw:
            return None
        return read_instruction({**recorded, "data_hex": case.raw["data_hex"]})


@dataclass(frozen=True, slots=True)
class InstructionCase:
    """An instruction that an official SDK built for a scenario of the set `program`."""

    program: str
    scenario: str
    case: Case
    instruction: Instruction


@dataclass(frozen=True, slots=True)
class VectorFile:
    """A read file; exactly one of `scenarios` and `instruction_cases` is filled."""

    path: Path
    set_name: str
    program: Pubkey | None
    scenarios: tuple[Scenario, ...] = ()
    instruction_cases: tuple[InstructionCase, ...] = ()


def read_file(path: Path) -> VectorFile:
    """Read one vector file, plain or packed by gzip or xz; raises BadVectorFile, also where it cannot be opened."""
    try:
        content = json.loads(_unpacked(path.read_bytes()))
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise BadVectorFile(f"{path}: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("cases", content.get("scenarios")), list):
        raise BadVectorFile(f"{path}: no scenarios and no cases: not a vector file")
    try:
        return _read(path, content)
    except (KeyError, TypeError, ValueError, AttributeError, zlib.error) as error:
        raise BadVectorFile(f"{path}: {type(error).__name__}: {error}") from error


def read_neighbours(path: Path) -> Iterator[VectorFile]:
    """Yield the swap files beside `path`, then those of the folder above; other files are passed over."""
    for folder in (path.resolve().parent, path.resolve().parent.parent):
        for sibling in sorted(folder.glob("*.json*")):
            try:
                found = read_file(sibling)
            except BadVectorFile:
                continue
            if found.scenarios:
                yield found


def _unpacked(data: bytes) -> bytes:
    if data.startswith(_GZIP):
        return gzip.decompress(data)
    return lzma.decompress(data) if data.startswith(_XZ) else data


def read_instruction(recorded: Json) -> Instruction:
    """Read `{program_id, accounts: [[key, flags]], data_hex}`; flags `s` signer and `w` writable."""
    metas = [
        AccountMeta(Pubkey.from_string(key), is_signer="s" in flags, is_writable="w" in flags)
        for key, flags in recorded["accounts"]
    ]
    program_id = Pubkey.from_string(recorded["program_id"])
    return Instruction(program_id, bytes.fromhex(recorded["data_hex"]), metas)


def _read(path: Path, content: Json) -> VectorFile:
    source = content.get("source")
    program = source.get("program") if isinstance(source, dict) else None
    set_name = str(content.get("set", path.stem))
    owner = Pubkey.from_string(program) if program else None
    if "scenarios" in content:
        data = {key: _read_account(value) for key, value in content["account_data"].items()}
        scenarios = tuple(_read_scenario(scenario, data) for scenario in content["scenarios"])
        return VectorFile(path, set_name, owner, scenarios=scenarios)
    cases = tuple(
        InstructionCase(c["program"], c["scenario"], _read_case(c), read_instruction(c["instruction"]))
        for c in content["cases"]
    )
    return VectorFile(path, set_name, owner, instruction_cases=cases)


def _read_account(record: Json) -> Account:
    text, encoding = record["data"]
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"account data: {error}") from error
    if encoding == "base64+zlib":
        data = zlib.decompress(data)
    elif encoding != "base64":
        raise ValueError(f"unknown encoding {encoding!r}")
    return Account(Pubkey.from_string(record["owner"]), int(record["lamports"]), data)


def _read_scenario(record: Json, data: Mapping[str, Account]) -> Scenario:
    roles = {name: Pubkey.from_string(key) for name, key in record["roles"].items()}
    clock = record["clock"]
    return Scenario(
        id=record["id"],
        clock=Clock(int(clock["slot"]), int(clock["epoch"]), int(clock["unix_timestamp"])),
        roles=roles,
        payer=roles["payer"] if "payer" in roles else Pubkey.from_string(record["payer"]),
        # A key without a name is an account that does not exist.
        accounts={Pubkey.from_string(key): name and data[name] for key, name in record["accounts"].items()},
        account_lists=record.get("instructions", {}),
        cases=tuple(_read_case(case) for case in record["cases"]),
        warning=record.get("warning"),
    )


def _read_case(record: Json) -> Case:
    return Case(record["side"], record["mode"], int(record["amount"]), int(record["limit"]), record)

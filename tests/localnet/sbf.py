"""Programs for the Solana virtual machine, assembled by hand: instructions, syscalls, and the ELF file around them.

Bytecode as in the SBF specification (eBPF with 8-byte instructions, r0 result, r1 to r5 arguments, r10 frame
pointer); the file is a shared object of version 0 whose syscalls are dynamic symbols.
"""

from dataclasses import dataclass, field
from struct import Struct

_INSTRUCTION = Struct("<BBhi")
_U64 = Struct("<Q")
_HEADER = Struct("<16sHHIQQQIHHHHHH")
_SECTION = Struct("<IIQQQQIIQQ")
_SYMBOL = Struct("<IBBHQQ")
_RELOCATION = Struct("<QII")
_DYNAMIC = Struct("<QQ")
_BPF_MACHINE, _SHARED_OBJECT = 247, 3
_PROGBITS, _STRTAB, _DYNAMIC_SECTION, _REL, _DYNSYM = 1, 3, 6, 9, 11
# R_BPF_64_32: the call that carries it calls the symbol.
_CALL_RELOCATION = 10
_DT_STRTAB, _DT_SYMTAB, _DT_STRSZ, _DT_SYMENT, _DT_REL, _DT_RELSZ, _DT_RELENT = 5, 6, 10, 11, 17, 18, 19


@dataclass
class Program:
    """A program under construction; each method appends one instruction."""

    _code: bytearray = field(default_factory=bytearray)
    _calls: list[tuple[int, str]] = field(default_factory=list)

    def move(self, register: int, value: int) -> "Program":
        """Set a register to a signed 32-bit value."""
        return self._add(0xB7, register, 0, 0, value)

    def copy(self, register: int, source: int) -> "Program":
        """Set a register to another one."""
        return self._add(0xBF, register, source, 0, 0)

    def add(self, register: int, value: int) -> "Program":
        """Add a signed 32-bit value."""
        return self._add(0x07, register, 0, 0, value)

    def load(self, register: int, base: int, offset: int, size: int = 8) -> "Program":
        """Read 1 or 8 bytes at base + offset."""
        return self._add({8: 0x79, 1: 0x71}[size], register, base, offset, 0)

    def store(self, base: int, offset: int, source: int, size: int = 8) -> "Program":
        """Write a register's low 1, 4 or 8 bytes at base + offset."""
        return self._add({8: 0x7B, 4: 0x63, 1: 0x73}[size], base, source, offset, 0)

    def call(self, syscall: str) -> "Program":
        """Call the runtime."""
        self._calls.append((len(self._code), syscall))
        return self._add(0x85, 0, 0, 0, -1)

    def exit(self) -> "Program":
        """Return r0."""
        return self._add(0x95, 0, 0, 0, 0)

    def _add(self, opcode: int, target: int, source: int, offset: int, value: int) -> "Program":
        self._code += _INSTRUCTION.pack(opcode, target | source << 4, offset, value)
        return self

    def elf(self) -> bytes:
        """The shared object."""
        names = list(dict.fromkeys(name for _, name in self._calls))
        strings = bytearray(b"\0")
        symbols = bytearray(_SYMBOL.pack(0, 0, 0, 0, 0, 0))
        for name in names:
            # A global function that is defined elsewhere.
            symbols += _SYMBOL.pack(len(strings), 0x12, 0, 0, 0, 0)
            strings += name.encode() + b"\0"
        text_at = _HEADER.size
        relocations = b"".join(
            _RELOCATION.pack(text_at + at, _CALL_RELOCATION, names.index(name) + 1) for at, name in self._calls
        )
        symbols_at = text_at + len(self._code)
        strings_at = symbols_at + len(symbols)
        relocations_at = -(-(strings_at + len(strings)) // 8) * 8
        entries = [
            (_DT_SYMTAB, symbols_at),
            (_DT_SYMENT, _SYMBOL.size),
            (_DT_STRTAB, strings_at),
            (_DT_STRSZ, len(strings)),
        ]
        # A table of relocations must not be empty.
        if relocations:
            entries += [(_DT_REL, relocations_at), (_DT_RELSZ, len(relocations)), (_DT_RELENT, _RELOCATION.size)]
        entries.append((0, 0))
        dynamic = b"".join(_DYNAMIC.pack(*entry) for entry in entries)
        dynamic_at = relocations_at + len(relocations)
        labels = bytearray(b"\0")
        rows = [
            self._section(labels, ".text", _PROGBITS, 6, text_at, len(self._code), 0, 0, 0),
            self._section(labels, ".dynsym", _DYNSYM, 2, symbols_at, len(symbols), 3, 1, _SYMBOL.size),
            self._section(labels, ".dynstr", _STRTAB, 2, strings_at, len(strings), 0, 0, 0),
            self._section(labels, ".rel.dyn", _REL, 2, relocations_at, len(relocations), 2, 0, _RELOCATION.size),
            self._section(labels, ".dynamic", _DYNAMIC_SECTION, 2, dynamic_at, len(dynamic), 3, 0, _DYNAMIC.size),
        ]
        labels_at = dynamic_at + len(dynamic)
        size = len(labels) + len(".shstrtab") + 1
        rows.append(self._section(labels, ".shstrtab", _STRTAB, 0, labels_at, size, 0, 0, 0))
        body = bytes(self._code + symbols + strings)
        body = body.ljust(relocations_at - text_at, b"\0") + relocations + dynamic + bytes(labels)
        table_at = -(-(text_at + len(body)) // 8) * 8
        header = _HEADER.pack(
            b"\x7fELF\x02\x01\x01".ljust(16, b"\0"),
            _SHARED_OBJECT,
            _BPF_MACHINE,
            1,
            text_at,
            0,
            table_at,
            0,
            _HEADER.size,
            56,
            0,
            _SECTION.size,
            len(rows) + 1,
            len(rows),
        )
        return (header + body).ljust(table_at, b"\0") + bytes(_SECTION.size) + b"".join(rows)

    @staticmethod
    def _section(
        labels: bytearray, name: str, kind: int, flags: int, at: int, size: int, link: int, info: int, entry: int
    ) -> bytes:
        address = at if flags else 0
        row = _SECTION.pack(len(labels), kind, flags, address, at, size, link, info, 8, entry)
        labels += name.encode() + b"\0"
        return row


def returning(code: int) -> bytes:
    """A program that ends with a custom error, or with success for 0."""
    return Program().move(0, code).exit().elf()

"""Files of pool addresses, lines and TOML."""

from pathlib import Path

import pytest
from solders.pubkey import Pubkey

from activities.finding.file import FileSource, read_pool_file

FIRST, SECOND, TABLE = (Pubkey.from_bytes(bytes([number]) * 32) for number in (1, 2, 3))


@pytest.fixture
def write(tmp_path: Path):
    def write(name: str, text: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_lines_with_comments_and_lookup_tables(write):
    found = read_pool_file(write("pools.txt", f"# our pools\n\n  {FIRST}  # deep\r\n{SECOND}\t{TABLE}\n"))
    assert found.pools == {FIRST: None, SECOND: TABLE}
    assert found.problems == ()


def test_a_line_that_is_no_address_is_a_problem_and_the_others_count(write):
    path = write("pools", f"{FIRST}\n0OIl\n{SECOND} nonsense\n")
    found = read_pool_file(path)
    assert found.pools == {FIRST: None}
    assert found.problems == (
        f"pool file {path}, line 2: '0OIl' is not an address",
        f"pool file {path}, line 3: 'nonsense' is not an address",
    )


def test_toml_lists_addresses_or_tables(write):
    assert read_pool_file(write("a.toml", f'pools = ["{FIRST}", "{SECOND}"]')).pools == {FIRST: None, SECOND: None}
    text = f'[[pools]]\naddress = "{FIRST}"\nlookup_table = "{TABLE}"\n[[pools]]\naddress = "{SECOND}"\n'
    assert read_pool_file(write("b.toml", text)).pools == {FIRST: TABLE, SECOND: None}


def test_a_toml_entry_without_an_address_is_a_problem(write):
    found = read_pool_file(write("a.toml", f'pools = ["{FIRST}", 7, {{}}, {{address = "x"}}]'))
    assert found.pools == {FIRST: None}
    assert [problem.partition(", ")[2] for problem in found.problems] == [
        "pool 2: 7 is not an address",
        "pool 3: None is not an address",
        "pool 4: 'x' is not an address",
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.toml", "pools = [", "Invalid"),
        ("a.toml", "pool = []", "there is no list named pools"),
        ("a.toml", "pools = 3", "there is no list named pools"),
        ("a.txt", b"\xff\xfe\x00", "utf-8"),
        ("a.txt", f"{FIRST} {TABLE} {SECOND}", "line 1: one pool per line"),
    ],
)
def test_a_file_that_makes_no_sense_is_one_problem(write, name, text, said):
    found = read_pool_file(write(name, text))
    assert found.pools == {}
    (problem,) = found.problems
    assert said in problem


async def test_a_file_that_is_not_there_is_a_problem_and_read_again_next_time(tmp_path):
    source = FileSource(tmp_path / "pools.txt")
    missing = await source.find([])
    assert (missing.pools, len(missing.problems)) == ({}, 1)
    (tmp_path / "pools.txt").write_text(str(FIRST))
    assert (await source.find([])).pools == {FIRST: None}

"""What doctor says of wallets, and how the command ends."""

import json
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import trustme
from solders.keypair import Keypair

from activities.settings import WorkerSettings
from activities.solana.rpc import SolanaRpc
from deploy.doctor.finding import Finding, Verdict
from deploy.doctor.wallets import examine_wallets
from deploy.localnet.server import running_localnet
from deploy.localnet.settings import LocalnetSettings
from tests.activities.signing_services import VaultHandler, serving
from tests.activities.test_wallets import key_file
from tests.deploy.test_doctor import FAILURE, OK, WARNING, found, verdicts
from tests.stack.machine import Machine


@pytest.fixture
async def localnet(tmp_path: Path) -> AsyncIterator[tuple[SolanaRpc, Path]]:
    """A running cluster and the directory of its wallets."""
    async with running_localnet(LocalnetSettings(port=0, data_dir=tmp_path / "localnet")) as url:
        rpc = SolanaRpc(url)
        yield rpc, tmp_path / "localnet" / "wallets"
        await rpc.close()


async def asked(rpc: SolanaRpc, **given: object) -> Sequence[Finding]:
    """What is found about the wallets of these settings."""
    settings = {"database_url": "postgresql://127.0.0.1/x", "redis_url": "redis://127.0.0.1"}
    return await examine_wallets(WorkerSettings(**settings, **given), rpc)  # type: ignore[arg-type]


async def test_those_of_localnet_are_ok(localnet: tuple[SolanaRpc, Path]) -> None:
    rpc, directory = localnet
    findings = await asked(rpc, wallet_dir=directory)
    assert set(verdicts(findings).values()) == {OK}
    assert found(findings, "balance of default").says == "1000000.000000000 SOL"


async def test_faults_of_key_files_are_named(localnet: tuple[SolanaRpc, Path], tmp_path: Path) -> None:
    rpc, _ = localnet
    keys = tmp_path / "keys"
    keys.mkdir()
    empty, _ = key_file(keys, "empty"), key_file(keys, "open", mode=0o644)
    (keys / "broken.json").write_text("[]")
    findings = await asked(rpc, wallet_dir=keys)
    assert verdicts(findings) == {
        "wallet broken": FAILURE,
        "wallet empty": OK,
        "wallet open": WARNING,
        "balance of empty": WARNING,
        "balance of open": WARNING,
    }
    assert found(findings, "wallet open").mend == f"chmod 600 {keys / 'open.json'}"
    assert found(findings, "balance of empty").says == "0.000000000 SOL"
    assert found(findings, "balance of empty").mend.startswith(f"fund {empty.pubkey()}")


async def test_a_directory_without_keys_is_named(localnet: tuple[SolanaRpc, Path], tmp_path: Path) -> None:
    (finding,) = await asked(localnet[0], wallet_dir=tmp_path / "absent")
    assert finding.verdict is FAILURE
    assert "ORDER_ENGINE_WALLETS_FILE" in finding.mend


async def test_one_wallet_that_cannot_be_used_does_not_hide_the_others(
    localnet: tuple[SolanaRpc, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rpc, directory = localnet
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("DESK_TOKEN", "t")
    file = tmp_path / "wallets.toml"
    with serving(VaultHandler, context) as vault:
        file.write_text(
            f'[wallets.here]\nkind = "file"\npath = "{directory / "default.json"}"\n'
            '[wallets.unset]\nkind = "env"\nvariable = "ABSENT_KEY"\n'
            f'[wallets.desk]\nkind = "vault"\naddress = "{vault.url}"\nkey = "desk"\ntoken_env = "DESK_TOKEN"\n'
            f'ca_file = "ca.pem"\npublic_key = "{vault.keypair.pubkey()}"\n'
        )
        good = await asked(rpc, wallets_file=file)
        vault.keypair = Keypair()
        other_key = await asked(rpc, wallets_file=file)
    gone = await asked(rpc, wallets_file=file)
    expected = {"wallet here": OK, "wallet unset": FAILURE, "balance of here": OK, "balance of desk": WARNING}
    assert verdicts(good) == expected | {"wallet desk": OK}
    assert verdicts(other_key) == verdicts(gone) == expected | {"wallet desk": FAILURE}
    assert "ABSENT_KEY is not set" in found(good, "wallet unset").says
    assert "unseal" in found(gone, "wallet desk").mend


async def test_a_file_that_cannot_be_read_is_named(localnet: tuple[SolanaRpc, Path], tmp_path: Path) -> None:
    (finding,) = await asked(localnet[0], wallets_file=tmp_path / "absent.toml")
    assert (finding.verdict, "ORDER_ENGINE_WALLETS_FILE" in finding.mend) == (FAILURE, True)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A data directory in which nothing runs."""
    return Machine(tmp_path / "data")


def test_the_command_fails_where_nothing_runs_and_says_what_to_start(machine: Machine) -> None:
    result = machine.run("doctor", "--json", "--servers")
    checks = {each["check"]: each for each in json.loads(result.stdout)["checks"]}
    assert result.returncode == 1
    assert result.stderr.startswith("order-engine: not fit to trade: ")
    assert result.stderr.count("\n") == 1
    for check in ("postgres", "redis", "temporal", "settings of worker", "api"):
        assert check in result.stderr
        assert checks[check]["verdict"] == Verdict.FAILURE
        assert checks[check]["mend"]


def test_a_line_is_verdict_check_fault_and_mend(machine: Machine) -> None:
    lines = machine.run("doctor").stdout.splitlines()
    (api,) = [line for line in lines if line.startswith("failure  api ")]
    assert api.endswith(" -> start it: order-engine api")
    assert any(line.startswith("ORDER_ENGINE_DATABASE_URL ") and "! Field required" in line for line in lines)


@pytest.mark.parametrize("command", ["worker", "setup", "doctor", "up"])
def test_nothing_starts_on_mainnet_without_the_word(machine: Machine, command: str) -> None:
    given = {"DATABASE_URL": "postgresql://127.0.0.1:1/x", "REDIS_URL": "redis://127.0.0.1:1", "CLUSTER": "mainnet"}
    given |= {"SOLANA_RPC_URL": "http://127.0.0.1:1", "WALLETS_FILE": "absent.toml"}
    result = machine.run(command, **{f"ORDER_ENGINE_{name}": value for name, value in given.items()})
    assert result.returncode == 1
    assert result.stderr.startswith("order-engine: ORDER_ENGINE_ALLOW_MAINNET: set it to yes")
    assert result.stderr.count("\n") == 1


def test_an_address_with_a_key_in_it_is_not_listed(machine: Machine) -> None:
    given = {"DATABASE_URL": "postgresql://u:s3cret@127.0.0.1:1/x", "REDIS_URL": "redis://:s3cret@127.0.0.1:1"}
    given |= {
        "SOLANA_RPC_URL": "http://127.0.0.1:1/?api-key=s3cret",
        "METEORA_DLMM_API_URL": "https://x.example/s3cret",
    }
    result = machine.run("doctor", **{f"ORDER_ENGINE_{name}": value for name, value in given.items()})
    assert "https://x.example" in result.stdout
    assert "http://127.0.0.1:1" in result.stdout
    assert "s3cret" not in result.stdout + result.stderr

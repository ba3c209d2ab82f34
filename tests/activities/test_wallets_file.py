"""What a wallets file may say, and how one that cannot be used is told."""

import json
import sys
import traceback
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from solders.keypair import Keypair

from activities.solana.signers.definitions import FileWallet, VaultWallet, WalletsFileError, read_wallets_file
from activities.solana.signers.opened import open_signer, open_signers
from tests.activities.test_wallets import key_file
from workflows.domain.clusters import ClusterName

LOCALNET = ClusterName.LOCALNET
ADDRESS = str(Keypair().pubkey())
VAULT = f'kind = "vault"\naddress = "https://vault.example"\nkey = "desk"\npublic_key = "{ADDRESS}"\n'
AWS = f'kind = "aws_kms"\nkey = "alias/desk"\nregion = "eu-central-1"\npublic_key = "{ADDRESS}"\n'
GCP_KEY = "projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1"
GCP = f'kind = "gcp_kms"\nkey = "{GCP_KEY}"\npublic_key = "{ADDRESS}"\n'


def written(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "wallets.toml"
    path.write_text(content)
    return path


async def complaint(path: Path) -> str:
    """Why the wallets of a file cannot be used, with all that a log would show."""
    with pytest.raises(WalletsFileError) as raised:
        async with open_signers(path, None, LOCALNET):
            pass
    return "".join(traceback.format_exception(raised.value))


def test_every_wallet_is_read(tmp_path: Path) -> None:
    tables = f'[wallets.a]\nkind = "file"\npath = "keys/a.json"\n[wallets.b]\n{VAULT}token_file = "/run/token"\n'
    wallets = read_wallets_file(written(tmp_path, tables), LOCALNET)
    assert wallets["a"] == FileWallet(kind="file", path=tmp_path / "keys/a.json")
    assert isinstance(wallets["b"], VaultWallet)
    assert (wallets["b"].token_file, wallets["b"].token_env) == (Path("/run/token"), "VAULT_TOKEN")


async def test_files_and_variables_give_their_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "keys").mkdir()
    first, second, third = key_file(tmp_path / "keys", "first"), Keypair(), Keypair()
    monkeypatch.setenv("SECOND_KEY", str(second))
    monkeypatch.setenv("THIRD_KEY", json.dumps(list(bytes(third))))
    tables = '[wallets.first]\nkind = "file"\npath = "keys/first.json"\n'
    tables += "".join(f'[wallets.{n}]\nkind = "env"\nvariable = "{n.upper()}_KEY"\n' for n in ("second", "third"))
    async with open_signers(written(tmp_path, tables), None, LOCALNET) as signers:
        addresses = {name: signer.pubkey for name, signer in signers.items()}
    assert addresses == {"first": first.pubkey(), "second": second.pubkey(), "third": third.pubkey()}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "needs at least one table [wallets.NAME]"),
        ("[wallets.a", "not TOML"),
        ('[wallets.a]\nkind = "paper"\n', "wallets.a"),
        ('[wallets.a]\nkind = "file"\n', "wallets.a.file.path: Field required"),
        (f"[wallets.a]\n{VAULT.replace(ADDRESS, 'nobody')}", "wallets.a.vault.public_key"),
        (f"[wallets.a]\n{GCP.replace('/cryptoKeyVersions/1', '')}", "wallets.a.gcp_kms.key"),
        ('[wallets."../a"]\nkind = "env"\nvariable = "A"\n', "wallets.../a"),
        ('[wallets.a]\nkind = "env"\nvariable = "ABSENT_KEY"\n', "wallet a: the variable ABSENT_KEY is not set"),
        ('[wallets.a]\nkind = "file"\npath = "absent.json"\n', "wallet a: "),
        (f"[wallets.a]\n{VAULT}", "wallet a: the variable VAULT_TOKEN with Vault's token is not set"),
        (f'[wallets.a]\n{VAULT}token_file = "absent"\n', "absent holds no token"),
        ('cluster = "mainnet"\n[wallets.a]\nkind = "env"\nvariable = "A"\n', "are for mainnet, this is localnet"),
    ],
)
async def test_a_file_that_cannot_be_used_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, said: str
) -> None:
    monkeypatch.delenv("VAULT_TOKEN", raising=False)
    assert said in await complaint(written(tmp_path, content))


async def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    assert "No such file" in await complaint(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    "table",
    [
        'kind = "env"\nvariable = "{key}"\n',
        'kind = "env"\nvariable = "A"\nprivate_key = "{key}"\n',
        'kind = "{key}"\n',
        VAULT.replace(ADDRESS, "{key}"),
        "kind = {key}\n",
    ],
)
async def test_a_key_written_into_the_file_is_refused_and_not_repeated(tmp_path: Path, table: str) -> None:
    key = str(Keypair())
    assert key not in await complaint(written(tmp_path, f"[wallets.a]\n{table.format(key=key)}"))


async def test_a_variable_that_holds_no_key_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESK_KEY", "almost-a-key")
    told = await complaint(written(tmp_path, '[wallets.a]\nkind = "env"\nvariable = "DESK_KEY"\n'))
    assert told.endswith("wallet a: the variable DESK_KEY holds no key\n")
    assert "almost-a-key" not in told


async def test_vault_is_not_asked_in_the_clear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "t")
    told = await complaint(written(tmp_path, f"[wallets.a]\n{VAULT.replace('https', 'http')}"))
    assert "must be an https:// URL" in told


async def test_aws_is_not_asked_in_the_clear(tmp_path: Path) -> None:
    told = await complaint(written(tmp_path, f'[wallets.a]\n{AWS}endpoint = "http://kms.example"\n'))
    assert "must be an https:// URL" in told


@pytest.mark.parametrize(
    ("table", "module", "package"),
    [(AWS, "solana_keychain.aws_kms.signer", "boto3"), (GCP, "solana_keychain.gcp_kms.signer", "google-cloud-kms")],
)
async def test_a_package_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, module: str, package: str
) -> None:
    # What an import finds that fails.
    monkeypatch.setitem(sys.modules, module, None)
    told = await complaint(written(tmp_path, f"[wallets.a]\n{table}"))
    assert f"needs {package}, which is not installed: pip install" in told


async def test_credentials_that_are_missing_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "absent.json"))
    (wallet,) = read_wallets_file(written(tmp_path, f"[wallets.a]\n{GCP}"), LOCALNET).values()
    async with AsyncExitStack() as closing:
        with pytest.raises(WalletsFileError, match="default credentials cannot be used: DefaultCredentialsError"):
            await open_signer("a", wallet, closing)


async def test_a_region_that_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "absent"))
    table = AWS.replace('region = "eu-central-1"\n', "")
    assert "AWS KMS cannot be used as configured: NoRegionError" in await complaint(
        written(tmp_path, f"[wallets.a]\n{table}")
    )

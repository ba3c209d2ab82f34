"""Signing through services on loopback that really sign, and that fail in every way a service fails."""

import asyncio
import json
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import pytest
import trustme
from solders.keypair import Keypair

from activities.solana import wallets as module
from activities.solana.signers.definitions import AwsKmsWallet, VaultWallet
from activities.solana.signers.opened import open_signer
from activities.solana.wallets import Wallets
from tests.activities.signing_services import AwsHandler, Service, VaultHandler, serving
from tests.activities.test_wallets import reason, unsigned
from workflows.domain.errors import ErrorCode

TOKEN = "hvs.a-token-of-the-test"
# What a service that fails says; nobody else may.
SAID = "the moon is made of s3cret"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who vouches for the services' addresses."""
    return trustme.CA()


@pytest.fixture
def vault(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A running Vault."""
    monkeypatch.setenv("DESK_TOKEN", TOKEN)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with serving(VaultHandler, context) as service:
        yield service


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A running AWS KMS."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-test")
    with serving(AwsHandler) as service:
        yield service


@pytest.fixture(params=["vault", "aws_kms"])
async def desk(
    request: pytest.FixtureRequest, authority: trustme.CA, tmp_path: Path
) -> AsyncIterator[tuple[Service, Wallets]]:
    """A service with its wallet `desk`."""
    service: Service = request.getfixturevalue(request.param.removesuffix("_kms"))
    address = str(service.keypair.pubkey())
    wallet: VaultWallet | AwsKmsWallet
    if request.param == "vault":
        wallet = vault_wallet(service, authority, tmp_path)
    else:
        wallet = AwsKmsWallet(
            kind="aws_kms", key="alias/desk", public_key=address, region="eu-central-1", endpoint=service.url
        )
    async with AsyncExitStack() as closing:
        yield service, Wallets({"desk": await open_signer("desk", wallet, closing)})


def vault_wallet(service: Service, authority: trustme.CA, tmp_path: Path, **more: object) -> VaultWallet:
    """The wallet of a Vault's only key."""
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    given = {"kind": "vault", "address": service.url, "key": "desk", "token_env": "DESK_TOKEN", "ca_file": ca_file}
    return VaultWallet.model_validate(given | {"public_key": str(service.keypair.pubkey())} | more)


async def test_the_service_signs(desk: tuple[Service, Wallets]) -> None:
    service, wallets = desk
    signed = await wallets.sign("desk", unsigned(service.keypair.pubkey()))
    assert wallets.address("desk") == service.keypair.pubkey()
    signed.verify_and_hash_message()
    assert len(service.asked) == 1


async def test_a_service_signs_for_many_at_the_same_time(desk: tuple[Service, Wallets]) -> None:
    service, wallets = desk
    key = service.keypair.pubkey()
    signed = await asyncio.gather(*(wallets.sign("desk", unsigned(key, lamports)) for lamports in range(1, 21)))
    assert len({transaction.signatures[0] for transaction in signed}) == 20
    for transaction in signed:
        transaction.verify_and_hash_message()


async def failure(service: Service, wallets: Wallets, caplog: pytest.LogCaptureFixture) -> str:
    """What the order is told when the service does not sign; never the service's own words, nor does the log."""
    with caplog.at_level("DEBUG", logger="activities"):
        error = await reason(wallets, "desk", unsigned(service.keypair.pubkey()))
    assert error.code is ErrorCode.SIGNING_FAILED
    assert error.__cause__ is None
    assert SAID not in f"{error.detail} {error!r} {caplog.text}"
    return error.detail


@pytest.mark.parametrize("status", [400, 403, 429, 500, 503])
async def test_a_refusal_is_a_reason_without_the_services_words(
    desk: tuple[Service, Wallets], caplog: pytest.LogCaptureFixture, status: int
) -> None:
    service, wallets = desk
    service.says = status, json.dumps({"errors": [SAID], "__type": "X", "message": SAID}).encode()
    assert await failure(service, wallets, caplog) == "wallet 'desk' did not sign: SIGNER_REMOTE_API_ERROR"
    service.says = None
    await wallets.sign("desk", unsigned(service.keypair.pubkey()))


@pytest.mark.parametrize("content", [SAID.encode(), b"[]", b"{}", b'{"data": {"signature": "?"}, "Signature": "eA=="}'])
async def test_nonsense_is_a_reason(
    desk: tuple[Service, Wallets], caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    service, wallets = desk
    service.says = 200, content
    assert "did not sign" in await failure(service, wallets, caplog)


async def test_a_service_that_hangs_is_given_up(
    desk: tuple[Service, Wallets], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, wallets = desk
    monkeypatch.setattr(module, "_SIGNING_SECONDS", 0.2)
    service.hangs = True
    assert "no signature within 0.2 s" in await failure(service, wallets, caplog)


async def test_a_service_that_signs_something_else_is_not_believed(
    desk: tuple[Service, Wallets], caplog: pytest.LogCaptureFixture
) -> None:
    service, wallets = desk
    service.signs_other_bytes = True
    await failure(service, wallets, caplog)


async def test_a_service_with_another_key_is_not_believed(
    desk: tuple[Service, Wallets], caplog: pytest.LogCaptureFixture
) -> None:
    service, wallets = desk
    transaction = unsigned(service.keypair.pubkey())
    service.keypair = Keypair()
    assert (await reason(wallets, "desk", transaction)).code is ErrorCode.SIGNING_FAILED


async def test_a_service_that_is_gone_is_a_reason(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DESK_TOKEN", TOKEN)
    with serving(VaultHandler) as service:
        service.url = service.url.replace("http", "https", 1)
    async with AsyncExitStack() as closing:
        signer = await open_signer("desk", vault_wallet(service, authority, tmp_path), closing)
        assert "SIGNER_HTTP_ERROR" in await failure(service, Wallets({"desk": signer}), caplog)


async def test_a_vault_that_nobody_vouches_for_is_not_told_the_token(
    vault: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncExitStack() as closing:
        signer = await open_signer("desk", vault_wallet(vault, trustme.CA(), tmp_path), closing)
        assert "SIGNER_HTTP_ERROR" in await failure(vault, Wallets({"desk": signer}), caplog)
    assert vault.asked == []


async def test_vault_is_asked_with_token_and_namespace(
    vault: Service, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncExitStack() as closing:
        wallet = vault_wallet(vault, authority, tmp_path, namespace="desks", key="a/b")
        wallets = Wallets({"desk": await open_signer("desk", wallet, closing)})
        await wallets.sign("desk", unsigned(vault.keypair.pubkey()))
    ((path, headers, _),) = vault.asked
    assert path == "/v1/transit/sign/a%2Fb"
    assert (headers["x-vault-token"], headers["x-vault-namespace"]) == (TOKEN, "desks")


async def test_a_token_that_an_agent_renews_is_read_again(
    vault: Service, authority: trustme.CA, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    token_file = tmp_path / "token"
    token_file.write_text("first\n")
    async with AsyncExitStack() as closing:
        wallet = vault_wallet(vault, authority, tmp_path, token_file=token_file)
        wallets = Wallets({"desk": await open_signer("desk", wallet, closing)})
        await wallets.sign("desk", unsigned(vault.keypair.pubkey()))
        token_file.write_text("second\n")
        await wallets.sign("desk", unsigned(vault.keypair.pubkey()))
        token_file.unlink()
        assert "did not sign" in await failure(vault, wallets, caplog)
    assert [headers["x-vault-token"] for _, headers, _ in vault.asked] == ["first", "second"]


async def test_a_service_tells_whether_it_holds_the_key(desk: tuple[Service, Wallets]) -> None:
    service, wallets = desk
    signer = wallets._signer("desk")
    assert await signer.is_available()
    service.keypair = Keypair()
    assert not await signer.is_available()
    service.says = 500, b"{}"
    assert not await signer.is_available()


def test_the_services_leave_no_thread_behind() -> None:
    before = threading.active_count()
    with ExitStack() as services:
        for handler in (VaultHandler, AwsHandler):
            services.enter_context(serving(handler))
    assert threading.active_count() == before

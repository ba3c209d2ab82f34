"""Google Cloud KMS: a gRPC server on loopback that really signs, asked with real credentials over real TLS."""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.cloud import kms_v1
from solders.keypair import Keypair

from activities.solana.signers.definitions import GcpKmsWallet
from activities.solana.signers.opened import open_signer
from activities.solana.wallets import Wallets
from tests.activities.signing_services import SPKI_PREFIX, Service
from tests.activities.test_wallets import reason, unsigned
from workflows.domain.errors import ErrorCode

KEY = "projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1"
SAID = "the moon is made of s3cret"

_Answer = Callable[[Any, Any], Awaitable[Any]]


class Kms(grpc.GenericRpcHandler):
    """The two calls that are made of the service, answered as `service` says."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def service(self, details: Any) -> Any:
        name = details.method.rpartition("/")[2]
        calls: dict[str, tuple[Any, Any, _Answer]] = {
            "AsymmetricSign": (kms_v1.AsymmetricSignRequest, kms_v1.AsymmetricSignResponse, self._sign),
            "GetPublicKey": (kms_v1.GetPublicKeyRequest, kms_v1.PublicKey, self._public_key),
        }
        request, response, answer = calls[name]
        return grpc.unary_unary_rpc_method_handler(answer, request.deserialize, response.serialize)

    async def _sign(self, request: Any, context: Any) -> Any:
        service = self._service
        service.asked.append((request.name, dict(context.invocation_metadata()), None))
        if service.says is not None:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, SAID)
        return kms_v1.AsymmetricSignResponse(name=request.name, signature=service.sign(request.data))

    async def _public_key(self, request: Any, context: Any) -> Any:
        der = base64.b64encode(SPKI_PREFIX + bytes(self._service.keypair.pubkey())).decode()
        algorithm = kms_v1.CryptoKeyVersion.CryptoKeyVersionAlgorithm.EC_SIGN_ED25519
        return kms_v1.PublicKey(
            name=request.name,
            algorithm=algorithm,
            pem=f"-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n",
        )


def service_account(path: Path) -> None:
    """The credentials file of an account that nobody but this test knows."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    account = {"type": "service_account", "client_email": "desk@example", "token_uri": "https://oauth.example/token"}
    path.write_text(json.dumps(account | {"project_id": "p", "private_key_id": "1", "private_key": pem.decode()}))


@pytest.fixture
async def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    """A running KMS, and the environment in which its clients find their credentials."""
    authority, service = trustme.CA(), Service()
    certificate = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(str(tmp_path / "roots.pem"))
    service_account(tmp_path / "account.json")
    monkeypatch.setenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", str(tmp_path / "roots.pem"))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Kms(service),))
    chain = b"".join(part.bytes() for part in certificate.cert_chain_pems)
    credentials = grpc.ssl_server_credentials([(certificate.private_key_pem.bytes(), chain)])
    service.url = f"localhost:{server.add_secure_port('127.0.0.1:0', credentials)}"
    await server.start()
    yield service
    await server.stop(None)


async def test_google_cloud_kms_signs_and_is_not_believed_when_it_lies(service: Service) -> None:
    # One test: gRPC reads its roots once per process.
    key = service.keypair.pubkey()
    wallet = GcpKmsWallet(kind="gcp_kms", key=KEY, public_key=str(key), endpoint=service.url)
    async with AsyncExitStack() as closing:
        signer = await open_signer("desk", wallet, closing)
        wallets = Wallets({"desk": signer})
        (await wallets.sign("desk", unsigned(key))).verify_and_hash_message()
        name, metadata, _ = service.asked[0]
        assert name == KEY
        assert metadata["authorization"].startswith("Bearer ")
        assert await signer.is_available()

        service.says = 403, b""
        error = await reason(wallets, "desk", unsigned(key))
        assert (error.code, error.detail) == (
            ErrorCode.SIGNING_FAILED,
            "wallet 'desk' did not sign: SIGNER_REMOTE_API_ERROR",
        )
        service.says, service.keypair = None, Keypair()
        assert (await reason(wallets, "desk", unsigned(key))).code is ErrorCode.SIGNING_FAILED
        assert not await signer.is_available()

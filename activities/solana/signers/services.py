"""Keys that never leave a signing service: HashiCorp Vault, AWS KMS, Google Cloud KMS."""

import asyncio
import os
import ssl
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from solana_keychain.core.errors import SignerError
from solana_keychain.core.signer import TransactionSigner
from solana_keychain.vault import VaultSigner
from solana_keychain.vault.signer import VaultSignerConfig

from activities.solana.signers.definitions import AwsKmsWallet, GcpKmsWallet, VaultWallet, WalletsFileError

# An order waits for the answer. A call that is given up runs on in its thread, so the client must end it as well.
_CONNECT_SECONDS, _READ_SECONDS = 2, 4

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


async def vault_signer(wallet: VaultWallet, closing: AsyncExitStack) -> TransactionSigner:
    """A signer by Vault; its connections are closed by `closing`. Raises WalletsFileError."""
    auth = _VaultAuth(wallet)
    auth.token()
    headers = {"X-Vault-Namespace": wallet.namespace} if wallet.namespace else {}
    try:
        verify = ssl.create_default_context(cafile=wallet.ca_file) if wallet.ca_file else httpx.create_ssl_context()
    except OSError:
        raise WalletsFileError(f"{wallet.ca_file} is not a readable file of certificates") from None
    client = await closing.enter_async_context(httpx.AsyncClient(auth=auth, headers=headers, verify=verify))
    try:
        return VaultSigner(VaultSignerConfig(wallet.address, "", wallet.key, wallet.public_key, client))
    except SignerError:
        raise WalletsFileError("the address of Vault must be an https:// URL") from None


class _VaultAuth(httpx.Auth):
    """Sends the token of the moment: an agent renews the file while the process runs."""

    def __init__(self, wallet: VaultWallet) -> None:
        self._file = wallet.token_file
        self._variable = wallet.token_env

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]
        request.headers["X-Vault-Token"] = self.token()
        yield request

    def token(self) -> str:
        """The token; raises WalletsFileError when there is none."""
        if self._file is not None:
            return _content(self._file)
        token = os.environ.get(self._variable, "").strip()
        if not token:
            raise WalletsFileError(f"the variable {self._variable} with Vault's token is not set")
        return token


def _content(path: Path) -> str:
    try:
        text = path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        text = ""
    if not text:
        raise WalletsFileError(f"{path} holds no token")
    return text


async def aws_kms_signer(wallet: AwsKmsWallet) -> TransactionSigner:
    """A signer by AWS KMS; raises WalletsFileError."""
    try:
        from solana_keychain.aws_kms.signer import AwsKmsSigner, AwsKmsSignerConfig
    except ImportError:
        raise WalletsFileError(_missing("AWS KMS", "aws-kms", "boto3")) from None
    _require_tls(wallet.endpoint)
    # Finding credentials may read files and ask the machine's metadata service.
    client = await asyncio.to_thread(_aws_client, wallet)
    return AwsKmsSigner(AwsKmsSignerConfig(wallet.key, wallet.public_key, client=client))


def _aws_client(wallet: AwsKmsWallet) -> Any:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    limits = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"total_max_attempts": 2, "mode": "standard"},
    )
    try:
        session = boto3.Session(profile_name=wallet.profile, region_name=wallet.region)
        return session.client("kms", endpoint_url=wallet.endpoint, config=limits)
    except (BotoCoreError, ValueError) as error:
        raise WalletsFileError(f"AWS KMS cannot be used as configured: {type(error).__name__}") from None


async def gcp_kms_signer(wallet: GcpKmsWallet, closing: AsyncExitStack) -> TransactionSigner:
    """A signer by Google Cloud KMS; its channel is closed by `closing`. Raises WalletsFileError."""
    try:
        import google.auth
        from google.api_core.client_options import ClientOptions
        from google.auth.exceptions import GoogleAuthError
        from google.cloud import kms_v1
        from solana_keychain.gcp_kms.signer import GcpKmsSigner, GcpKmsSignerConfig
    except ImportError:
        raise WalletsFileError(_missing("Google Cloud KMS", "gcp-kms", "google-cloud-kms")) from None
    try:
        # Finding credentials may read files and ask the machine's metadata service.
        credentials, _ = await asyncio.to_thread(google.auth.default)
    except (GoogleAuthError, OSError, ValueError) as error:
        raise WalletsFileError(f"Google Cloud's default credentials cannot be used: {type(error).__name__}") from None
    options = ClientOptions(api_endpoint=wallet.endpoint) if wallet.endpoint else None
    client = kms_v1.KeyManagementServiceAsyncClient(credentials=credentials, client_options=options)
    closing.push_async_callback(client.transport.close)
    return GcpKmsSigner(GcpKmsSignerConfig(wallet.key, wallet.public_key, client=client))


def _missing(service: str, extra: str, package: str) -> str:
    return f"{service} needs {package}, which is not installed: pip install 'order-engine[{extra}]'"


def _require_tls(endpoint: str | None) -> None:
    if endpoint is None:
        return
    parts = urlsplit(endpoint)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise WalletsFileError("the endpoint of AWS KMS must be an https:// URL")

"""From the settings of wallets to signers that can sign."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from solana_keychain.core.signer import TransactionSigner

from activities.solana.signers.definitions import (
    AwsKmsWallet,
    EnvironmentWallet,
    FileWallet,
    GcpKmsWallet,
    VaultWallet,
    Wallet,
    WalletsFileError,
    read_wallets_file,
)
from activities.solana.signers.keys import KeyDirectory, KeyUnusable, signer_of_file, signer_of_variable
from activities.solana.signers.services import aws_kms_signer, gcp_kms_signer, vault_signer
from workflows.domain.clusters import ClusterName


@asynccontextmanager
async def open_signers(
    file: Path | None, directory: Path | None, cluster: ClusterName
) -> AsyncIterator[Mapping[str, TransactionSigner]]:
    """The signers of the wallets file, or of the directory where there is no file; closed afterwards.

    No signing service is asked. Raises WalletsFileError that names the first wallet that cannot be used.
    """
    async with AsyncExitStack() as closing:
        if file is not None:
            wallets = read_wallets_file(file, cluster)
            yield {name: await open_signer(name, wallet, closing) for name, wallet in wallets.items()}
        else:
            yield KeyDirectory(directory) if directory is not None else {}


async def open_signer(name: str, wallet: Wallet, closing: AsyncExitStack) -> TransactionSigner:
    """The signer of one wallet of the file; what it holds open is closed by `closing`. Raises WalletsFileError."""
    try:
        match wallet:
            case FileWallet():
                return signer_of_file(wallet.path)
            case EnvironmentWallet():
                return signer_of_variable(wallet)
            case VaultWallet():
                return await vault_signer(wallet, closing)
            case AwsKmsWallet():
                return await aws_kms_signer(wallet)
            case GcpKmsWallet():
                return await gcp_kms_signer(wallet, closing)
    except (WalletsFileError, KeyUnusable) as error:
        raise WalletsFileError(f"wallet {name}: {error}") from None

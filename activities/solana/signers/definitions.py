"""The wallets file: one table per wallet that says where its key is, never what it is.

    cluster = "mainnet"              # optional: a worker of any other cluster refuses the file

    [wallets.desk]
    kind = "vault"
    address = "https://vault.example:8200"
    key = "desk"                     # ed25519 key of the transit engine
    public_key = "…"

A wallet is named in orders by its table. Relative paths count from the file's own directory.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from solders.pubkey import Pubkey

from workflows.domain.clusters import ClusterName

# What the API lets an order name.
_Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
# As POSIX has it. A key that is written where its variable's name belongs does not match, and is not repeated.
_Variable = Annotated[str, StringConstraints(pattern=r"^[A-Z_][A-Z0-9_]{0,63}$")]


class WalletsFileError(ValueError):
    """A wallets file that cannot be used; the message names the wallet and what is wrong, never a value."""


class _Definition(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class _Signed(_Definition):
    """A key that this process may not see is known by its address: what it signs is checked against it."""

    public_key: str

    @field_validator("public_key")
    @classmethod
    def _is_an_address(cls, text: str) -> str:
        try:
            Pubkey.from_string(text)
        except ValueError:
            raise ValueError("not an address in base58") from None
        return text


class FileWallet(_Definition):
    """A key file in the form of the Solana CLI."""

    kind: Literal["file"]
    path: Path


class EnvironmentWallet(_Definition):
    """A key in an environment variable: base58, or the 64 numbers of a key file."""

    kind: Literal["env"]
    variable: _Variable


class VaultWallet(_Signed):
    """A key of HashiCorp Vault's transit engine.

    The token is in the variable `token_env`, or in `token_file` where an agent renews it.
    """

    kind: Literal["vault"]
    address: _Text
    key: _Text
    token_env: _Variable = "VAULT_TOKEN"
    token_file: Path | None = None
    namespace: _Text | None = None
    ca_file: Path | None = None


class AwsKmsWallet(_Signed):
    """An `ECC_NIST_EDWARDS25519` key of AWS KMS; credentials come from where AWS's own tools find them."""

    kind: Literal["aws_kms"]
    key: _Text
    region: _Text | None = None
    profile: _Text | None = None
    endpoint: _Text | None = None


class GcpKmsWallet(_Signed):
    """An `EC_SIGN_ED25519` key version of Google Cloud KMS; credentials are the application default ones."""

    kind: Literal["gcp_kms"]
    key: Annotated[
        str, StringConstraints(pattern=r"^projects/.+/locations/.+/keyRings/.+/cryptoKeys/.+/cryptoKeyVersions/\d+$")
    ]
    endpoint: _Text | None = None


Wallet = Annotated[
    FileWallet | EnvironmentWallet | VaultWallet | AwsKmsWallet | GcpKmsWallet, Field(discriminator="kind")
]


class WalletsFile(_Definition):
    """Everything that the file says."""

    cluster: ClusterName | None = None
    wallets: dict[_Name, Wallet] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _has_wallets(cls, content: object) -> object:
        if isinstance(content, dict) and not content.get("wallets"):
            raise ValueError("needs at least one table [wallets.NAME]")
        return content


def read_wallets_file(path: Path, cluster: ClusterName) -> dict[str, Wallet]:
    """The wallets of a file for use on this cluster; raises WalletsFileError."""
    try:
        content = WalletsFile.model_validate(tomllib.loads(path.read_text()))
    except OSError as error:
        raise WalletsFileError(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        problems = (f"{_place(each['loc'])}: {_problem(each)}" for each in error.errors(include_input=False))
        raise WalletsFileError(f"{path}: {'; '.join(problems)}") from None
    except ValueError:
        # The parser may quote the text that it cannot read.
        raise WalletsFileError(f"{path}: not TOML") from None
    if content.cluster not in (None, cluster):
        raise WalletsFileError(f"{path}: its wallets are for {content.cluster}, this is {cluster}")
    return {name: _beside(path, wallet) for name, wallet in content.wallets.items()}


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location)) or "the file"


def _problem(error: ErrorDetails) -> str:
    # The one message that quotes what stands in the file.
    return "not a kind of wallet" if error["type"] == "union_tag_invalid" else error["msg"]


def _beside(file: Path, wallet: Wallet) -> Wallet:
    paths = {name: value for name, value in wallet if isinstance(value, Path)}
    return wallet.model_copy(
        update={name: (file.parent / value.expanduser()).absolute() for name, value in paths.items()}
    )

"""Which names are wallets, and what is never taken for a signature."""

import json
import logging
from pathlib import Path

import pytest
from solana_keychain import MemorySigner
from solana_keychain.core.signer import SignedTransaction
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from activities.solana.wallets import Wallets
from workflows.domain.errors import EngineError, ErrorCode


def unsigned(payer: Pubkey, lamports: int = 1) -> VersionedTransaction:
    """A transaction that needs the payer's signature and no other."""
    instruction = transfer(TransferParams(from_pubkey=payer, to_pubkey=payer, lamports=lamports))
    message = MessageV0.try_compile(payer, [instruction], [], Hash.default())
    return VersionedTransaction.populate(message, [Signature.default()])


def key_file(directory: Path, name: str, mode: int = 0o600) -> Keypair:
    """A new key in the form of the Solana CLI."""
    keypair = Keypair()
    path = directory / f"{name}.json"
    path.write_text(json.dumps(list(bytes(keypair))))
    path.chmod(mode)
    return keypair


async def reason(wallets: Wallets, name: str, transaction: VersionedTransaction) -> EngineError:
    """The error that signing ends with."""
    with pytest.raises(EngineError) as raised:
        await wallets.sign(name, transaction)
    return raised.value


class Signer(MemorySigner):
    """A signer that answers with what the test gives it."""

    def __init__(self, keypair: Keypair, answer: VersionedTransaction | Exception) -> None:
        super().__init__(keypair)
        self._answer = answer

    async def sign_transaction(self, transaction: VersionedTransaction) -> SignedTransaction:
        if isinstance(self._answer, Exception):
            raise self._answer
        return SignedTransaction("", self._answer.signatures[0], True, self._answer)


async def test_a_key_file_signs(tmp_path: Path) -> None:
    keypair = key_file(tmp_path, "desk")
    wallets = Wallets(tmp_path)
    signed = await wallets.sign("desk", unsigned(keypair.pubkey()))
    assert wallets.address("desk") == keypair.pubkey()
    assert signed == VersionedTransaction(signed.message, [keypair])


@pytest.mark.parametrize("name", ["none", "../desk", "sub/desk", "", ".", "desk.json", "a\0b"])
def test_a_name_without_a_key_is_unknown(tmp_path: Path, name: str) -> None:
    inside = tmp_path / "wallets"
    (inside / "sub").mkdir(parents=True)
    key_file(inside, "here")
    key_file(tmp_path, "desk")
    key_file(inside / "sub", "desk")
    with pytest.raises(EngineError) as raised:
        Wallets(inside).address(name)
    assert raised.value.code is ErrorCode.WALLET_UNKNOWN


@pytest.mark.parametrize("content", ["", "[1, 2]", "hello", "\xff"])
def test_a_file_without_a_key_is_unknown_and_not_quoted(tmp_path: Path, content: str) -> None:
    (tmp_path / "desk.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(EngineError, match="'desk' is unreadable") as raised:
        Wallets(tmp_path).address("desk")
    assert raised.value.code is ErrorCode.WALLET_UNKNOWN


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)])
def test_a_key_file_that_others_may_read_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, warned: bool
) -> None:
    key_file(tmp_path, "desk", mode)
    with caplog.at_level(logging.WARNING):
        Wallets(tmp_path).address("desk")
    assert [f"has mode {mode:04o}" in message for message in caplog.messages] == [True] * warned


async def test_other_bytes_than_asked_for_are_not_taken(tmp_path: Path) -> None:
    keypair = Keypair()
    other = VersionedTransaction(unsigned(keypair.pubkey(), lamports=2).message, [keypair])
    error = await reason(Wallets({"desk": Signer(keypair, other)}), "desk", unsigned(keypair.pubkey()))
    assert error.code is ErrorCode.SIGNING_FAILED
    assert "something else" in error.detail


async def test_a_signature_by_another_key_is_not_taken() -> None:
    keypair, asked = Keypair(), unsigned(Keypair().pubkey())
    wrong = VersionedTransaction.populate(asked.message, [keypair.sign_message(b"x")])
    assert (await reason(Wallets({"desk": Signer(keypair, wrong)}), "desk", asked)).code is ErrorCode.SIGNING_FAILED


async def test_a_signature_of_something_else_is_not_taken() -> None:
    keypair = Keypair()
    asked = unsigned(keypair.pubkey())
    wrong = VersionedTransaction.populate(asked.message, [keypair.sign_message(b"x")])
    assert (await reason(Wallets({"desk": Signer(keypair, wrong)}), "desk", asked)).code is ErrorCode.SIGNING_FAILED


async def test_whatever_a_signer_dies_of_is_not_repeated(caplog: pytest.LogCaptureFixture) -> None:
    keypair = Keypair()
    wallets = Wallets({"desk": Signer(keypair, RuntimeError("the secret is s3cret"))})
    error = await reason(wallets, "desk", unsigned(keypair.pubkey()))
    assert error.code is ErrorCode.SIGNING_FAILED
    assert error.__cause__ is None
    assert "s3cret" not in f"{error.detail} {caplog.text}"


async def test_nothing_is_signed_without_permission(tmp_path: Path) -> None:
    class Never:
        async def allow(self) -> None:
            raise EngineError(ErrorCode.CLUSTER_MISMATCH, "elsewhere")

    keypair = key_file(tmp_path, "desk")
    transaction = unsigned(keypair.pubkey())
    error = await reason(Wallets(tmp_path, Never()), "desk", transaction)
    assert error.code is ErrorCode.CLUSTER_MISMATCH
    assert transaction.signatures == [Signature.default()]

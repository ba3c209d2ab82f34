"""A running cluster as tests use it: the public Solana client, raw JSON-RPC, wallets, pools and swaps."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Processed
from solana.rpc.models import TxOpts
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message, MessageV0
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.system_program import CreateAccountWithSeedParams, create_account_with_seed
from solders.transaction import VersionedTransaction

from activities.venues import kinds
from activities.venues.errors import VenueError
from activities.venues.mint import NATIVE_MINT, TOKEN_PROGRAM, token_balance
from activities.venues.pool import Account, Clock, Mode, Pool, PoolKind, Quote, Swap
from deploy.localnet.server import running_localnet
from deploy.localnet.settings import LocalnetSettings
from deploy.localnet.tokens import associated_address, rent_exempt

USDC = Pubkey.from_string("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v")
BONK = Pubkey.from_string("DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263")
FEE = Pubkey.from_string("7J1PSZQajhK6mwEEHN417jb8wAfiK44Sygesp1KRfEY3")
MEMO_PROGRAM = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
TOKEN_ACCOUNT_RENT = rent_exempt(165)
_CLOCK_SYSVAR = Pubkey.from_string("SysvarC1ock11111111111111111111111111111111")


class RpcFailure(Exception):
    """An error answer."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.code: int = error["code"]
        self.data: Any = error.get("data")


class Chain:
    """One running cluster and the wallets in its data directory."""

    def __init__(self, url: str, data_dir: Path, client: AsyncClient, http: httpx.AsyncClient) -> None:
        self.url = url
        self.client = client
        self._data_dir = data_dir
        self._http = http

    def node(self, name: str) -> "Chain":
        """The same cluster as another node shows it to raw calls."""
        return Chain(f"{self.url}/node/{name}", self._data_dir, self.client, self._http)

    def wallet(self, name: str = "default") -> Keypair:
        """A wallet of the genesis."""
        return Keypair.from_bytes(bytes(json.loads((self._data_dir / "wallets" / f"{name}.json").read_text())))

    async def rpc(self, method: str, *params: Any) -> Any:
        """The result of one raw call; raises RpcFailure on an error answer."""
        body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": list(params)}
        answer = (await self._http.post(self.url, json=body)).json()
        assert answer["jsonrpc"] == "2.0"
        assert answer["id"] == 7
        if "error" in answer:
            raise RpcFailure(answer["error"])
        return answer["result"]

    async def sign(
        self, instructions: Sequence[Instruction], *signers: Keypair, legacy: bool = False
    ) -> VersionedTransaction:
        """A transaction over the newest blockhash; the first signer (the default wallet) pays."""
        signers = signers or (self.wallet(),)
        blockhash = (await self.client.get_latest_blockhash(Processed)).value.blockhash
        payer = signers[0].pubkey()
        if legacy:
            return VersionedTransaction(Message.new_with_blockhash(instructions, payer, blockhash), signers)
        return VersionedTransaction(MessageV0.try_compile(payer, instructions, [], blockhash), signers)

    async def send(self, transaction: VersionedTransaction, *, preflight: bool = False) -> Signature:
        """Send; without preflight the cluster accepts whatever it is."""
        options = TxOpts(skip_preflight=not preflight, preflight_commitment="processed")
        return (await self.client.send_raw_transaction(bytes(transaction), options)).value

    async def land(self, instructions: Sequence[Instruction], *signers: Keypair) -> Any:
        """Sign, send, and return the transaction's metadata once it is confirmed."""
        signature = await self.send(await self.sign(instructions, *signers))
        return (await self.transaction(signature))["meta"]

    async def transaction(self, signature: Signature) -> Any:
        """The landed transaction, confirmed, as raw JSON."""
        options = {"commitment": "confirmed", "maxSupportedTransactionVersion": 0}
        await self.rpc("localnet_warpSlots", 2)
        found = await self.rpc("getTransaction", str(signature), options)
        assert found is not None, f"{signature} did not land"
        return found

    async def error_of(self, signature: Signature) -> Any:
        """The error that a landed transaction ended with, None for success."""
        (status,) = (await self.rpc("getSignatureStatuses", [str(signature)]))["value"]
        assert status is not None, f"{signature} did not land"
        return status["err"]

    async def account(self, address: Pubkey) -> Account | None:
        """An account, as a client reads it."""
        found = (await self.client.get_account_info(address, encoding="base64")).value
        return None if found is None else Account(found.owner, found.lamports, found.data)

    async def lamports(self, address: Pubkey) -> int:
        """The native balance of an account."""
        return (await self.client.get_balance(address)).value

    async def tokens(self, address: Pubkey) -> int:
        """The base units in a token account."""
        account = await self.account(address)
        assert account is not None
        return token_balance(address, account)

    async def clock(self) -> Clock:
        """The clock that programs see now."""
        account = await self.account(_CLOCK_SYSVAR)
        assert account is not None
        slot, _, epoch, _, timestamp = (int.from_bytes(account.data[at : at + 8], "little") for at in range(0, 40, 8))
        return Clock(slot, epoch, timestamp)

    async def pool(self, kind: PoolKind, address: Pubkey) -> Pool:
        """A pool as a client decodes it."""
        return kind.decode(address, await self.pool_accounts(kind, address))

    async def pool_accounts(self, kind: PoolKind, address: Pubkey) -> Mapping[Pubkey, Account | None]:
        """The accounts that decoding the pool needs."""
        known: dict[Pubkey, Account | None] = {}
        while fresh := [key for key in kind.requirements(address, known) if key not in known]:
            found = (await self.client.get_multiple_accounts(fresh)).value
            for key, account in zip(fresh, found, strict=True):
                if account is None:
                    known[key] = None
                else:
                    known[key] = Account(account.owner, account.lamports, account.data)
        return known

    async def pools(self, kind: PoolKind, mint_a: Pubkey, mint_b: Pubkey) -> list[Pool]:
        """The pools of a kind for a pair, found as a client finds them, by address."""
        found: list[Pubkey] = []
        for wanted in kind.filters(mint_a, mint_b):
            filters: list[Any] = [] if wanted.data_size is None else [{"dataSize": wanted.data_size}]
            for offset, data in wanted.memcmp:
                filters.append({"memcmp": {"offset": offset, "bytes": list(data)}})
            options = {"encoding": "base64", "filters": filters}
            rows = await self.rpc("getProgramAccounts", str(kind.program_id), options)
            found += [Pubkey.from_string(row["pubkey"]) for row in rows]
        pools = []
        for address in sorted(found, key=bytes):
            try:
                pools.append(await self.pool(kind, address))
            except VenueError:
                continue
        return pools


@asynccontextmanager
async def running(data_dir: Path, **settings: Any) -> AsyncIterator[Chain]:
    """A cluster with slots of 20 ms unless told otherwise."""
    configured = LocalnetSettings(**{"port": 0, "slot_ms": 20, "data_dir": data_dir, **settings})
    async with (
        running_localnet(configured) as url,
        AsyncClient(url) as client,
        httpx.AsyncClient() as http,
    ):
        yield Chain(url, data_dir, client, http)


async def deepest(chain: Chain, kind: str, mint_a: Pubkey = NATIVE_MINT, mint_b: Pubkey = USDC) -> Pool:
    """The deepest pool of a kind for a pair."""
    pools = await chain.pools(kinds.by_name(kind), mint_a, mint_b)
    return max(pools, key=lambda pool: pool.reserves()[0])


async def quoted(chain: Chain, pool: Pool, mint_in: Pubkey, amount: int, mode: Mode = Mode.EXACT_IN) -> Quote:
    """What the pool would do with `amount` now."""
    return pool.quote(Swap(pool.mint_a.address == mint_in, mode, amount), await chain.clock())


def ata(owner: Pubkey, mint: Pubkey, program: Pubkey = TOKEN_PROGRAM) -> Pubkey:
    """The associated token account."""
    return associated_address(owner, mint, program)


def memo(text: str) -> Instruction:
    """A memo instruction."""
    return Instruction(MEMO_PROGRAM, text.encode(), [])


def wrap(owner: Pubkey, seed: str, lamports: int) -> tuple[Pubkey, list[Instruction]]:
    """A temporary token account with wrapped SOL, and the instructions that make it."""
    address = Pubkey.create_with_seed(owner, seed, TOKEN_PROGRAM)
    create = create_account_with_seed(
        CreateAccountWithSeedParams(
            from_pubkey=owner,
            to_pubkey=address,
            base=owner,
            seed=seed,
            lamports=TOKEN_ACCOUNT_RENT + lamports,
            space=165,
            owner=TOKEN_PROGRAM,
        )
    )
    # InitializeAccount3
    metas = [AccountMeta(address, False, True), AccountMeta(NATIVE_MINT, False, False)]
    return address, [create, Instruction(TOKEN_PROGRAM, bytes([18]) + bytes(owner), metas)]


def unwrap(owner: Pubkey, address: Pubkey) -> Instruction:
    """Close a token account to its owner."""
    metas = [AccountMeta(address, False, True), AccountMeta(owner, False, True), AccountMeta(owner, True, False)]
    return Instruction(TOKEN_PROGRAM, bytes([9]), metas)

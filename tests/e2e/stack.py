"""One `order-engine up` of its own for end-to-end tests, started and stopped as a user would."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import websockets

from tests.servers import free_port, free_ports
from workflows.domain.ids import parse_memo
from workflows.domain.lifecycle import Status, is_terminal

COMMAND = [sys.executable, "-P", "-m", "deploy.cli.main"]
ROOT = Path(__file__).parents[2]

_PORTS = ("api", "localnet", "temporal", "temporal-ui", "postgres", "redis")

# The node on localnet's bare address.
MAIN = "main"

# Ten times the speed of a real cluster: a blockhash lives for six seconds instead of a minute.
SLOT_MS = 40


def _own_environment() -> dict[str, str]:
    """This process's environment without the servers that other tests name there: a stack has its own."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("ORDER_ENGINE_", "TEMPORAL_"))}


def _node(rpc: str, name: str) -> str:
    return rpc if name == MAIN else f"{rpc}/node/{name}"


@dataclass
class Stack:
    """The processes of one stack and how to reach them."""

    data_dir: Path
    api: str
    rpc: str
    process: subprocess.Popen[bytes]
    said: Path

    @classmethod
    def start(
        cls,
        data_dir: Path,
        *options: str,
        environment: dict[str, str] | None = None,
        fallbacks: Sequence[str] = (),
    ) -> "Stack":
        """Run `order-engine up` on free ports until it says that it is ready.

        `fallbacks` are the names of the further nodes of its localnet that the workers know.
        """
        ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
        api, rpc = (f"http://127.0.0.1:{ports[name]}" for name in ("api", "localnet"))
        further = {"ORDER_ENGINE_SOLANA_RPC_FALLBACK_URLS": ",".join(_node(rpc, name) for name in fallbacks)}
        # Far from those of a stack that starts beside it: both would take the first free ones.
        ports["metrics"] = free_port()
        arguments = [part for name, port in ports.items() for part in (f"--{name}-port", str(port))]
        said = data_dir.with_suffix(".out")
        with said.open("w") as output:
            process = subprocess.Popen(
                [*COMMAND, "up", "--data-dir", str(data_dir), "--slot-ms", str(SLOT_MS), *arguments, *options],
                stdout=output,
                stderr=output,
                cwd=ROOT,
                env={**_own_environment(), **further, **(environment or {})},
            )
        try:
            while not any(line.startswith("ready ") for line in said.read_text().splitlines()):
                assert process.poll() is None, f"the stack did not start: {said.read_text()}"
                time.sleep(0.05)
        except BaseException:
            # The time limit of the test, say: nothing may be left running, and its children die with it.
            process.kill()
            process.wait()
            raise
        return cls(data_dir, api, rpc, process, said)

    def stop(self) -> None:
        """Stop it as Ctrl-C would; it must end cleanly and leave nobody behind."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(30) == 0
        left = [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
        assert left == []

    def pid(self, name: str) -> int:
        """The process id that `order-engine status` tells."""
        command = [*COMMAND, "status", "--json", "--data-dir", str(self.data_dir)]
        listed = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
        return next(entry["pid"] for entry in listed if entry["name"] == name)

    def node(self, name: str) -> str:
        """The address of a node of the stack's localnet."""
        return _node(self.rpc, name)

    def client(self) -> httpx.AsyncClient:
        """An HTTP client of the API."""
        return httpx.AsyncClient(base_url=self.api, timeout=30)

    async def ask_chain(self, method: str, *params: Any) -> Any:
        """One JSON-RPC call to localnet."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with httpx.AsyncClient(timeout=30) as client:
            answer = (await client.post(self.rpc, json=body)).json()
        assert "error" not in answer, answer
        return answer["result"]

    def wallet(self, name: str = "default") -> str:
        """The address of a wallet."""
        from solders.keypair import Keypair

        text = (self.data_dir / "localnet" / "wallets" / f"{name}.json").read_text()
        return str(Keypair.from_bytes(bytes(json.loads(text))).pubkey())

    async def landed(self) -> Counter[str]:
        """How many swaps of each order landed, counted on the chain by their memos."""
        counted: Counter[str] = Counter()
        before: str | None = None
        while True:
            options = {"limit": 1000, "commitment": "confirmed"} | ({"before": before} if before else {})
            page = await self.ask_chain("getSignaturesForAddress", self.wallet(), options)
            for entry in page:
                named = parse_memo(entry["memo"] or "")
                if named and entry["err"] is None:
                    counted[named[0]] += 1
            if len(page) < 1000:
                return counted
            before = page[-1]["signature"]


async def follow(api: str, order_id: str, after: int = 0) -> list[dict[str, Any]]:
    """Everything a stream says about an order until it is closed normally; reconnects with `after` when it breaks."""
    messages: list[dict[str, Any]] = []
    while True:
        address = f"{api.replace('http', 'ws', 1)}/api/orders/{order_id}/stream?after={after}"
        try:
            async with websockets.connect(address) as stream:
                async for text in stream:
                    message = json.loads(text)
                    messages.append(message)
                    after = message.get("seq", after)
                assert stream.close_code == 1000
                return messages
        except (websockets.ConnectionClosedError, OSError):
            await asyncio.sleep(0.1)


def check_story(messages: list[dict[str, Any]]) -> str:
    """A stream's events are gapless and end with the only terminal one; returns its status."""
    events = [message for message in messages if message["type"] == "event"]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    statuses = [Status(event["status"]) for event in events]
    assert [is_terminal(status) for status in statuses] == [False] * (len(statuses) - 1) + [True]
    return statuses[-1].value

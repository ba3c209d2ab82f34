"""Services on loopback: Vault and AWS KMS that really sign, and nodes that answer what they are told."""

import base64
import json
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from solders.keypair import Keypair

# DER of a SubjectPublicKeyInfo of ed25519, before its 32 bytes (RFC 8410).
SPKI_PREFIX = bytes.fromhex("302a300506032b6570032100")


@dataclass
class Service:
    """How the service answers, and what it was asked.

    `says` is what it answers instead of signing, with a status; `hangs` keeps it from answering at all.
    """

    keypair: Keypair = field(default_factory=Keypair)
    says: tuple[int, bytes] | None = None
    hangs: bool = False
    signs_other_bytes: bool = False
    asked: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    url: str = ""

    def sign(self, message: bytes) -> bytes:
        """The signature of the key, of other bytes where that is the fault."""
        return bytes(self.keypair.sign_message(message[::-1] if self.signs_other_bytes else message))


class Handler(BaseHTTPRequestHandler):
    """JSON over HTTP; a kind of service says what is in it."""

    service: Service

    def do_GET(self) -> None:
        self._serve({})

    def do_POST(self) -> None:
        self._serve(json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}"))

    def _serve(self, body: dict[str, Any]) -> None:
        service = self.service
        service.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        while service.hangs:
            time.sleep(0.01)
        status, content = service.says or (200, json.dumps(self.content(body)).encode())
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def content(self, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request that is not refused."""
        raise NotImplementedError

    def log_message(self, *_: Any) -> None:
        pass


class VaultHandler(Handler):
    """The transit engine: sign, and the description of a key."""

    def content(self, body: dict[str, Any]) -> dict[str, Any]:
        if self.path.startswith("/v1/transit/sign/"):
            signature = self.service.sign(base64.b64decode(body["input"]))
            return {"data": {"signature": f"vault:v1:{base64.b64encode(signature).decode()}"}}
        public = base64.b64encode(bytes(self.service.keypair.pubkey())).decode()
        key = {"type": "ed25519", "supports_signing": True, "latest_version": 1, "keys": {"1": {"public_key": public}}}
        return {"data": key}


class AwsHandler(Handler):
    """Sign, DescribeKey and GetPublicKey."""

    def content(self, body: dict[str, Any]) -> dict[str, Any]:
        match self.headers["X-Amz-Target"].removeprefix("TrentService."):
            case "Sign":
                assert (body["MessageType"], body["SigningAlgorithm"]) == ("RAW", "ED25519_SHA_512")
                signature = self.service.sign(base64.b64decode(body["Message"]))
                return {"KeyId": body["KeyId"], "Signature": base64.b64encode(signature).decode()}
            case "DescribeKey":
                about = {"KeySpec": "ECC_NIST_EDWARDS25519", "Enabled": True, "KeyUsage": "SIGN_VERIFY"}
                return {"KeyMetadata": {"KeyId": body["KeyId"], **about}}
            case _:
                public = SPKI_PREFIX + bytes(self.service.keypair.pubkey())
                return {"KeyId": body["KeyId"], "PublicKey": base64.b64encode(public).decode()}


class NodeHandler(Handler):
    """A node that answers what the test says, method by method."""

    answers: Mapping[str, Any]

    def content(self, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.answers[body["method"]]
        content = {"error": answer} if isinstance(answer, dict) and "code" in answer else {"result": answer}
        return {"jsonrpc": "2.0", "id": body["id"], **content}


@contextmanager
def serving(handler: type[Handler], tls: ssl.SSLContext | None = None) -> Iterator[Service]:
    """The service on a port of its own, by TLS when a context is given."""
    service = Service()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (handler,), {"service": service}))
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    service.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield service
    finally:
        service.hangs = False
        server.shutdown()
        server.server_close()
        thread.join()

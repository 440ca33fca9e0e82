"""A server that does what Vault's transit engine documents: encrypt, decrypt, read, rotate and configure a key."""

from __future__ import annotations

import base64
import json
import os
import re
import ssl
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.certificates import Files

PATH = re.compile(r"/v1/transit/(keys|encrypt|decrypt)/([A-Za-z0-9._-]+)(?:/(rotate|config))?")


@dataclass
class Key:
    versions: list[bytes] = field(default_factory=lambda: [os.urandom(32)])
    least: int = 1


class Transit:
    """`requests` counts what was asked; `status` answers everything so when it is set; `slow` waits before."""

    def __init__(self, files: Files) -> None:
        self.keys: dict[str, Key] = {"clinchat": Key()}
        self.token, self.forbidden = "token-of-the-test", set[str]()
        self.requests, self.status, self.slow = 0, 0, 0.0
        self.answer: bytes | None = None
        transit = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                transit.handle(self)

            do_POST = do_PUT = do_GET  # noqa: N815  # the names http.server asks for

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.certificate, files.key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.address = f"https://localhost:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        self.requests += 1
        body = json.loads(request.rfile.read(int(request.headers.get("Content-Length") or 0)) or "{}")
        time.sleep(self.slow)
        status, data = self._answer(request, body)
        said = json.dumps({"data": data} if status < 400 else {"errors": ["no"]}).encode()
        said = self.answer if self.answer is not None else said
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(said)))
        request.end_headers()
        request.wfile.write(said)

    def _answer(self, request: BaseHTTPRequestHandler, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if self.status:
            return self.status, {}
        found = PATH.fullmatch(request.path)
        if request.headers.get("X-Vault-Token") != self.token or (found and found[3] in self.forbidden):
            return 403, {}
        key = self.keys.get(found[2]) if found else None
        if found is None or key is None:
            return (404 if request.command == "GET" else 400), {}
        match found[1], found[3]:
            case "keys", "rotate":
                key.versions.append(os.urandom(32))
                return 200, {}
            case "keys", "config":
                key.least = int(body["min_decryption_version"])
                return 200, {}
            case "keys", _:
                return 200, {"latest_version": len(key.versions), "min_decryption_version": key.least}
            case "encrypt", _:
                nonce, place = os.urandom(12), base64.b64decode(body["associated_data"])
                cipher = AESGCM(key.versions[-1]).encrypt(nonce, base64.b64decode(body["plaintext"]), place)
                return 200, {"ciphertext": f"vault:v{len(key.versions)}:{base64.b64encode(nonce + cipher).decode()}"}
            case _:
                return self._decrypted(key, body)

    def _decrypted(self, key: Key, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        _, version, text = body["ciphertext"].split(":")
        number, cipher = int(version[1:]), base64.b64decode(text)
        if not key.least <= number <= len(key.versions):
            return 400, {}
        try:
            plain = AESGCM(key.versions[number - 1]).decrypt(
                cipher[:12], cipher[12:], base64.b64decode(body["associated_data"])
            )
        except InvalidTag:
            return 400, {}
        return 200, {"plaintext": base64.b64encode(plain).decode()}

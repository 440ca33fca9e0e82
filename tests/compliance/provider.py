"""A small OpenID Connect provider on this machine, which can be told to lie."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID, CLIENT_SECRET = "clinchat-of-the-tests", "a secret of the tests"
Claims = dict[str, Any]


class Provider:
    """`change` alters the claims before they are signed, `sign` signs them, `broken` names paths that fail."""

    def __init__(self) -> None:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.handle(self, {})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                provider.handle(self, dict(parse_qsl(body)))

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.key = RSAKey.generate_key(2048, {"kid": "first"})
        self.reset()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def reset(self) -> None:
        self.issued: dict[str, dict[str, str]] = {}
        self.broken: set[str] = set()
        self.change: Callable[[Claims], Claims] = lambda claims: claims
        self.metadata: dict[str, Any] = {}
        self.person: Claims = {
            "sub": "user-1",
            "email": "Olga@hospital.test",
            "email_verified": True,
            "name": "Olga Ortiz",
            "department": "Cardiology",
        }
        self.sign: Callable[[Claims], str] = self.signed

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def signed(self, claims: Claims) -> str:
        return jwt.encode({"alg": "RS256", "kid": "first"}, claims, self.key)

    def signed_by_somebody_else(self, claims: Claims) -> str:
        return jwt.encode({"alg": "RS256", "kid": "first"}, claims, RSAKey.generate_key(2048, {"kid": "first"}))

    def unsigned(self, claims: Claims) -> str:
        return ".".join(_text(json.dumps(part).encode()) for part in ({"alg": "none"}, claims)) + "."

    def signed_with_the_public_key(self, claims: Claims) -> str:
        """The confusion of algorithms: a public key taken for a shared secret."""
        parts = ({"alg": "HS256", "kid": "first"}, claims)
        said = ".".join(_text(json.dumps(part).encode()) for part in parts)
        return f"{said}.{_text(hmac.digest(self.key.as_pem(private=False), said.encode(), 'sha256'))}"

    def handle(self, request: BaseHTTPRequestHandler, body: dict[str, str]) -> None:
        path = urlsplit(request.path).path
        status, answer = (500, {}) if path in self.broken else self._answer(path, request, body)
        said = json.dumps(answer).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(said)))
        request.end_headers()
        request.wfile.write(said)

    def _answer(self, path: str, request: BaseHTTPRequestHandler, body: dict[str, str]) -> tuple[int, Any]:
        match path:
            case "/.well-known/openid-configuration":
                found = {
                    "issuer": self.issuer,
                    "authorization_endpoint": f"{self.issuer}/authorize",
                    "token_endpoint": f"{self.issuer}/token",
                    "jwks_uri": f"{self.issuer}/keys",
                    "id_token_signing_alg_values_supported": ["RS256", "none", "HS256"],
                }
                return 200, found | self.metadata
            case "/keys":
                return 200, {"keys": [self.key.as_dict(private=False)]}
            case "/token":
                return self._token(request.headers.get("Authorization", ""), body)
            case _:
                return 404, {}

    def _token(self, authorization: str, body: dict[str, str]) -> tuple[int, Any]:
        asked = self.issued.pop(body.get("code", ""), None)
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        proof = _text(hashlib.sha256(body.get("code_verifier", "").encode()).digest())
        if (
            asked is None
            or authorization != f"Basic {basic}"
            or asked["code_challenge"] != proof
            or asked["redirect_uri"] != body.get("redirect_uri")
        ):
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = self.change(
            {"iss": self.issuer, "aud": CLIENT_ID, "exp": now + 300, "iat": now, "nonce": asked["nonce"]}
            | {"auth_time": now}
            | self.person
        )
        return 200, {"access_token": secrets.token_urlsafe(), "token_type": "Bearer", "id_token": self.sign(claims)}

    def signs_in(self, url: str) -> dict[str, str]:
        """What the browser brings back after the person has signed in at `url`."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert asked["client_id"] == CLIENT_ID
        assert len(asked["state"]) >= 32 <= len(asked["nonce"])
        code = secrets.token_urlsafe()
        self.issued[code] = asked
        return {"code": code, "state": asked["state"]}


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

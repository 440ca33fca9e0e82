"""The image's health check: healthy only when the web process takes the name staff use and says all is well."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.deploy.reading import ROOT


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        known = (self.headers["Host"], self.path) == ("clinchat.example", "/api/health")
        self.send_response(200 if known else 400)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # named so by the standard library
        """Silent."""


@pytest.fixture
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def check(port: int, hosts: str) -> int:
    env = {"CLINCHAT_BIND": f"0.0.0.0:{port}", "CLINCHAT_HOSTS": hosts}
    return subprocess.run([sys.executable, "deploy/healthcheck.py"], cwd=ROOT, env=env, check=False).returncode


@pytest.mark.parametrize("hosts", ["clinchat.example", " .clinchat.example, other.example"])
def test_an_answer_under_the_first_name(port: int, hosts: str) -> None:
    assert check(port, hosts) == 0


def test_a_refusal(port: int) -> None:
    assert check(port, "other.example") == 1


def test_nobody_there(port: int) -> None:
    assert check(1, "clinchat.example") == 1

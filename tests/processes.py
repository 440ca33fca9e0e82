"""Processes of their own on the database and Redis of the tests, as production runs them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db import connection

ROOT = Path(__file__).parents[1]
PATIENCE = 180
"""Seconds. Two cores may be busy with much else, and nobody waits for longer than what is awaited takes."""


def until(what: Callable[[], bool], why: str) -> None:
    ends = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < ends, why
        time.sleep(0.1)


def environment() -> dict[str, str]:
    """Of a process on the test database."""
    database, keys = connection.settings_dict, settings.VAR / "keys"
    return {
        **os.environ,
        "DATABASE_URL": f"postgresql:///{database['NAME']}?host={database['HOST']}&user=clinchat&sslmode=disable",
        "REDIS_URL": settings.REDIS_URL,
        "SECRET_KEY_FILE": str(keys / "secret_key"),
        "SEALING_KEY_FILE": str(keys / "sealing_key"),
        "INDEX_KEY_FILE": str(keys / "index_key"),
        "CERTIFICATE_KEY_FILE": str(keys / "certificate_key"),
        "BACKUP_KEY_FILE": str(keys / "backup_key"),
        "CLINCHAT_HOSTS": "127.0.0.1",
        "CLINCHAT_TLS": "false",
    }


def start(words: list[str], output: Path, **env: str) -> subprocess.Popen[bytes]:
    """This Python with `words`, all it says into a file."""
    with output.open("wb") as said:
        return subprocess.Popen(
            [sys.executable, "-m", *words], cwd=ROOT, env=environment() | env, stdout=said, stderr=said
        )


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])

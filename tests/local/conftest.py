"""A var/ of its own for each test, where PostgreSQL's account can reach it, and real processes that use it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from clinchat.local import Paths, paths, postgres, redis_server
from clinchat.local.paths import ROOT
from clinchat.local.services import release
from tests.local.processes import Start, User

USE = "from clinchat.local import ensure_services; ensure_services(); print('up', flush=True); input()"


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Paths]:
    """An empty var/; what a test left running in it is stopped."""
    folder = Path(tempfile.mkdtemp(prefix="cc-", dir="/tmp"))
    folder.chmod(0o755)
    monkeypatch.setenv("CLINCHAT_VAR", str(folder / "var"))
    for name in ("DATABASE_URL", "REDIS_URL", "CLINCHAT_PORT"):
        monkeypatch.delenv(name, raising=False)
    place = paths()
    yield place
    release(place)
    redis_server.stop(place)
    postgres.stop(place)
    shutil.rmtree(folder)
    if place.run.parent == Path("/tmp"):
        shutil.rmtree(place.run, ignore_errors=True)


@pytest.fixture
def start(place: Paths) -> Iterator[Start]:
    """start("-c", code) runs this Python in the background, with the test's var/ and pipes for its streams."""
    started: list[subprocess.Popen[str]] = []

    def run(*words: str, **env: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *words],
            env={**os.environ, **env},
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def user(start: Start) -> User:
    """user() is a process that uses the services until its standard input closes."""

    def run() -> subprocess.Popen[str]:
        process = start("-c", USE)
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n", process.communicate()[1]
        return process

    return run

"""Servers for a moment: there at once, closed to others, and gone whatever happens."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.test import override_settings

from clinchat.local.paths import ROOT
from compliance.continuity.scratch import ScratchServer, ScratchServerFailed
from tests.compliance.continuity import live as lives
from tests.compliance.continuity.live import eventually

KEEP = (
    "import time, django; django.setup()\n"
    "from compliance.continuity.scratch import ScratchServer\n"
    "with ScratchServer() as server: print(server.pid, server.folder, flush=True); time.sleep(60)"
)


@pytest.fixture(scope="module", autouse=True)
def _var() -> Iterator[None]:
    with lives.in_memory():
        yield


def left() -> list[Path]:
    return list((settings.VAR / "scratch").iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_answers_and_is_gone() -> None:
    with ScratchServer() as server:
        with psycopg.connect(**server.conninfo()) as connection:  # type: ignore[arg-type]  # names of libpq
            assert connection.execute("SELECT extname FROM pg_extension WHERE extname = 'vector'").fetchone()
        assert [mode(path) for path in (server.data, server.socket, server.log)] == [0o700, 0o700, 0o600]
        server.stop()
        server.start()
        server.kill()
        server.start()
        pid = server.pid
    assert left() == []
    assert not Path(f"/proc/{pid}").exists()


def test_two_know_nothing_of_each_other() -> None:
    with ScratchServer() as one, ScratchServer() as other:
        with one.connect() as connection:
            connection.execute("CREATE TABLE mine (x int)")
        with other.connect() as connection:
            assert connection.execute("SELECT to_regclass('mine')").fetchone() == (None,)
        assert len(left()) == 2
        assert one.pid
        assert other.pid


def test_what_a_killed_process_leaves_is_removed_by_the_next() -> None:
    environment = {**os.environ, "CLINCHAT_VAR": str(settings.VAR), "DJANGO_SETTINGS_MODULE": "clinchat.settings"}
    process = subprocess.Popen(
        [sys.executable, "-c", KEEP], env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    pid, folder = process.stdout.readline().split()
    process.kill()
    process.communicate()
    eventually(lambda: not Path(f"/proc/{pid}").exists())  # the server goes with it
    assert Path(folder).exists()
    with ScratchServer() as server:
        assert left() == [server.folder]


def test_a_path_that_is_too_long_for_a_socket() -> None:
    deep = settings.VAR / ("long" * 20)
    deep.mkdir(mode=0o711)
    deep.chmod(0o711)
    with override_settings(VAR=deep), ScratchServer() as server:
        assert server.socket.parent == Path("/tmp")
        assert mode(server.socket) == 0o700
        with server.connect():
            pass
    assert not server.socket.exists()


def test_files_that_are_none_are_told_in_words() -> None:
    def fill(data: Path) -> None:
        (data / "PG_VERSION").write_text("18\n")

    with pytest.raises(ScratchServerFailed) as raised, ScratchServer(fill=fill):
        pass
    assert raised.value.words.startswith("A PostgreSQL of its own did not start: ")
    assert left() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another account")
def test_a_folder_that_the_database_account_cannot_enter(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with override_settings(VAR=tmp_path / "var"), pytest.raises(ScratchServerFailed) as raised, ScratchServer():
        pass
    assert "cannot enter" in raised.value.words

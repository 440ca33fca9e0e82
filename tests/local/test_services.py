"""PostgreSQL and Redis start on demand, serve everybody, and stop with the last who uses them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
import redis

from clinchat.local import Paths, database_url, ensure_services, paths, postgres, redis_server, redis_url
from clinchat.local.services import release
from tests.local.processes import Start, User
from tests.processes import until


def leave(process: subprocess.Popen[str]) -> None:
    assert process.communicate("\n") == ("", "")
    assert process.returncode == 0


def test_both_start_and_a_second_call_changes_nothing(place: Paths) -> None:
    said: list[str] = []
    ensure_services(say=said.append)
    assert said == ["Making the database (first start only)", "Starting PostgreSQL", "Starting Redis"]
    with psycopg.connect(database_url()) as connection:
        version, checksums, extension = (
            connection.execute(
                "SELECT current_setting('server_version_num')::int / 10000, current_setting('data_checksums'),"
                " (SELECT extname FROM pg_extension WHERE extname = 'vector')"
            ).fetchone()
            or ()
        )
    assert (version, checksums, extension) == (18, "on", "vector")
    with redis.Redis.from_url(redis_url()) as client:
        assert client.ping()
    server = postgres.postmaster(place)
    ensure_services(say=said.append)
    assert len(said) == 3
    assert postgres.postmaster(place) == server


def test_the_last_one_out_stops_them(place: Paths, user: User) -> None:
    first, second = user(), user()
    leave(first)
    assert postgres.postmaster(place)
    assert redis_server.answers(place)
    leave(second)
    assert postgres.postmaster(place) is None
    assert not redis_server.listens(place)


def test_a_killed_user_is_not_counted(place: Paths, user: User) -> None:
    killed, last = user(), user()
    killed.kill()
    killed.wait()
    leave(last)
    assert postgres.postmaster(place) is None
    assert not redis_server.listens(place)


def test_a_forked_child_that_ends_does_not_stop_them(place: Paths, start: Start) -> None:
    code = (
        "import os, sys; from clinchat.local import ensure_services, paths, postgres; ensure_services()\n"
        "if os.fork() == 0: sys.exit(0)\n"
        "os.wait(); print(postgres.postmaster(paths()) is not None)"
    )
    assert start("-c", code).communicate() == ("True\n", "")
    assert postgres.postmaster(place) is None


def test_those_who_start_together_share_one_server(place: Paths, start: Start) -> None:
    code = (
        "from clinchat.local import ensure_services, paths, postgres; ensure_services();"
        "print(postgres.postmaster(paths()), flush=True); input()"
    )
    together = [start("-c", code) for _ in range(3)]
    servers = {process.stdout.readline() for process in together if process.stdout}
    assert servers == {f"{postgres.postmaster(place)}\n"}
    for process in together:
        leave(process)
    assert postgres.postmaster(place) is None


def test_starting_and_leaving_at_once_never_leaves_anyone_without(place: Paths, start: Start, user: User) -> None:
    leaving = user()
    for _ in range(3):
        process = start(
            "-c",
            "from clinchat.local import *; import psycopg; ensure_services();"
            "print(psycopg.connect(database_url()).execute('SELECT 1').fetchone(), flush=True); input()",
        )
        leave(leaving)
        assert process.stdout is not None
        assert process.stdout.readline() == "(1,)\n"
        leaving = process


def test_addresses_that_are_given_start_nothing(place: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://db.example/clinchat")
    monkeypatch.setenv("REDIS_URL", "redis://redis.example/0")
    ensure_services()
    assert not place.var.exists()


def test_settings_for_other_servers_are_ignored(place: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGPORT": "6543", "PGHOST": "db.example", "PGDATA": "/nowhere", "PGUSER": "x"}.items():
        monkeypatch.setenv(name, value)
    ensure_services()
    with psycopg.connect(database_url()) as connection:
        assert connection.info.user == "clinchat"


def open_files(pid: int) -> Iterator[str]:
    """What a process holds open; it goes on working, so a file may be closed while this looks."""
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            yield os.readlink(file)  # noqa: PTH115


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nobody_else_can_reach_them(place: Paths) -> None:
    ensure_services()
    servers = [postgres.postmaster(place) or 0, int((place.run / "redis.pid").read_text())]
    held = {link for pid in servers for link in open_files(pid)}
    tables = [Path(f"/proc/net/{table}").read_text().splitlines()[1:] for table in ("tcp", "tcp6")]
    listening = {f"socket:[{line.split()[9]}]" for table in tables for line in table}
    assert any(link.startswith("socket:") for link in held)
    assert not held & listening
    assert place.pg_socket_dir.stat().st_mode & 0o777 == 0o700
    assert place.redis_socket.stat().st_mode & 0o777 == 0o700
    assert place.run.stat().st_mode & 0o066 == 0
    assert place.pgdata.stat().st_mode & 0o777 == 0o700


def test_a_long_path_works_too(place: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLINCHAT_VAR", str(place.var.parent / f"{'long ' * 30}, é"))
    ensure_services()
    with psycopg.connect(database_url()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert release(paths())
    shutil.rmtree(paths().run)


def test_a_terminated_command_stops_them(place: Paths, user: User) -> None:
    process = user()
    process.send_signal(signal.SIGINT)
    process.communicate()
    until(lambda: postgres.postmaster(place) is None, "it goes on")

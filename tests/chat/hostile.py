"""Stands in for the process that parses, and does what a file that took it over would try. Run with -m by tests."""

from __future__ import annotations

import ctypes
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from chat.corpus.formats import confine, wire
from chat.corpus.formats.types import Reading, Source

order = json.loads(sys.stdin.buffer.readline())
confine.limit(memory=order["memory"], seconds=order["seconds"], output=order["output"])
confine.cut_off()
name = order["files"][0]["name"]
libc = ctypes.CDLL(None, use_errno=True)
MARK = Path("/tmp/clinchat-hostile")
SECRET = Path(__file__).resolve().parents[2] / "manage.py"
"""Any file of ours that is no parser stands for our keys."""
OURS = {"LC_CTYPE", "PATH", "OMP_THREAD_LIMIT"}


def said(text: str) -> None:
    """Answer that, and nothing else."""
    sys.stdout.write(text)
    sys.stdout.flush()
    os._exit(0)


def work() -> None:
    while True:
        pass


def flood() -> None:
    while True:
        sys.stdout.write("x" * 1_000_000)


ATTEMPTS: dict[str, Callable[[], object]] = {
    "socket": lambda: socket.create_connection(("127.0.0.1", 9)),
    "socket-in-c": lambda: "refused" if libc.socket(socket.AF_INET, socket.SOCK_STREAM, 0) < 0 else "opened",
    "program": lambda: subprocess.run(["/bin/true"], check=True),
    "program-in-c": lambda: "refused" if libc.execv(b"/bin/true", None) < 0 else "started",
    "shell": lambda: os.system("true"),
    "fork": os.fork,
    "write": lambda: MARK.write_text("x"),
    "delete": MARK.unlink,
    "keys": lambda: SECRET.read_text(),
    "keys-in-c": lambda: "refused" if libc.open(bytes(SECRET), os.O_RDONLY) < 0 else "opened",
    "our-environment": lambda: Path(f"/proc/{os.getppid()}/environ").read_text(),
    "our-environment-in-c": lambda: (
        "refused" if libc.open(f"/proc/{os.getppid()}/environ".encode(), os.O_RDONLY) < 0 else "opened"
    ),
    "kill-in-c": lambda: "refused" if libc.kill(os.getppid(), 0) < 0 else "killed",
    "environment": lambda: ",".join(sorted(set(os.environ) - OURS)) or "refused",
    "settings": lambda: "loaded" if {"django", "clinchat"} & set(sys.modules) else "refused",
    "memory": lambda: len(bytearray(order["memory"])),
    "sleep": lambda: time.sleep(3600),
    "work": work,
    "flood": flood,
    "rubbish": lambda: said('[{"sources": [{"external_id": 1}], "problems": [], "media_type": ""}]'),
    "pickle": lambda: said("cos\nsystem\n(S'true'\ntR."),
    "die": os.abort,
}

try:
    outcome = str(ATTEMPTS[name]())
except (confine.Refused, PermissionError):
    outcome = "refused"
except MemoryError:
    outcome = "no memory"
sys.stdout.buffer.write(wire.pack([Reading([Source("a", "A", outcome)], [], "text/html")]))

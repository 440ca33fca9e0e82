"""Run a set of processes, show what they say, and end all of them when one ends or the operator asks.

One thread, one loop. Each process leads a session of its own: a Ctrl-C in the terminal reaches the supervisor
alone, which stops them in order, and what a process leaves behind is found by its group and killed.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from clinchat.local.paths import ROOT

_COLOURS = ("36", "32", "33", "35")
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Process:
    """A command to keep running. Lower stages are stopped first; `patience` is the time to end by itself."""

    name: str
    command: Sequence[str]
    stage: int = 0
    patience: float = 10.0


@dataclass
class _Child:
    process: Process
    popen: subprocess.Popen[bytes]
    prefix: str
    rest: bytes = b""

    @property
    def running(self) -> bool:
        return self.popen.poll() is None


def supervise(
    processes: Sequence[Process],
    *,
    env: Mapping[str, str],
    watch: Callable[[], str] = lambda: "",
    cwd: Path = ROOT,
) -> int:
    """Run `processes` until a stop signal (returns 0), or until one ends or `watch` objects (returns 1).

    `watch` is asked twice a second; a non-empty answer is the reason to stop, in the operator's words.
    When this returns, no process and no process of theirs is left.
    """
    supervisor = _Supervisor()
    previous = {number: signal.signal(number, supervisor.ask) for number in stop_signals()}
    try:
        supervisor.start(processes, env=env, cwd=cwd)
        reason = supervisor.wait(watch)
        say(f"{reason.rstrip('.')}. Stopping the rest." if reason else "Stopping.", error=bool(reason))
        supervisor.stop(asked=0 if reason else 1)
    finally:
        supervisor.kill(supervisor.children)
        for number, handler in previous.items():
            signal.signal(number, handler)
    return 1 if reason else 0


def spawn(
    command: Sequence[str], *, env: Mapping[str, str], cwd: Path = ROOT, stderr: int | None = None
) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own, its output in a pipe.

    Should this process be killed and leave no time to stop the command, Linux does.
    """
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=env,
        cwd=cwd,
        start_new_session=True,
        preexec_fn=follow_parent(),  # noqa: PLW1509 - the supervisor has one thread
    )


def follow_parent(number: int = signal.SIGTERM) -> Callable[[], None]:
    """What a child does between fork and exec so that Linux sends it `number` when its parent's thread is gone."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    parent = os.getpid()

    def follow() -> None:
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, number)
            if os.getppid() != parent:
                os._exit(1)

    return follow


def stop_signals() -> list[signal.Signals]:
    """What means "stop". A hang-up does not when it is ignored: that is what nohup asks for."""
    hang_up = [] if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [signal.SIGHUP]
    return [signal.SIGINT, signal.SIGTERM, *hang_up]


def say(line: str, *, error: bool = False) -> None:
    """Print a line of the supervisor's own; a terminal that is gone is no reason to fail."""
    stream = sys.stderr if error else sys.stdout
    try:
        print(line, file=stream, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class _Supervisor:
    def __init__(self) -> None:
        self._asked = 0
        self._selector = selectors.DefaultSelector()
        self.children: list[_Child] = []

    def ask(self, _number: int, _frame: FrameType | None) -> None:
        """Handle a stop signal: the first asks to stop, the next to hurry."""
        self._asked += 1

    def start(self, processes: Sequence[Process], *, env: Mapping[str, str], cwd: Path) -> None:
        prefixes = _prefixes([process.name for process in processes])
        for process, prefix in zip(processes, prefixes, strict=True):
            popen = spawn(process.command, env=env, cwd=cwd, stderr=subprocess.STDOUT)
            child = _Child(process, popen, prefix)
            self.children.append(child)
            assert popen.stdout is not None
            os.set_blocking(popen.stdout.fileno(), False)
            self._selector.register(popen.stdout, selectors.EVENT_READ, child)

    def wait(self, watch: Callable[[], str]) -> str:
        """Show output until it is time to stop; the reason, or an empty string when somebody asked."""
        look_again = 0.0
        while not self._asked:
            self._show(0.2)
            for child in self.children:
                if not child.running:
                    self._show(0)
                    return _ending(child)
            if time.monotonic() >= look_again:
                reason = watch()
                if reason:
                    return reason
                look_again = time.monotonic() + 0.5
        return ""

    def stop(self, *, asked: int) -> None:
        """Stop stage after stage, each process in its own way; more signals than `asked` mean a hurry."""
        for stage in sorted({child.process.stage for child in self.children}):
            children = [child for child in self.children if child.process.stage == stage]
            for child in children:
                if child.running:
                    child.popen.terminate()
            deadline = time.monotonic() + max(child.process.patience for child in children)
            while any(child.running for child in children) and time.monotonic() < deadline:
                self._show(0.05)
                if self._asked > asked:
                    return
            self.kill(children)
        self._show(0)

    def kill(self, children: Iterable[_Child]) -> None:
        """End what is left of them and of the groups they led."""
        for child in children:
            with suppress(ProcessLookupError, PermissionError):  # macOS answers the second when all are dead
                os.killpg(child.popen.pid, signal.SIGKILL)
            child.popen.wait()

    def _show(self, wait: float) -> None:
        """Print the complete lines that arrive within `wait` seconds."""
        for key, _ in self._selector.select(wait):
            child: _Child = key.data
            said = os.read(key.fd, 65536)
            if not said:
                self._selector.unregister(key.fileobj)
                said = b"\n" if child.rest else b""
            *lines, child.rest = (child.rest + said).split(b"\n")
            for line in lines:
                if line.strip():
                    say(child.prefix + line.decode(errors="replace"))


def _prefixes(names: Sequence[str]) -> list[str]:
    width = max(map(len, names))
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return [f"{name:<{width}} | " for name in names]
    pairs = zip(names, itertools.cycle(_COLOURS), strict=False)
    return [f"\x1b[{colour}m{name:<{width}} |\x1b[0m " for name, colour in pairs]


def _ending(child: _Child) -> str:
    code = child.popen.returncode
    how = f"exit code {code}" if code >= 0 else f"signal {-code}: {signal.strsignal(-code)}"
    return f"{child.process.name} ended unexpectedly ({how})"

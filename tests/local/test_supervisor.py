"""The supervisor: everything ends together, in order, with nothing left behind, whoever gives the reason."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.local.processes import Start
from tests.processes import PATIENCE, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds its processes in /proc")

CHILDREN = {
    # Leads a group: its own child does not end with it.
    "web": (
        "import subprocess, sys, time; print('web up', flush=True);"
        "subprocess.run([sys.executable, '-c', 'import time; time.sleep(3600)'])"
    ),
    "worker": (
        "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('worker told')));"
        "print('worker up', flush=True); time.sleep(3600)"
    ),
    "stubborn": (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('stubborn up', flush=True); time.sleep(3600)"
    ),
    "failing": "import sys; sys.stdout.write('last words'); sys.exit(3)",
}
SCRIPT = f"""
import os, sys
from clinchat.local.supervisor import Process, supervise
code = {CHILDREN}
patience = {{"stubborn": float(os.environ.get("PATIENCE", 60))}}
processes = [
    Process(name, (sys.executable, "-c", code[name]), stage=stage, patience=patience.get(name, 60))
    for stage, name in enumerate(sys.argv[1:])
]
env = {{**os.environ, "SUPERVISED_BY": str(os.getpid())}}
sys.exit(supervise(processes, env=env, watch=lambda: os.environ.get("OBJECTION", "")))
"""


class Run:
    """A supervisor of its own process, and the lines it printed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []

    def wait_for(self, *wanted: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if all(any(words in said for said in self.lines) for words in wanted):
                return
        raise AssertionError(f"{wanted} not all said: {self.lines} {self.process.communicate()[1]}")

    def end(self) -> tuple[int, str]:
        """The exit code and what was said on stderr. Nothing may be left running."""
        said, complaints = self.process.communicate(timeout=PATIENCE)
        self.lines += said.splitlines()
        # What was killed with its group may take the kernel a moment.
        until(lambda: self.children() == {}, "something is left running")
        return self.process.returncode, complaints

    def children(self) -> dict[int, str]:
        """Live processes that descend from this supervisor, with their command lines."""
        mark = f"SUPERVISED_BY={self.process.pid}".encode()
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = (folder / "cmdline").read_text()
            except OSError:
                continue
        return found

    def child(self, words: str) -> int:
        return next(pid for pid, command in self.children().items() if words in command)


@pytest.fixture
def run(start: Start) -> Callable[..., Run]:
    """run("web", "worker") supervises these of CHILDREN, stopped in this order."""
    return lambda *names, **env: Run(start("-c", SCRIPT, *names, **env))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_signal_ends_all_with_0(run: Callable[..., Run], how: signal.Signals) -> None:
    all_up = run("web", "worker")
    all_up.wait_for("web up", "worker up")
    assert "worker | worker up" in all_up.lines
    all_up.process.send_signal(how)
    assert all_up.end() == (0, "")
    assert all_up.lines[-2:] == ["Stopping.", "worker | worker told"]


@pytest.mark.parametrize(("name", "how"), [("web", signal.SIGKILL), ("worker", signal.SIGTERM)])
def test_a_killed_child_ends_all_with_1(run: Callable[..., Run], name: str, how: signal.Signals) -> None:
    all_up = run("web", "worker")
    all_up.wait_for("web up", "worker up")
    os.kill(all_up.child(f"{name} up"), how)
    code, complaints = all_up.end()
    assert code == 1
    ending = "signal 9: Killed" if how == signal.SIGKILL else "exit code 0"
    assert complaints == f"{name} ended unexpectedly ({ending}). Stopping the rest.\n"


def test_the_last_words_of_a_child_are_shown(run: Callable[..., Run]) -> None:
    failing = run("web", "failing")
    assert failing.end() == (1, "failing ended unexpectedly (exit code 3). Stopping the rest.\n")
    assert "failing | last words" in failing.lines


def test_an_objection_of_the_watch_ends_all_with_1(run: Callable[..., Run]) -> None:
    assert run("worker", OBJECTION="Redis ended").end() == (1, "Redis ended. Stopping the rest.\n")


def test_a_child_that_will_not_stop_is_killed_in_time(run: Callable[..., Run]) -> None:
    stubborn = run("stubborn", "worker", PATIENCE="0.3")
    stubborn.wait_for("stubborn up", "worker up")
    stubborn.process.terminate()
    assert stubborn.end() == (0, "")
    assert stubborn.lines[-1] == "worker   | worker told", "the next stage is still asked kindly"


def test_a_second_ctrl_c_kills(run: Callable[..., Run]) -> None:
    stubborn = run("stubborn")
    stubborn.wait_for("stubborn up")
    stubborn.process.send_signal(signal.SIGINT)
    stubborn.wait_for("Stopping.")
    stubborn.process.send_signal(signal.SIGINT)
    assert stubborn.end() == (0, "")


def test_the_children_of_a_killed_supervisor_are_told_to_stop(run: Callable[..., Run]) -> None:
    killed = run("worker")
    killed.wait_for("worker up")
    killed.process.kill()
    killed.process.wait()
    assert killed.end() == (-signal.SIGKILL, "")


def test_a_command_that_cannot_be_run_leaves_nothing_behind(start: Start) -> None:
    script = SCRIPT.replace("env = {", 'processes.append(Process("none", ("/no/such/program",)))\nenv = {')
    broken = Run(start("-c", script, "web"))
    code, complaints = broken.end()
    assert code == 1
    assert "/no/such/program" in complaints

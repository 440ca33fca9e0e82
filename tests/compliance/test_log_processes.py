"""Each kind of process really writes its lines: servers to standard output and JSON alone, commands elsewhere."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings

from clinchat.celery import app
from tests.compliance.identifiers import seeds

ROOT = Path(__file__).parents[2]
PATIENCE = 120
# A worker with two tasks of its own: one fails and says what it was given, one does not end.
WORKER = """
import sys, time
from clinchat.celery import app
@app.task(name="logs.fails")
def fails(text): raise LookupError("no row for " + text) from ValueError(text)
@app.task(name="logs.hangs", soft_time_limit=1, time_limit=20)
def hangs(): time.sleep(15)
app.worker_main("--quiet worker -c 1 -Q logs-test -n logs@%h --without-mingle --without-gossip".split())
"""


class Running:
    """A process and the lines it has written to standard output so far."""

    def __init__(self, words: tuple[str, ...], env: dict[str, str], errors: Path) -> None:
        self._errors = errors
        with errors.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, *words], cwd=ROOT, env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=stderr
            )
        self.raw: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.raw.append(line.decode())

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.raw]

    @property
    def errors(self) -> str:
        return self._errors.read_text()

    def wait_for(self, **wanted: object) -> Any:
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends:
            for line in self.lines:
                if wanted.items() <= line.items():
                    return line
            assert self.process.poll() is None, (self.raw, self.errors)
            time.sleep(0.1)
        raise AssertionError(f"{wanted} was not written: {self.raw} {self.errors}")

    def stop(self) -> list[Any]:
        self.process.send_signal(signal.SIGTERM)
        return self.end()

    def end(self) -> list[Any]:
        self.process.wait(PATIENCE)
        self._reader.join()
        return self.lines


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """start("-m", "celery", …) runs this Python against the services of the tests."""
    started: list[Running] = []

    def run(*words: str, **env: str) -> Running:
        started.append(Running(words, env, tmp_path / f"errors-{len(started)}"))
        return started[-1]

    yield run
    for running in started:
        if running.process.poll() is None:
            running.process.kill()
        running.end()


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def until_it_answers(port: int) -> None:
    ends = time.monotonic() + PATIENCE
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    while time.monotonic() < ends:
        try:
            connection.request("GET", "/api/health")
            assert connection.getresponse().status == 200
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError("the web server does not answer")


def test_the_web_server(start: Start) -> None:
    port = free_port()
    web = start("-m", "gunicorn", "-c", "deploy/gunicorn.conf.py", "clinchat.wsgi", CLINCHAT_PORT=port)
    web.wait_for(code="STARTING_GUNICORN")
    told = web.wait_for(code="LISTENING_AT")
    assert told["message"].startswith(f"Listening at: http://127.0.0.1:{port} (")
    web.wait_for(code="BOOTING_WORKER_WITH_PID")
    until_it_answers(int(port))
    lines = web.stop()
    unusual = {line["code"] for line in lines if line["level"] != "INFO"}
    no_database = {"AUDIT_UNAVAILABLE", "INTERACTIONS_THE_DATABASE_CANNOT_BE"}
    assert unusual <= no_database, "it says that its start is not on record, and which interaction table it uses"
    assert lines[-1]["message"] == "Shutting down: Master"
    assert web.errors == ""


def test_a_web_server_that_cannot_start_says_why(start: Start) -> None:
    """With the variable's name and without its value, and although its masker was never loaded."""
    web = start(
        "-m",
        "gunicorn",
        "-c",
        "deploy/gunicorn.conf.py",
        "clinchat.wsgi",
        CLINCHAT_PORT=free_port(),
        CLINCHAT_TLS="Lopez",
    )
    lines = web.end()
    first = next(line["error"] for line in lines if "error" in line)  # the other worker may be stopped meanwhile
    assert (first["type"], first["says"]) == ("ImproperlyConfigured", "CLINCHAT_TLS must be true or false.")
    assert "Lopez" not in "".join(web.raw)


def test_a_worker_and_its_failing_tasks(start: Start) -> None:
    redis.Redis.from_url(settings.REDIS_URL).delete("logs-test")
    worker = start("-c", WORKER)
    worker.wait_for(code="READY")
    given = seeds(16)
    sent = [app.send_task("logs.fails", args=[seed.phrase], queue="logs-test").id for seed in given]
    hangs = app.send_task("logs.hangs", queue="logs-test").id
    late = worker.wait_for(code="TIMEOUT")
    assert (late["stream"], late["limit"], late["task"], late["of_task"]) == (
        "performance",
        "soft",
        "logs.hangs",
        hangs,
    )
    failed = [line for line in worker.stop() if line["logger"] == "celery.app.trace"]
    assert [line["message"] for line in failed] == [
        *(f"Task logs.fails[{task}] raised unexpected: LookupError" for task in sent),
        f"Task logs.hangs[{hangs}] raised unexpected: SoftTimeLimitExceeded",
    ]
    assert failed[0]["task_id"] == sent[0]
    assert "ValueError" in [cause["type"] for cause in failed[0]["error"]["from"]]
    for seed in given:
        assert seed.value not in "".join(worker.raw) + worker.errors


def test_beat(start: Start, tmp_path: Path) -> None:
    beat = start("-m", "celery", "--quiet", "-A", "clinchat", "beat", "--schedule", str(tmp_path / "schedule"))
    beat.wait_for(code="BEAT_STARTING")
    time.sleep(2.5)
    quiet = [line["message"] for line in beat.stop()]
    assert quiet == ["beat: Starting..."]


def test_a_command_keeps_its_output_for_itself(start: Start) -> None:
    code = "import logging; logging.getLogger('chat').warning('SSN %s', '123-45-6789'); print('[]')"
    command = start("manage.py", "shell", "--no-imports", "-c", code)
    assert command.end() == [[]]
    (line,) = (json.loads(line) for line in command.errors.splitlines() if line.startswith("{"))
    assert line["message"] == "SSN [SSN]"


UNCAUGHT = """
import logging.config, threading
from compliance import logs
logging.config.dictConfig(logs.configuration(level="INFO"))
logs.serve()
def fails(): raise ValueError("Zebulon")
class Fails:
    def __del__(self): fails()
thread = threading.Thread(target=fails); thread.start(); thread.join()
Fails()
import warnings; warnings.warn("Mrs. Maria Lopez, SSN 123-45-6789")
fails()
"""


def test_what_ends_a_process_is_a_line_too(start: Start) -> None:
    ended = start("-c", UNCAUGHT)
    lines = ended.end()
    assert ended.process.returncode == 1
    assert ended.errors == ""
    assert [(line["level"], line["logger"]) for line in lines] == [
        ("ERROR", "clinchat.uncaught"),
        ("WARNING", "clinchat.uncaught"),
        ("WARNING", "py.warnings"),
        ("CRITICAL", "clinchat.uncaught"),
    ]
    assert [line["error"]["type"] for line in lines if "error" in line] == ["ValueError"] * 3
    assert lines[2]["message"] == "UserWarning at <string>:11: Mrs. [NAME], SSN [SSN]"
    assert "Zebulon" not in "".join(ended.raw)


def test_a_process_loads_the_masker_only_when_it_needs_it(start: Start) -> None:
    """It takes 160 MB, more than beat has."""
    code = """
import logging, logging.config, sys
from compliance import logs
logging.config.dictConfig(logs.configuration(level="INFO"))
logs.serve(masker={})
logs.timed_out(what="database")
logging.getLogger("celery.apps.worker").info("%s ready.", "answers@host")
from celery.worker.consumer.consumer import CONNECTION_ERROR
logging.getLogger("celery.worker.consumer.consumer").error(CONNECTION_ERROR, "redis://db/0", OSError("Lopez"), "Again")
print('"' + str("scrubadub" in sys.modules) + '"')
logging.getLogger("chat").info("%s", "Mrs. Maria Lopez")
print('"' + str("scrubadub" in sys.modules) + '"')
"""
    told = [
        "A time limit was reached",
        "answers@host ready.",
        "consumer: Cannot connect to redis://db/0: OSError.\nAgain\n",
        "False",
    ]
    small, large = start("-c", code.format(False)), start("-c", code.format(True))
    words = [[line if isinstance(line, str) else line["message"] for line in one.end()] for one in (small, large)]
    assert words == [
        [*told, "[message withheld: masking is not available]", "False"],
        [*told, "Mrs. [NAME]", "True"],
    ]

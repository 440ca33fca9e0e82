"""A real Celery worker: it answers, and when it is killed nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connection, connections

from chat import services
from chat.models import Collection, Conversation, Turn
from chat.pipeline.errors import Lost
from clinchat.celery import app
from tests import cast
from tests.chat.making import QUESTION
from tests.processes import PATIENCE, start, until


@pytest.fixture
def worker(transactional_db: None, library: Collection, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    app.control.purge()
    command = ["celery", "-A", "clinchat", "worker", "-Q", "answers", "-c", "1", "-l", "INFO"]
    process = start([*command, "--pidfile", str(tmp_path / "pid")], tmp_path / "worker.log")
    try:
        until(lambda: "ready" in (tmp_path / "worker.log").read_text(), "the worker does not start")
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE)


def children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def waits_for_a_lock() -> bool:
    """Whether anybody stands before a table that the test holds."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'relation'")
        return cursor.fetchone() is not None


def status(turn: Turn) -> str:
    return str(Turn.objects.values_list("status", flat=True).get(pk=turn.pk))


def test_a_question_is_answered_and_a_killed_worker_loses_nothing(worker: subprocess.Popen[bytes]) -> None:
    author = cast.alice()
    first = services.ask(author=author, text=QUESTION, submission=uuid.uuid4())
    until(lambda: status(first) == Turn.Status.ANSWERED, "the worker does not answer")

    # Killed in mid-answer: another connection holds a table, so that the search is certainly under way.
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("LOCK TABLE chat_posting IN ACCESS EXCLUSIVE MODE")
        second = services.ask(author=author, text=QUESTION, submission=uuid.uuid4(), conversation=first.conversation)
        until(lambda: status(second) == Turn.Status.RUNNING, "the worker does not start the second answer")
        until(waits_for_a_lock, "the worker does not come as far as the table")
        for pid in children(worker.pid):
            os.kill(pid, signal.SIGKILL)
        until(lambda: status(second) == Turn.Status.FAILED, "the killed answer is not declared lost")
        cursor.execute("ROLLBACK")
    other.close()
    second.refresh_from_db()
    assert (second.reason, second.question, second.blocks) == (Lost.__name__, QUESTION, [])

    services.retry(turn=second)
    until(lambda: status(second) == Turn.Status.ANSWERED, "the retried question is not answered")
    second.refresh_from_db()
    first.refresh_from_db()
    assert second.blocks == first.blocks


def together(work: Callable[[int], object], times: int) -> list[object]:
    """Run `work` in as many threads at once, each with its own connection; what it raised is its result."""
    results: list[object] = []
    barrier = threading.Barrier(times)

    def one(number: int) -> None:
        barrier.wait()
        try:
            results.append(work(number))
        except Exception as error:  # noqa: BLE001  # the result of the losing threads
            results.append(type(error))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one, args=(n,)) for n in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_of_two_questions_at_once_one_is_taken(transactional_db: None) -> None:
    author = cast.alice()
    conversation = Conversation.objects.create(author=author, title="x")

    def ask(number: int) -> object:
        turn = services.ask(author=author, text=QUESTION, submission=uuid.uuid4(), conversation=conversation)
        return turn.number

    results = together(ask, 4)
    assert sorted(map(str, results)) == sorted(map(str, [1, *[services.StillAnswering] * 3]))
    assert conversation.turns.count() == 1


def test_one_form_sent_many_times_at_once_is_one_turn(transactional_db: None) -> None:
    author = cast.alice()
    submission = uuid.uuid4()
    results = together(lambda _: services.ask(author=author, text=QUESTION, submission=submission).pk, 4)
    assert len(set(results)) == 1
    assert Turn.objects.count() == 1
    assert Conversation.objects.count() == 1

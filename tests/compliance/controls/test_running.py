"""Whatever a check does, it ends in its time, what it wrote is undone, and it is a result that is on record."""

from __future__ import annotations

import json
import logging
import signal
import threading
import time
from collections import UserDict
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db import DatabaseError, Error, connection, transaction

from clinchat import __version__
from clinchat.lib import clock
from compliance import metrics
from compliance.controls import catalogue, registry, results, running
from compliance.controls.registry import CannotLook, Found, Registered
from compliance.models import CatalogueVersion, ControlResult, Remark
from tests import cast

State = ControlResult.State
KEY, OTHER = "time.sync", "audit.grants"
SECRET = "Mrs. Quenabwyck, MRN 88231904"
rolled_back = pytest.mark.django_db
committed = pytest.mark.django_db(transaction=True)
Look = Callable[[], Any]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ControlResult]:
    """Makes the check KEY with this function."""

    def make(look: Look, *, zero_ok: bool = False, seconds: int = 2, key: str = KEY) -> ControlResult:
        monkeypatch.setitem(registry._checks, key, Registered(key, look, zero_ok, seconds))
        return running.run([key])[0]

    return make


def good(**fields: Any) -> Found:
    sent: dict[str, Any] = {"ok": True, "observed": "3 of 3 are so", "subjects": 3}
    return Found(**sent | fields)


def raising(error: BaseException) -> Look:
    def look() -> Found:
        raise error

    return look


# ── What a check returns ───────────────────────────────────────────────────────────────────────────────────────


@rolled_back
def test_a_result_has_all_that_the_contract_asks_for(made: Callable[..., ControlResult]) -> None:
    failing = ["a", "b"]
    found = made(lambda: good(ok=False, failing=failing, evidence={"people": 3, "limits": [1, 2.5], "none": None}))
    kept = ControlResult.objects.get(pk=found.pk)
    assert (kept.state, kept.observed, kept.subjects) == (State.FAIL, "3 of 3 are so", 3)
    assert (kept.failing, kept.failing_count) == (failing, 2)
    assert kept.evidence == {"people": 3, "limits": [1, 2.5], "none": None}
    assert kept.expected == catalogue.current().checks[KEY].asserts
    assert kept.catalogue == catalogue.current().sha256
    assert kept.code_version == __version__
    assert kept.started_at <= clock.now()
    assert kept.digest == results.digest(kept) == results.digest(found)
    assert CatalogueVersion.objects.get().text == catalogue.FILE.read_text()


@rolled_back
def test_nothing_to_look_at_is_an_error_unless_that_is_right(made: Callable[..., ControlResult]) -> None:
    assert made(lambda: good(subjects=0)).state == State.ERROR
    assert made(lambda: good(subjects=0), zero_ok=True).state == State.PASS
    assert made(lambda: good(ok=False, subjects=0)).state == State.ERROR


class Odd(str):
    """A text that is not what it says."""


NONSENSE: dict[str, Any] = {
    "nothing": None,
    "a flag": True,
    "a text": "pass",
    "a mapping": {"ok": True, "observed": "", "subjects": 1},
    "a class": Found,
    "ok is a number": good(ok=1),
    "ok is a word": good(ok="pass"),
    "ok is nothing": good(ok=None),
    "observed is nothing": good(observed=None),
    "observed is bytes": good(observed=b"3"),
    "observed has a NUL": good(observed="3\0"),
    "observed has half a character": good(observed="3 \ud800"),
    "observed has lines": good(observed="3\n4"),
    "observed has an escape": good(observed="\x1b[31m3"),
    "subjects is a flag": good(subjects=True),
    "subjects has a fraction": good(subjects=1.5),
    "subjects below nothing": good(subjects=-1),
    "more subjects than there can be": good(subjects=2**31),
    "subjects without end": good(subjects=10**400),
    "failing is a text": good(ok=False, failing="abc"),
    "failing is nothing": good(failing=None),
    "failing is a set": good(ok=False, failing={"a"}),
    "failing is a generator": good(ok=False, failing=(one for one in "a")),
    "failing has a number": good(ok=False, failing=[1]),
    "failing has bytes": good(ok=False, failing=[b"a"]),
    "failing has two lines": good(ok=False, failing=["a\nb"]),
    "failing has a name of a person": good(ok=False, failing=["José Müller"]),
    "failing has prose": good(ok=False, failing=["x" * 201]),
    "more failing than subjects": good(ok=False, failing=list("abcd")),
    "passes with failing ones": good(failing=["a"]),
    "evidence is a list": good(evidence=[1]),
    "evidence is a text": good(evidence="a"),
    "evidence is nothing": good(evidence=None),
    "evidence has an object": good(evidence={"a": object()}),
    "evidence has a time": good(evidence={"a": datetime(2026, 1, 1)}),  # noqa: DTZ001
    "evidence has bytes": good(evidence={"a": b"a"}),
    "evidence has a set": good(evidence={"a": {1}}),
    "evidence has no number": good(evidence={"a": float("nan")}),
    "evidence has a number without end": good(evidence={"a": float("inf")}),
    "evidence has a number PostgreSQL writes otherwise": good(evidence={"a": 1e22}),
    "evidence has a number as a name": good(evidence={1: 1}),
    "evidence has names of two kinds": good(evidence={"a": 1, None: 2}),
    "evidence has a list as a name": good(evidence={("a",): 1}),
    "evidence has prose": good(evidence={"a": "word " * 50}),
    "evidence has lines": good(evidence={"a": "b\nc"}),
    "evidence has a NUL": good(evidence={"a": "\0"}),
    "evidence has a name of a person": good(evidence={"a": "José Müller"}),
    "evidence has prose as a name": good(evidence={"x" * 300: 1}),
    "evidence is much": good(evidence={f"k{n}": "x" * 190 for n in range(100)}),
}


@rolled_back
@pytest.mark.parametrize("which", NONSENSE)
def test_nonsense_is_an_error(which: str, made: Callable[..., ControlResult]) -> None:
    found = made(lambda: NONSENSE[which])
    assert (found.state, found.observed) == (State.ERROR, "What the check returned makes no sense.")
    assert (found.failing, found.evidence) == ([], {})


@rolled_back
def test_evidence_within_itself_is_an_error(made: Callable[..., ControlResult]) -> None:
    endless: dict[str, Any] = {}
    endless["a"] = endless
    assert made(lambda: good(evidence=endless)).state == State.ERROR


@rolled_back
@pytest.mark.parametrize(
    "evidence",
    [
        {"a": -0.0, "b": 1.0, "c": 1e-7, "d": 123456789012.25, "e": 10**30, "f": True, "g": 0.1 + 0.2, "h": 5e-324},
        {"z": {"y": ["x", {"w": ()}]}, "a": ""},
        UserDict({"a": 1}),
    ],
)
def test_the_digest_is_the_same_after_postgresql_has_kept_it(evidence: Any, made: Callable[..., ControlResult]) -> None:
    found = made(lambda: good(evidence=evidence))
    assert found.state == State.PASS
    kept = ControlResult.objects.get(pk=found.pk)
    assert kept.digest == results.digest(kept)


@rolled_back
def test_of_many_names_fifty_are_kept_and_all_are_counted(made: Callable[..., ControlResult]) -> None:
    found = made(lambda: good(ok=False, subjects=900, failing=[f"id-{n}" for n in range(900)]))
    assert (len(found.failing), found.failing_count) == (50, 900)


# ── What a check does ──────────────────────────────────────────────────────────────────────────────────────────


RAISED = (
    *(ValueError(SECRET), DatabaseError(SECRET), SystemExit(SECRET)),
    *(GeneratorExit(), MemoryError(), BaseException(SECRET)),
)


@rolled_back
@pytest.mark.parametrize("error", RAISED, ids=lambda one: type(one).__name__)
def test_a_check_that_raises_is_an_error_and_its_words_stay_unsaid(
    error: BaseException, made: Callable[..., ControlResult], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    found = made(raising(error))
    assert (found.state, found.observed) == (State.ERROR, f"Could not look: {type(error).__name__}.")
    assert "Quenabwyck" not in caplog.text
    assert "Quenabwyck" not in json.dumps(results.as_dict(found))


@rolled_back
def test_an_interrupt_by_hand_is_nobodys_result(made: Callable[..., ControlResult]) -> None:
    with pytest.raises(KeyboardInterrupt):
        made(raising(KeyboardInterrupt()))


@rolled_back
@pytest.mark.parametrize("words", ["Redis does not answer.", "a\0b\nc", "\ud800", "x" * 5000])
def test_a_check_that_cannot_look_says_why(words: str, made: Callable[..., ControlResult]) -> None:
    found = made(raising(CannotLook(words)))
    assert found.state == State.ERROR
    assert found.observed.startswith("Could not look: ")
    assert len(found.observed) <= 300


@rolled_back
def test_those_that_do_not_exist_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(registry._checks, KEY, raising=False)
    monkeypatch.setitem(registry._checks, OTHER, Registered(OTHER, None, missing="Not yet."))
    found = running.run([KEY, OTHER])
    assert [one.state for one in found] == [State.ERROR, State.ERROR]
    assert found[1].observed == "Not yet."
    with pytest.raises(KeyError):
        running.run(["no.such"])


@rolled_back
def test_a_check_that_hangs_in_python_ends_in_its_time(made: Callable[..., ControlResult]) -> None:
    began = time.monotonic()
    found = made(lambda: time.sleep(30), seconds=1)
    assert (found.state, found.observed) == (State.ERROR, "Not done after 1 seconds.")
    assert made(lambda: any(n < 0 for n in iter(int, 1)), seconds=1).state == State.ERROR
    assert time.monotonic() - began < 20
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def asks(statement: str) -> Look:
    def look() -> Found:
        with connection.cursor() as cursor:
            cursor.execute(statement)
        return good()

    return look


@committed
def test_a_check_that_hangs_in_the_database_ends_in_its_time(made: Callable[..., ControlResult]) -> None:
    began = time.monotonic()
    found = made(asks("SELECT pg_sleep(30)"), seconds=1)
    assert found.state == State.ERROR
    assert time.monotonic() - began < 20
    assert made(lambda: good()).state == State.PASS


@committed
def test_in_another_thread_the_database_still_ends_it(made: Callable[..., ControlResult]) -> None:
    found: list[ControlResult] = []

    def elsewhere() -> None:
        try:
            found.append(made(asks("SELECT pg_sleep(30)"), seconds=1))
        finally:
            connection.close()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(60)
    assert [one.state for one in found] == [State.ERROR]


@committed
def test_what_a_check_writes_is_undone(made: Callable[..., ControlResult]) -> None:
    before = cast.alice().name

    def look() -> Found:
        Remark.objects.create(by=cast.alice(), category=Remark.Category.IDEA, text="Of a check")
        cast.alice().__class__.objects.update(name="Changed")
        transaction.on_commit(lambda: pytest.fail("nothing is committed"))
        return good()

    assert made(look).state == State.PASS
    assert not Remark.objects.exists()
    assert cast.alice().name == before


def broken() -> Found:
    with pytest.raises(Error), connection.cursor() as cursor:
        cursor.execute("SELECT 1 / 0")
    return good()


def closed() -> Found:
    connection.close()
    return good()


def cut() -> Found:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    return good()


@committed
@pytest.mark.parametrize("look", [broken, closed, cut])
def test_a_broken_transaction_or_connection_hurts_no_other_check(
    look: Look, made: Callable[..., ControlResult]
) -> None:
    made(look)
    assert connection.in_atomic_block is False
    assert made(lambda: good(), key=OTHER).state == State.PASS
    assert ControlResult.objects.filter(check_key=KEY).count() == 1
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() != ("2s",)


@rolled_back
def test_a_check_leaves_nothing_of_itself_behind(made: Callable[..., ControlResult]) -> None:
    before = metrics.read()[metrics.INTERACTION_CHECKS]
    handler = signal.getsignal(signal.SIGALRM)

    def look() -> Found:
        metrics.count(metrics.INTERACTION_CHECKS)
        return good()

    made(look)
    assert metrics.read()[metrics.INTERACTION_CHECKS] == before
    assert signal.getsignal(signal.SIGALRM) == handler


@rolled_back
def test_one_check_after_the_other_whatever_they_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry._checks, KEY, Registered(KEY, raising(SystemExit(1))))
    monkeypatch.setitem(registry._checks, OTHER, Registered(OTHER, lambda: good()))
    assert [one.state for one in running.run([KEY, OTHER])] == [State.ERROR, State.PASS]

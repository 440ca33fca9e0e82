"""A planned maintenance: who hears of it and when, how it begins by itself, and what keeps it from that."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.core import mail as outbox
from django.core.management import CommandError, call_command
from django.db import connections, transaction

from clinchat.celery import app
from clinchat.lib import clock
from compliance import mail, notices
from compliance.access import epoch, services
from compliance.continuity import maintenance, planned, write_guard
from compliance.continuity.restore import lost_database
from compliance.models import AuditEvent, Maintenance, Notice, PlannedMaintenance
from tests import cast
from tests.compliance.continuity import portal
from tests.processes import until

pytestmark = pytest.mark.django_db
State = PlannedMaintenance.State
WHY = "The database moves."
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
TITLE = "Maintenance: ClinChat will be read-only"


class Clock:
    """The time of this process; `at` moves it."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def follow(self, at: datetime) -> None:
        self.now = at
        planned.follow()


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """It is NOW; everything that asks for the time gets this one."""
    found = Clock()
    monkeypatch.setattr(clock, "now", found)
    return found


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(epoch, "FRESH_SECONDS", 0.0)
    maintenance.forget()
    yield
    maintenance.forget()


@pytest.fixture
def people() -> list[Any]:
    return [cast.alice(), cast.bob(), cast.otto()]


def plan(begins: timedelta, *, lasts: timedelta = HOUR, **extra: Any) -> PlannedMaintenance:
    at = clock.now() + begins
    return planned.plan(starts_at=at, until=at + lasts, reason=WHY, **extra)


def told(person: Any) -> list[str]:
    return list(Notice.objects.filter(user=person).order_by("created_at", "pk").values_list("title", flat=True))


# ── Who is told, and when ─────────────────────────────────────────────────────────────────────────────────────


def test_everybody_is_told_48_hours_and_1_hour_before(people: list[Any], time: Clock) -> None:
    one = plan(timedelta(hours=72))
    assert not Notice.objects.exists()
    time.follow(one.starts_at - timedelta(hours=48, seconds=1))
    assert not Notice.objects.exists()
    for _ in range(3):
        time.follow(one.starts_at - timedelta(hours=48))
    assert [told(person) for person in people] == [[TITLE]] * 3
    for before in (timedelta(hours=20), timedelta(hours=1, seconds=1)):
        time.follow(one.starts_at - before)
    assert [told(person) for person in people] == [[TITLE]] * 3
    for before in (HOUR, timedelta(minutes=20)):
        time.follow(one.starts_at - before)
    assert [told(person) for person in people] == [[TITLE] * 2] * 3


def test_it_says_when_and_what_still_works_and_not_why(people: list[Any], time: Clock, settings: Any) -> None:
    settings.TIME_ZONE = "America/New_York"
    plan(timedelta(hours=2), lasts=2 * HOUR)
    text = Notice.objects.filter(user=people[0]).get().text
    assert "begins on Nov 20, 2026 at 09:00 and is expected to end on Nov 20, 2026 at 11:00" in text
    assert "read everything" in text
    assert WHY not in text


@pytest.mark.parametrize(
    ("begins", "at_once", "in_all"),
    [
        (timedelta(hours=30), 1, 2),
        (timedelta(minutes=61), 1, 2),
        (HOUR, 1, 1),
        (timedelta(minutes=59), 1, 1),
        (timedelta(minutes=1), 1, 1),
        (timedelta(hours=49), 0, 2),
    ],
)
def test_of_a_late_plan_they_are_told_at_once(
    begins: timedelta, at_once: int, in_all: int, people: list[Any], time: Clock
) -> None:
    one = plan(begins)
    assert len(told(people[0])) == at_once
    for minutes in range(60 * 48, 0, -30):
        if one.starts_at - timedelta(minutes=minutes) > NOW:
            time.follow(one.starts_at - timedelta(minutes=minutes))
    time.follow(one.starts_at - timedelta(seconds=30))
    assert len(told(people[0])) == in_all


def test_workers_that_were_away_tell_once(people: list[Any], time: Clock) -> None:
    one = plan(timedelta(days=5))
    time.follow(one.starts_at - timedelta(minutes=30))
    time.follow(one.starts_at - timedelta(minutes=29))
    assert told(people[0]) == [TITLE]


def test_closed_accounts_and_programs_are_not_told_and_mails_can_be_off(settings: Any, time: Clock) -> None:
    settings.MAIL_URL = "smtp://127.0.0.1:1"
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    alice, bob, mallory = cast.alice(), cast.bob(), cast.mallory()
    type(bob).objects.filter(pk=bob.pk).update(mails=False)
    type(mallory).objects.filter(pk=mallory.pk).update(is_active=False)
    program = services.create(name="A program")
    plan(timedelta(hours=2))
    mail.send_waiting()
    assert [told(one) for one in (alice, bob, mallory, program)] == [[TITLE], [TITLE], [], []]
    assert [one.to for one in outbox.outbox] == [[alice.email]]
    [sent] = outbox.outbox
    assert sent.subject == f"ClinChat: {TITLE}"
    assert WHY not in str(sent.body)


# ── Moved and canceled ────────────────────────────────────────────────────────────────────────────────────────


def test_who_was_told_is_told_when_it_is_moved(people: list[Any], time: Clock) -> None:
    one = plan(timedelta(hours=30))
    later = one.starts_at + timedelta(days=7)
    planned.move(starts_at=later, until=later + HOUR)
    assert told(people[0]) == [TITLE, "Maintenance moved: when ClinChat will be read-only"]
    assert "now begins on Nov 28, 2026 at 18:00" in Notice.objects.filter(user=people[0]).latest("created_at").text
    for before in (timedelta(hours=49), timedelta(hours=48), timedelta(hours=2), HOUR, timedelta(minutes=1)):
        time.follow(later - before)
    assert len(told(people[0])) == 4, "and 48 hours and 1 hour before the new time"


def test_moved_to_soon_they_are_told_once(people: list[Any], time: Clock) -> None:
    one = plan(timedelta(hours=30))
    soon = NOW + timedelta(minutes=40)
    planned.move(starts_at=soon, until=soon + HOUR, plan_id=one.pk)
    time.follow(soon - timedelta(minutes=5))
    assert len(told(people[0])) == 2


def test_moved_before_anybody_knew_nobody_hears_of_the_old_time(people: list[Any], time: Clock) -> None:
    one = plan(timedelta(days=7))
    planned.move(starts_at=one.starts_at + HOUR, until=one.until + HOUR)
    assert told(people[0]) == []
    planned.move(starts_at=NOW + 3 * HOUR, until=NOW + 4 * HOUR)
    assert told(people[0]) == [TITLE]


def test_the_same_times_again_are_no_move(people: list[Any], time: Clock) -> None:
    one = plan(timedelta(hours=30))
    planned.move(starts_at=one.starts_at, until=one.until)
    assert told(people[0]) == [TITLE]


def test_who_was_told_is_told_when_it_is_canceled(people: list[Any], time: Clock) -> None:
    one = plan(timedelta(hours=30))
    planned.cancel(actor=people[2])
    assert told(people[0]) == [TITLE, "Maintenance canceled"]
    one.refresh_from_db()
    assert (one.state, one.closed_by) == (State.CANCELLED, people[2])
    time.follow(one.starts_at)
    assert not maintenance.on()
    with pytest.raises(planned.NotPlanned):
        planned.cancel()
    with pytest.raises(planned.NotPlanned):
        planned.move(starts_at=clock.now() + HOUR, until=clock.now() + 2 * HOUR)


def test_canceled_before_anybody_knew_nobody_is_told(people: list[Any], time: Clock) -> None:
    plan(timedelta(days=9))
    planned.cancel()
    assert not Notice.objects.exists()


def test_a_page_of_an_older_plan_cancels_nothing(people: list[Any], time: Clock) -> None:
    old = plan(timedelta(days=9))
    planned.cancel()
    plan(timedelta(days=10))
    with pytest.raises(planned.NotPlanned):
        planned.cancel(plan_id=old.pk)
    assert planned.current() is not None


def test_what_cannot_be_planned_says_why(time: Clock) -> None:
    with pytest.raises(planned.StartsInThePast):
        plan(timedelta())
    for lasts in (timedelta(), -timedelta(minutes=1)):
        with pytest.raises(planned.EndsFirst):
            plan(HOUR, lasts=lasts)
    plan(timedelta(days=9))
    with pytest.raises(planned.AlreadyPlanned):
        plan(timedelta(days=10))
    assert PlannedMaintenance.objects.count() == 1


# ── It begins ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_begins_by_itself_and_does_not_end(people: list[Any], time: Clock) -> None:
    one = plan(timedelta(hours=2), actor=people[2])
    time.follow(one.starts_at - timedelta(seconds=1))
    assert not maintenance.on()
    time.follow(one.starts_at)
    mode = Maintenance.objects.get()
    assert (mode.reason, mode.until, mode.started_by, mode.kind) == (WHY, one.until, people[2], "manual")
    assert maintenance.on()
    one.refresh_from_db()
    assert (one.state, one.mode) == (State.BEGUN, mode)
    time.follow(one.until + HOUR)
    assert maintenance.on()
    assert Maintenance.objects.count() == 1
    maintenance.end()
    time.follow(one.until + 2 * HOUR)
    assert not maintenance.on(), "it begins once"


def test_workers_that_were_away_at_its_time_begin_it_later(time: Clock) -> None:
    one = plan(timedelta(hours=2))
    time.follow(one.until - timedelta(minutes=1))
    assert maintenance.on()


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (lambda: maintenance.start(reason="By hand."), timedelta(), maintenance.AlreadyOn),
        (lambda: maintenance.start(reason="R", kind=maintenance.Kind.RESTORE), timedelta(), maintenance.RestoreRuns),
        (lambda: None, HOUR, maintenance.Past),
    ],
)
def test_what_cannot_begin_is_said_to_the_operators(
    before: Callable[[], object], after: timedelta, why: type[maintenance.Refused], people: list[Any], time: Clock
) -> None:
    one = plan(timedelta(days=9))
    before()
    modes = Maintenance.objects.count()
    for _ in range(2):
        time.follow(one.starts_at + after)
    one.refresh_from_db()
    assert (one.state, one.failure, one.mode) == (State.MISSED, planned.MISSED[why], None)
    assert Maintenance.objects.count() == modes
    [notice] = Notice.objects.filter(user=people[2])
    assert one.failure in notice.text
    assert told(people[0]) == []
    assert planned.current() is None


def test_the_task_goes_on_while_clinchat_is_read_only(people: list[Any]) -> None:
    maintenance.start(reason="By hand.")
    one = plan(timedelta(days=9))
    PlannedMaintenance.objects.update(starts_at=clock.now() - HOUR, until=clock.now() + HOUR)
    task = app.tasks["compliance.tasks.follow_plan"]
    assert write_guard.runs_in_read_only(task)
    task.apply(throw=True, task_id="11111111-1111-4111-8111-111111111111")
    one.refresh_from_db()
    assert one.state == State.MISSED


def test_a_plan_of_a_lost_database_does_not_begin(time: Clock) -> None:
    one = plan(timedelta(hours=2))
    lost_database._close_unfinished()
    time.follow(one.starts_at)
    one.refresh_from_db()
    assert (one.state, one.failure) == (State.MISSED, lost_database.MAYBE_OBSOLETE)


def test_all_of_it_is_on_record(time: Clock) -> None:
    one = plan(timedelta(days=9))
    planned.move(starts_at=one.starts_at + HOUR, until=one.until + HOUR)
    planned.cancel()
    left = AuditEvent.objects.filter(object_type="compliance.PlannedMaintenance").order_by("timestamp", "id")
    assert sorted(event.action for event in left) == ["C", "U", "U"]
    assert WHY not in json.dumps([event.detail for event in left], default=str)


# ── Killed, and twice at once ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("due", ["told", "begun"])
def test_killed_after_the_deed_it_is_done_once(due: str) -> None:
    """Nothing of it is there until all of it is."""
    alice = cast.alice()
    one = plan(timedelta(days=9))
    at = clock.now() + (timedelta(hours=2) if due == "told" else -timedelta(seconds=1))
    PlannedMaintenance.objects.update(starts_at=at, until=at + HOUR)
    deed = notices if due == "told" else maintenance
    name = "tell" if due == "told" else "start"
    original = getattr(deed, name)

    def last_deed(*args: Any, **named: Any) -> None:
        original(*args, **named)
        portal.die()

    with patch.object(deed, name, last_deed):
        assert portal.killed(planned.follow) == -9

    def done() -> bool:
        planned.follow()
        one.refresh_from_db()
        return one.told_at is not None or one.state == State.BEGUN

    until(done, "the server did not notice that it was killed")
    planned.follow()
    assert (len(told(alice)), Maintenance.objects.count()) == ((1, 0) if due == "told" else (0, 1))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("due", ["told", "begun"])
def test_two_workers_at_once_do_it_once(due: str) -> None:
    alice = cast.alice()
    plan(timedelta(days=9))
    at = clock.now() + (timedelta(hours=2) if due == "told" else -timedelta(seconds=1))
    PlannedMaintenance.objects.update(starts_at=at, until=at + HOUR)
    together = threading.Barrier(4)

    def work() -> None:
        try:
            together.wait()
            planned.follow()
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert (len(told(alice)), Maintenance.objects.count()) == ((1, 0) if due == "told" else (0, 1))


@pytest.mark.django_db(transaction=True)
def test_one_that_is_being_changed_is_left_for_the_next_turn() -> None:
    one = plan(timedelta(days=9))
    PlannedMaintenance.objects.update(starts_at=clock.now() - HOUR, until=clock.now() + HOUR)

    def work() -> None:
        try:
            planned.follow()
        finally:
            connections.close_all()

    with transaction.atomic():
        planned.cancel()
        worker = threading.Thread(target=work)
        worker.start()
        worker.join(timeout=60)
        assert not worker.is_alive(), "it waits for nobody"
    planned.follow()
    one.refresh_from_db()
    assert one.state == State.CANCELLED
    assert not Maintenance.objects.exists()


# ── The command ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    first, last = "2031-01-02T18:00Z", "2031-01-02T20:00Z"
    call_command("maintenance", "plan", "--from", first, "--until", last, "--reason", "MRN: 12345678 is moved.")
    one = PlannedMaintenance.objects.get()
    assert "12345678" not in one.reason
    assert "Planned from 2031-01-02 18:00 UTC until about 2031-01-02 20:00 UTC" in capsys.readouterr().out
    with pytest.raises(CommandError, match="planned already"):
        call_command("maintenance", "plan", "--from", first, "--until", last, "--reason", "Again.")
    call_command("maintenance", "move", "--from", "2031-01-03T18:00", "--until", "2031-01-03T20:00")
    one.refresh_from_db()
    assert one.starts_at == datetime(2031, 1, 3, 18, tzinfo=UTC), "a time without a zone is UTC"
    call_command("maintenance", "status", "--json")
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["planned"]["from"] == "2031-01-03T18:00:00Z"
    with pytest.raises(CommandError, match="start in the future"):
        call_command("maintenance", "move", "--from", "2001-01-03T18:00", "--until", last)
    call_command("maintenance", "cancel")
    with pytest.raises(CommandError, match="not planned"):
        call_command("maintenance", "cancel")

"""Where the installation stood at any moment is worked out again to the byte, whatever happened since."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from clinchat.lib import clock
from compliance.access import people
from compliance.controls import attestations, catalogue, exceptions, registry, results, running, standing
from compliance.controls.registry import Found, Registered
from compliance.controls.scoring import State
from compliance.models import (
    Attestation,
    ControlException,
    ControlResult,
    ControlStatus,
    Notice,
    Official,
    User,
)
from tests import cast

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
T0 = clock.now() + DAY
"""Later than what models note of themselves while the tests run."""
Kind = ControlException.Kind
GATE, KEY = "APP-03", "sod.four_eyes"
"""A gate that is automated, with one check."""


class Clock:
    """The time as it is everywhere in the product."""

    def __init__(self) -> None:
        self.at = T0

    def now(self) -> datetime:
        return self.at

    def go(self, **further: float) -> datetime:
        self.at += timedelta(**further)
        return self.at


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr("clinchat.lib.clock.now", found.now)
    return found


@pytest.fixture
def becomes(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Makes the gate's check, which passes or fails, and with it the run's settling."""

    def look(ok: bool) -> None:
        one = Found(ok=ok, observed="1", subjects=1, failing=() if ok else ("a",))
        monkeypatch.setitem(registry._checks, KEY, Registered(KEY, lambda: one))
        running.run([KEY])

    return look


def found_at(moment: datetime, state: str = "pass", *, but: str = "") -> None:
    for key in catalogue.current().checks:
        kept = ControlResult.State(state if key != but else "fail")
        results.keep(key=key, state=kept, observed="", subjects=1, started_at=moment, duration_ms=1)


def sign(control: str, owner: User) -> Attestation:
    return attestations.attest(
        control_id=control, owner=owner, statement="So it is", document=b"words", document_name="a"
    )


def official(person: User, office: str = "security_official") -> None:
    Official.objects.create(office=office, person=person, named_by=cast.carol(), since=T0 - DAY)


def read_instead(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    other = catalogue.parse(text)
    monkeypatch.setattr(catalogue, "current", lambda: other)


# ── Again, to the byte ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_past_score_is_the_same_for_ever(time: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sam, pat = cast.sam(), cast.pat()
    official(sam)
    found_at(T0 - timedelta(hours=1))
    first = sign("ADM-02", sam)
    asked = exceptions.ask(control_id="ADM-07", by=pat, kind=Kind.EXCEPTION, reason="Why", compensating="That", days=30)
    exceptions.approve(exception=asked, by=sam)
    time.go(minutes=1)
    moment = clock.now()
    before = standing.now()
    assert {row.control: row.state for row in before.rows}["ADM-07"] == State.EXCEPTION
    assert {row.control: row.state for row in before.rows}["ADM-02"] == State.PASS
    was = standing.digest(before)

    time.go(hours=2)
    found_at(clock.now(), "fail")
    sign("ADM-02", sam)
    sign("ADM-03", pat)
    exceptions.end(exception=asked, by=pat)
    attestations.withdraw(attestation=Attestation.objects.exclude(pk=first.pk).get(control="ADM-02"), by=sam)
    time.go(hours=1)
    people.close(sam, because=User.Closed.SECURITY, by=cast.ada())
    attestations.lapse()
    changed = catalogue.FILE.read_text().replace("weight: 9", "weight: 1").replace("gate: true", "gate: false")
    read_instead(monkeypatch, changed)
    found_at(clock.now())
    time.go(days=400)
    assert standing.digest(standing.at(moment)) == was
    assert standing.digest(standing.as_of([clock.now(), moment, T0])[1]) == was
    assert standing.digest(standing.now()) != was


def test_a_moment_before_any_result_is_the_same_after_the_file_has_changed(
    time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    was = standing.digest(standing.now())
    moment = clock.now()
    time.go(days=1)
    found_at(clock.now())
    read_instead(monkeypatch, catalogue.FILE.read_text().replace("weight: 9", "weight: 1"))
    time.go(days=1)
    found_at(clock.now())
    assert standing.digest(standing.at(moment)) == was


def test_the_very_moment_of_the_first_result_of_a_new_catalogue(time: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The version is noted when the check is over, which is after it began."""
    began = time.go(days=-2)
    found_at(began)
    was = standing.digest(standing.at(began))
    assert standing.at(began).catalogue == catalogue.current().sha256
    read_instead(monkeypatch, catalogue.FILE.read_text().replace("weight: 9", "weight: 1"))
    time.go(days=1)
    assert standing.digest(standing.at(began)) == was


def test_deleting_a_check_from_the_file_wins_nothing(time: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    found_at(T0, but=KEY)
    before = standing.now()
    text = catalogue.FILE.read_text()
    start = text.index("- {id: APP-03")
    read_instead(monkeypatch, text[:start] + text[text.index("- {id: APP-04") :])
    time.go(minutes=1)
    assert KEY not in catalogue.current().checks
    results.keep(key="time.sync", state=ControlResult.State.PASS, observed="", started_at=clock.now(), duration_ms=1)
    after = standing.now()
    assert (after.value, after.uncapped) <= (before.value, before.uncapped)
    assert GATE in after.failing_gates


def test_what_came_from_the_future_is_nothing(time: Clock) -> None:
    found_at(T0 + 3 * DAY)
    assert (standing.now().value, standing.now().coverage) == (0, 0)
    found_at(T0)
    assert standing.now().coverage == 100


def test_the_trend_is_of_weeks_and_ends_now(time: Clock) -> None:
    found_at(T0 - 30 * DAY)
    found = standing.trend(T0)
    assert [one.at for one in found] == [T0 - timedelta(weeks=back) for back in range(11, -1, -1)]
    assert standing.digest(found[-1]) == standing.digest(standing.now())


# ── Closed accounts ────────────────────────────────────────────────────────────────────────────────────────────


def test_what_a_closed_account_signed_ends_with_it(time: Clock) -> None:
    sam = cast.sam()
    official(sam)
    sign("ADM-02", sam)
    found_at(T0)
    time.go(minutes=1)
    before = clock.now()
    assert state("ADM-02") == State.PASS
    was = standing.digest(standing.at(before))
    closed = time.go(minutes=1)
    User.objects.filter(pk=sam.pk).update(is_active=False, closed_at=closed)
    assert state("ADM-02") == State.LAPSED, "before anybody looked"
    there = standing.digest(standing.at(closed))
    time.go(hours=1)
    assert attestations.lapse() == 1
    assert Attestation.objects.get().ended_at == closed
    assert standing.digest(standing.at(closed)) == there
    User.objects.filter(pk=sam.pk).update(is_active=True, closed_at=None)
    assert standing.digest(standing.at(closed)) == there
    assert standing.digest(standing.at(before)) == was
    assert state("ADM-02") == State.LAPSED, "it does not come back with the account"


def state(control: str) -> State:
    return next(row.state for row in standing.now().rows if row.control == control)


# ── Who is told ────────────────────────────────────────────────────────────────────────────────────────────────


def told() -> int:
    return Notice.objects.filter(title__contains="not kept").count()


def test_officers_are_told_once_that_a_gate_fell(time: Clock, becomes: Callable[[bool], None], settings: Any) -> None:
    settings.MAIL_URL = "smtp://127.0.0.1:1"
    officers = {cast.pat(), cast.sam(), cast.carol()}
    cast.alice()
    becomes(False)
    assert told() == 0, "nobody knew it to be kept"
    time.go(minutes=1)
    becomes(True)
    time.go(minutes=1)
    becomes(False)
    assert {one.user for one in Notice.objects.filter(title__contains="not kept")} == officers
    assert {one.mail for one in Notice.objects.all()} == {Notice.Mail.WAITING}
    for _ in range(3):
        time.go(minutes=1)
        becomes(False)
    assert told() == 3
    time.go(minutes=1)
    becomes(True)
    time.go(minutes=1)
    becomes(False)
    assert told() == 6


def test_a_fall_that_could_not_be_told_is_told_the_next_time(
    time: Clock, becomes: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    cast.sam()
    becomes(True)
    time.go(minutes=1)

    def broken(*_: Any, **__: Any) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr("compliance.notices.tell", broken)
        with pytest.raises(ConnectionError):
            becomes(False)
    assert (ControlStatus.objects.get(control=GATE).state, told()) == ("pass", 0)
    time.go(minutes=1)
    becomes(False)
    assert (state(GATE), told()) == (State.FAIL, 1)


def test_they_are_told_of_a_gate_that_falls_by_itself(time: Clock, becomes: Callable[[bool], None]) -> None:
    """A signature that lapses and a check that nobody made fall between two runs."""
    sam, carol = cast.sam(), cast.carol()
    official(sam)
    found_at(T0)
    signed = sign("ADM-01", sam)
    becomes(True)
    assert state("ADM-01") == State.PASS
    time.at = signed.review_by + timedelta(minutes=1)
    found_at(clock.now() - timedelta(seconds=30))
    becomes(True)
    assert Notice.objects.filter(user=carol, title="Risk analysis: not kept").count() == 1
    time.go(days=3)  # the schedule stood still
    becomes(True)
    stale = Notice.objects.filter(user=carol, title__contains="not kept").count()
    assert stale > 1
    time.go(minutes=1)
    becomes(True)
    assert Notice.objects.filter(user=carol, title__contains="not kept").count() == stale


def test_what_is_no_gate_is_not_told(time: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    cast.sam()
    for ok in (True, False):
        look = partial(Found, ok=ok, observed="", subjects=1)
        monkeypatch.setitem(registry._checks, "time.sync", Registered("time.sync", look))
        running.run(["time.sync"])
        time.go(minutes=1)
    assert state("APP-05") == State.FAIL
    assert told() == 0


def test_since_when_a_control_stands_as_it_does(time: Clock, becomes: Callable[[bool], None]) -> None:
    becomes(True)
    first = ControlStatus.objects.get(control=GATE)
    assert (first.state, first.since) == ("pass", T0)
    assert ControlStatus.objects.count() == 61
    time.go(minutes=5)
    becomes(True)
    again = ControlStatus.objects.get(control=GATE)
    assert (again.since, again.looked_at) == (T0, T0 + timedelta(minutes=5))
    fell = time.go(minutes=5)
    becomes(False)
    assert ControlStatus.objects.get(control=GATE).since == fell


def test_a_control_that_is_gone_has_no_status(time: Clock, becomes: Callable[[bool], None]) -> None:
    ControlStatus.objects.create(control="XXX-99", state="pass", since=T0, looked_at=T0)
    becomes(True)
    assert not ControlStatus.objects.filter(control="XXX-99").exists()

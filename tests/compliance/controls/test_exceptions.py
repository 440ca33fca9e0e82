"""Gaps are accepted by a second person, for at most ninety days, and never for a gate."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import Error, IntegrityError, connection, transaction

from clinchat.lib import clock
from compliance.access import Role
from compliance.controls import catalogue, exceptions, standing
from compliance.controls.exceptions import (
    AlreadyDecided,
    AlreadyOpen,
    Gate,
    NoSuchChoice,
    SecondPersonNeeded,
    TooLong,
    UnknownControl,
)
from compliance.models import AuditEvent, ControlException, ControlOwner, Official, User
from tests import cast
from tests.factories import make_user

rolled_back = pytest.mark.django_db
committed = pytest.mark.django_db(transaction=True)
Kind, Status = ControlException.Kind, ControlException.Status
CONTROL = "ADM-07"
NOT_HERE = "ADM-09"
"""Not applicable, in the catalogue."""
GATES = [one.id for one in catalogue.load(catalogue.FILE).controls if one.gate]


def ask(
    by: User, control: str = CONTROL, *, kind: ControlException.Kind = Kind.EXCEPTION, days: int = 30
) -> ControlException:
    return exceptions.ask(
        control_id=control, by=by, kind=kind, reason="Not before spring.", compensating="By hand.", days=days
    )


def state(control: str = CONTROL) -> str:
    return str(next(row.state for row in standing.now().rows if row.control == control))


@rolled_back
def test_it_counts_from_the_decision_of_another_and_not_before() -> None:
    pat, sam = cast.pat(), cast.sam()
    one = ask(pat)
    assert state() == "error"
    exceptions.approve(exception=one, by=sam)
    one.refresh_from_db()
    assert (one.status, one.decided_by) == (Status.APPROVED, sam)
    assert one.approved_at == one.decided_at is not None
    assert state() == "exception"
    assert one.expires_at - one.requested_at == timedelta(days=30)
    assert list(ControlException.objects.live(clock.now())) == [one]


@rolled_back
@pytest.mark.parametrize("control", GATES)
def test_never_for_a_gate(control: str) -> None:
    for kind in Kind:
        with pytest.raises(Gate):
            ask(cast.pat(), control, kind=kind)


@rolled_back
def test_one_that_was_forced_into_the_database_does_not_help_a_gate() -> None:
    now = clock.now()
    ControlException.objects.create(
        control=GATES[0],
        reason="",
        requested_by=cast.pat(),
        requested_at=now,
        expires_at=now + timedelta(days=9),
        status=Status.APPROVED,
        decided_by=cast.sam(),
        approved_at=now,
        decided_at=now,
    )
    assert state(GATES[0]) not in {"exception", "pass"}


@rolled_back
def test_what_cannot_be_asked_for() -> None:
    pat = cast.pat()
    with pytest.raises(UnknownControl):
        ask(pat, "ADM-99")
    with pytest.raises(NoSuchChoice):
        ask(pat, CONTROL, kind=Kind.NOT_APPLICABLE)
    with pytest.raises(NoSuchChoice):
        ask(pat, NOT_HERE, kind=Kind.EXCEPTION)
    for days in (0, -1, 91, 10**9, 10**30):
        with pytest.raises(TooLong):
            ask(pat, days=days)
    for days in (0, 366, 10**30):
        with pytest.raises(TooLong):
            ask(pat, NOT_HERE, kind=Kind.NOT_APPLICABLE, days=days)
    assert not ControlException.objects.exists()
    ask(pat, days=90)
    ask(pat, NOT_HERE, kind=Kind.NOT_APPLICABLE, days=365)
    assert ControlException.objects.count() == 2


@rolled_back
def test_what_does_not_apply_leaves_the_score_only_when_another_agrees() -> None:
    one = ask(cast.pat(), NOT_HERE, kind=Kind.NOT_APPLICABLE, days=300)
    assert state(NOT_HERE) == "attestation_lapsed"
    exceptions.approve(exception=one, by=cast.carol())
    assert state(NOT_HERE) == "not_applicable"


@rolled_back
def test_ninety_days_and_two_people_are_constraints_of_the_database() -> None:
    pat, now = cast.pat(), clock.now()
    fields: dict[str, Any] = {"control": CONTROL, "reason": "", "requested_by": pat, "requested_at": now}
    with pytest.raises(IntegrityError, match="exception_ninety_days"), transaction.atomic():
        ControlException.objects.create(expires_at=now + timedelta(days=90, seconds=1), **fields)
    fields["expires_at"] = now + timedelta(days=90)
    decided: dict[str, Any] = {"status": Status.APPROVED, "approved_at": now}
    for more in ({}, {"decided_by": pat, "decided_at": now}, {"decided_by": cast.sam()}, {"decided_at": now}):
        with pytest.raises(IntegrityError, match="exception_two_people"), transaction.atomic():
            ControlException.objects.create(**fields, **decided, **more)
    ControlException.objects.create(**fields)
    with pytest.raises(IntegrityError, match="one_open_exception"), transaction.atomic():
        ControlException.objects.create(**fields)


@rolled_back
@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM compliance_controlexception",
        "UPDATE compliance_controlexception SET expires_at = requested_at + interval '89 days'",
        "UPDATE compliance_controlexception SET control = 'ADM-02'",
        "UPDATE compliance_controlexception SET requested_by_id = decided_by_id",
        "UPDATE compliance_controlexception SET approved_at = approved_at - interval '1 day'",
        "UPDATE compliance_controlexception SET kind = 'not_applicable'",
        "UPDATE compliance_controlexception SET reason = 'Another'",
        "UPDATE compliance_controlexception SET decided_by_id = requested_by_id",
        "SET LOCAL session_replication_role = replica; UPDATE compliance_controlexception SET control = 'ADM-02'",
    ],
)
def test_the_database_keeps_what_was_decided(change: str) -> None:
    exceptions.approve(exception=ask(cast.pat()), by=cast.sam())
    with pytest.raises(Error), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(change)


@rolled_back
def test_neither_who_asked_nor_the_owner_decides() -> None:
    pat, sam, carol = cast.pat(), cast.sam(), cast.carol()
    ControlOwner.objects.create(control=CONTROL, owner=sam)
    one = ask(pat)
    for who in (pat, sam):
        for step in (exceptions.approve, exceptions.refuse):
            with pytest.raises(SecondPersonNeeded):
                step(exception=one, by=who)
    exceptions.approve(exception=one, by=carol)


@committed
def test_who_tried_to_decide_alone_is_on_record() -> None:
    pat = cast.pat()
    one = ask(pat)
    with pytest.raises(SecondPersonNeeded):
        exceptions.approve(exception=one, by=pat)
    event = AuditEvent.objects.get(lane="access", object_id=str(one.pk))
    assert (event.outcome, event.actor_id) != ("success", None)


@rolled_back
def test_the_official_of_the_office_is_its_owner() -> None:
    carol = cast.carol()
    Official.objects.create(office=Official.Office.COMPLIANCE, person=carol, named_by=cast.sam())
    with pytest.raises(SecondPersonNeeded):
        exceptions.approve(exception=ask(cast.pat()), by=carol)


@rolled_back
def test_while_nobody_is_named_who_would_sign_for_it_does_not_decide() -> None:
    with pytest.raises(SecondPersonNeeded):
        exceptions.approve(exception=ask(cast.pat()), by=cast.carol())
    exceptions.approve(exception=ControlException.objects.get(), by=cast.sam())


@rolled_back
def test_it_is_decided_once() -> None:
    one = ask(cast.pat())
    exceptions.refuse(exception=one, by=cast.sam())
    for step in (exceptions.approve, exceptions.refuse):
        with pytest.raises(AlreadyDecided):
            step(exception=one, by=cast.sam())
    with pytest.raises(AlreadyDecided):
        exceptions.end(exception=one, by=cast.pat())
    assert state() == "error"


@rolled_back
def test_one_at_a_time_and_the_next_when_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    pat, sam = cast.pat(), cast.sam()
    one = ask(pat, days=10)
    with pytest.raises(AlreadyOpen):
        ask(sam)
    exceptions.approve(exception=one, by=sam)
    with pytest.raises(AlreadyOpen):
        ask(sam)
    later = one.expires_at + timedelta(minutes=1)
    monkeypatch.setattr("clinchat.lib.clock.now", lambda: later)
    assert state() == "error"
    second = ask(sam)
    one.refresh_from_db()
    assert (one.status, one.ended_at) == (Status.ENDED, one.expires_at)
    assert second.status == Status.REQUESTED


@rolled_back
def test_what_ran_out_while_it_waited_is_approved_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    one = ask(cast.pat(), days=1)
    sam = cast.sam()
    monkeypatch.setattr("clinchat.lib.clock.now", lambda: one.expires_at)
    with pytest.raises(AlreadyDecided):
        exceptions.approve(exception=one, by=sam)
    ask(sam)
    one.refresh_from_db()
    assert one.status == Status.REFUSED


@rolled_back
def test_it_ends_early_and_is_withdrawn_by_who_asked() -> None:
    pat, sam, carol = cast.pat(), cast.sam(), cast.carol()
    one = ask(pat)
    with pytest.raises(AlreadyDecided):
        exceptions.end(exception=one, by=carol)
    exceptions.end(exception=one, by=pat)
    two = ask(pat)
    exceptions.approve(exception=two, by=sam)
    assert state() == "exception"
    exceptions.end(exception=two, by=carol)
    assert state() == "error"
    with pytest.raises(AlreadyDecided):
        exceptions.end(exception=two, by=carol)


# ── At once ────────────────────────────────────────────────────────────────────────────────────────────────────


def together(*steps: Callable[[], object]) -> list[str]:
    """What became of each: "done" or the name of the exception."""
    barrier, outcomes = threading.Barrier(len(steps)), []

    def one(step: Callable[[], object]) -> None:
        try:
            barrier.wait(10)
            step()
            outcomes.append("done")
        except Exception as error:  # noqa: BLE001
            outcomes.append(type(error).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=(step,)) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return sorted(outcomes)


@committed
def test_parallel_decisions_decide_once() -> None:
    one, sam = ask(cast.pat()), cast.sam()
    other = make_user(roles=[Role.PRIVACY_OFFICER])
    outcomes = together(
        lambda: exceptions.approve(exception=one, by=sam),
        lambda: exceptions.refuse(exception=one, by=other),
        lambda: exceptions.approve(exception=one, by=other),
        lambda: exceptions.refuse(exception=one, by=sam),
    )
    assert outcomes == ["AlreadyDecided"] * 3 + ["done"]


@committed
def test_parallel_requests_are_one() -> None:
    pat, sam = cast.pat(), cast.sam()
    outcomes = together(*[lambda: ask(pat), lambda: ask(sam)] * 2)
    assert outcomes == ["AlreadyOpen"] * 3 + ["done"]
    assert ControlException.objects.count() == 1

"""Ending an employment ends everything at once: nothing of the person stays open, running or waiting."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Sum
from django.test import Client

from chat.models import Conversation, Turn
from clinchat.lib import clock
from compliance.access import Role, links, people, recertification, role_changes
from compliance.models import (
    AccessEpoch,
    AuditEvent,
    BreakGlass,
    CampaignItem,
    Code,
    OneTimeLink,
    RoleRequest,
    ServiceToken,
    Session,
    TokenFamily,
    User,
)
from tests import cast
from tests.factories import make_clearance, make_user

pytestmark = pytest.mark.django_db


def turn_of(user: User, **fields: Any) -> Turn:
    given = {
        "conversation": Conversation.objects.create(author=user, title="A question"),
        "number": 1,
        "submission": uuid.uuid4(),
        "question": "A question",
        "status": Turn.Status.RUNNING,
        "deadline_at": clock.now() + timedelta(minutes=5),
    }
    return Turn.objects.create(**given | fields)


def emergency_of(user: User) -> BreakGlass:
    now = clock.now()
    return BreakGlass.objects.create(
        user=user,
        object_type="chat.Conversation",
        object_id=uuid.uuid4(),
        reason="The ward called",
        started_at=now,
        ends_at=now + timedelta(minutes=60),
        review_due_at=now + timedelta(hours=72),
    )


def family_of(user: User) -> TokenFamily:
    ends = clock.now() + timedelta(hours=12)
    return TokenFamily.objects.create(user=user, begun_with=uuid.uuid4().hex, newest=uuid.uuid4().hex, ends_at=ends)


def leave(user: User, by: Callable[[], User] = cast.sam) -> None:
    answer = cast.sign_in(Client(), by()).post(f"/compliance/people/{user.pk}/leave/", {"sure": "yes"})
    assert answer.status_code == 302


def test_one_request_ends_all_of_it() -> None:
    dora, sam, nadia = cast.dora(), cast.sam(), cast.nadia()
    browser = cast.sign_in(Client(), dora)
    turn, access, family = turn_of(dora), emergency_of(dora), family_of(dora)
    links.make(dora, "password", sam)
    about = role_changes.ask(kind="give", user=dora, role="auditor", reason="Why not", by=sam)
    by_her = role_changes.ask(kind="give", user=nadia, role="auditor", reason="Why not", by=dora)
    recertification.open_campaign(by=sam)
    before = AccessEpoch.objects.aggregate(n=Sum("number"))["n"] or 0

    leave(dora)

    dora = User.objects.get(pk=dora.pk)
    assert (dora.is_active, dora.closed_because, dora.has_usable_password()) == (False, "left", False)
    assert not dora.roles
    assert not dora.role_assignments.exists()
    assert not dora.clearances.live(clock.now()).exists()
    assert browser.get("/settings/").status_code == 302
    assert not Session.objects.filter(user=dora).exists()
    for row in (turn, access, family, about, by_her):
        row.refresh_from_db()
    assert turn.status == Turn.Status.STOPPED
    assert access.is_over
    assert family.revoked_at is not None
    assert (about.status, by_her.status) == (RoleRequest.Status.CANCELLED,) * 2
    assert not OneTimeLink.objects.live().exists()
    assert not CampaignItem.objects.undecided().filter(holder=dora).exists()
    assert AccessEpoch.objects.get().number > before
    request = AuditEvent.objects.get(code=Code.SESSION_EXPIRED, object_id=str(dora.pk)).correlation_id
    changed = AuditEvent.objects.filter(correlation_id=request, lane="data")
    assert {"compliance.User", "compliance.RoleAssignment", "compliance.Clearance", "chat.Turn"} <= set(
        changed.values_list("object_type", flat=True)
    )


@pytest.mark.parametrize("status", [Turn.Status.QUEUED, Turn.Status.RUNNING])
@pytest.mark.parametrize("how", ["close", "leave"])
def test_an_answer_that_is_being_written_is_stopped(status: Turn.Status, how: str) -> None:
    alice, bob = cast.alice(), cast.bob()
    hers, done, his = turn_of(alice, status=status), turn_of(alice, status=Turn.Status.ABSTAINED), turn_of(bob)
    answer = cast.sign_in(Client(), cast.sam()).post(f"/compliance/people/{alice.pk}/{how}/", {"sure": "yes"})
    assert answer.status_code == 302
    states = {turn.pk: Turn.objects.get(pk=turn.pk).status for turn in (hers, done, his)}
    assert states == {hers.pk: "stopped", done.pk: "abstained", his.pk: "running"}


def test_when_one_part_fails_nothing_has_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Exception):
        pass

    def broken(user: User) -> None:
        raise Broken

    bob = cast.bob()
    browser, turn = cast.sign_in(Client(), bob), turn_of(bob)
    monkeypatch.setattr(people, "_LEAVING", [*people._LEAVING, broken])
    with pytest.raises(Broken):
        people.end_employment(bob, by=cast.sam())
    bob.refresh_from_db()
    turn.refresh_from_db()
    assert (bob.is_active, turn.status) == (True, Turn.Status.RUNNING)
    assert User.objects.get(pk=bob.pk).roles == {Role.CLINICIAN}
    assert browser.get("/settings/").status_code == 200


def test_a_clearance_of_the_past_and_of_the_future_end_too() -> None:
    user, now = make_user(), clock.now()
    over = make_clearance(user=user, granted_at=now - timedelta(days=9), expires_at=now - timedelta(days=1))
    later = make_clearance(user=user, granted_at=now + timedelta(days=1), expires_at=now + timedelta(days=9))
    people.end_employment(user, by=cast.sam())
    over.refresh_from_db()
    later.refresh_from_db()
    assert over.revoked_at is None, "it had ended by itself"
    assert later.revoked_at == later.granted_at


def test_the_tokens_of_a_program_end() -> None:
    program, sam = make_user(is_service=True), cast.sam()
    token = ServiceToken.objects.create(
        user=program,
        name="Dashboard",
        digest="d" * 64,
        prefix="cct_1234",
        scopes=["status.read"],
        made_by=sam,
        expires_at=clock.now() + timedelta(days=30),
    )
    people.end_employment(program, by=sam)
    token.refresh_from_db()
    assert token.revoked_at is not None


def test_who_was_closed_before_can_still_leave_and_nobody_leaves_twice() -> None:
    bob, sam = cast.bob(), cast.sam()
    people.close(bob, because=User.Closed.DORMANT, by=None)
    people.end_employment(bob, by=sam)
    bob.refresh_from_db()
    assert bob.closed_because == User.Closed.LEFT
    assert not bob.role_assignments.exists()
    with pytest.raises(people.AlreadyClosed):
        people.end_employment(bob, by=sam)


def test_who_comes_back_has_no_role_and_no_password() -> None:
    bob, sam = cast.bob(), cast.sam()
    people.end_employment(bob, by=sam)
    people.reopen(bob, by=sam)
    assert not User.objects.get(pk=bob.pk).roles
    text = cast.sign_in(Client(), sam).get(f"/compliance/people/{bob.pk}/").content.decode()
    assert "Choose a first password" in text


@pytest.mark.parametrize("act", ["close", "end_employment", "reopen"])
def test_nobody_does_it_to_themselves(act: str) -> None:
    sam = cast.sam()
    more = {"because": User.Closed.SECURITY} if act == "close" else {}
    with pytest.raises(people.Oneself):
        getattr(people, act)(sam, by=sam, **more)


def test_the_last_administrator_does_not_leave() -> None:
    ada = cast.ada()
    with pytest.raises(people.LastAdministrator):
        people.end_employment(ada, by=cast.sam())
    ada.refresh_from_db()
    assert ada.is_active
    assert ada.role_assignments.exists()


def test_registering_twice_runs_once() -> None:
    before = list(people._LEAVING)
    assert before
    people.on_leaving(before[0])
    assert len(people._LEAVING) == len(before)


@pytest.mark.django_db(transaction=True)
def test_of_two_administrators_who_close_each_other_at_once_one_stays() -> None:
    first, second = make_user(roles=[Role.ADMIN]), make_user(roles=[Role.ADMIN])
    barrier = threading.Barrier(2)
    outcomes: list[str] = []

    def close(whom: User, by: User) -> None:
        barrier.wait()
        try:
            people.close(whom, because=User.Closed.SECURITY, by=by)
            outcomes.append("closed")
        except people.LastAdministrator:
            outcomes.append("last")
        finally:
            connection.close()

    threads = [threading.Thread(target=close, args=pair) for pair in ((first, second), (second, first))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["closed", "last"]
    assert User.objects.filter(is_active=True).count() == 1

"""Roles change hands only when one person asks and another, whom it is not about either, approves."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client

from clinchat.lib import clock
from compliance.access import Role, people, role_changes
from compliance.models import AuditEvent, Code, NoSeat, Notice, RoleAssignment, RoleRequest, Session, User
from tests import cast
from tests.factories import make_user

pytestmark = pytest.mark.django_db
PAGE = "/compliance/roles/"
Status = RoleRequest.Status


def signed_in(person: Callable[[], User]) -> Client:
    return cast.sign_in(Client(), person())


def ask(client: Client, about: User, **fields: str) -> str:
    sent = {"kind": "give", "role": "auditor", "reason": "She audits from Monday on"} | fields
    page = client.post(f"/compliance/people/{about.pk}/role/", sent, follow=True)
    assert page.status_code == 200
    return unescape(page.content.decode())


def decide(client: Client, what: str, request: RoleRequest, **fields: str) -> str:
    page = client.post(f"{PAGE}{request.pk}/{what}/", fields, follow=True)
    return unescape(page.content.decode())


def asked(about: User, by: User, **fields: Any) -> RoleRequest:
    given = {"kind": "give", "role": "auditor", "reason": "Why not"} | fields
    return role_changes.ask(user=about, by=by, **given)


def test_one_asks_and_another_approves() -> None:
    nadia, sam, ada = cast.nadia(), signed_in(cast.sam), signed_in(cast.ada)
    assert "The change waits for a second person." in ask(sam, nadia)
    assert nadia.role_assignments.count() == 1, "asking changes nothing"
    request = RoleRequest.objects.get()
    assert "She audits from Monday on" in unescape(ada.get(PAGE).content.decode())

    assert "Done." in decide(ada, "approve", request, note="As agreed")
    request.refresh_from_db()
    assert (request.status, request.requested_by, request.decided_by) == (Status.APPROVED, cast.sam(), cast.ada())
    given = nadia.role_assignments.get(role=Role.AUDITOR)
    assert given.granted_by == cast.ada()
    assert Notice.objects.filter(user=nadia, title="Your roles changed").exists()
    changed = AuditEvent.objects.get(code=Code.PRIVILEGE_PERMISSIONS_CHANGED, object_id=str(given.pk))
    assert changed.actor_name == "Ada Admin"


def test_a_role_is_taken_the_same_way_and_both_are_on_record() -> None:
    bob, sam, ada = cast.bob(), signed_in(cast.sam), signed_in(cast.ada)
    ask(ada, bob, kind="take", role="clinician")
    request = RoleRequest.objects.get()
    assert bob.role_assignments.exists()
    decide(sam, "approve", request)
    assert not bob.role_assignments.exists()
    who = set(AuditEvent.objects.filter(object_id=str(request.pk)).values_list("action", "actor_name"))
    assert {("C", "Ada Admin"), ("U", "Sam Sato")} <= who


def test_the_person_signs_in_again_with_the_new_roles() -> None:
    nadia = cast.nadia()
    browser = cast.sign_in(Client(), nadia)
    assert browser.get("/settings/").status_code == 200
    role_changes.approve(request_id=asked(nadia, cast.sam()).pk, by=cast.ada())
    assert browser.get("/settings/").status_code == 302
    assert not Session.objects.filter(user=nadia).exists()


@pytest.mark.parametrize("what", ["approve", "refuse"])
def test_who_asked_does_not_decide(what: str) -> None:
    sam = signed_in(cast.sam)
    request = asked(cast.nadia(), cast.sam())
    page = sam.get(PAGE).content.decode()
    assert "You asked for it" in page
    assert f"{request.pk}/approve/" not in page
    assert "somebody else has to decide" in decide(sam, what, request)
    request.refresh_from_db()
    assert request.status == Status.WAITING
    assert not cast.nadia().role_assignments.filter(role=Role.AUDITOR).exists()
    refused = AuditEvent.objects.get(code=Code.AUTHZ_FAIL, object_id=str(request.pk))
    assert (refused.outcome, refused.actor_name) == ("denied", "Sam Sato")
    assert refused.detail == {"action": "roles.approve", "step": "second person"}


@pytest.mark.parametrize("what", ["approve", "refuse"])
def test_whom_it_is_about_does_not_decide(what: str) -> None:
    request = asked(cast.ada(), cast.sam())
    ada = signed_in(cast.ada)
    assert "It is about you" in ada.get(PAGE).content.decode()
    assert "it is about you" in decide(ada, what, request)
    request.refresh_from_db()
    assert request.status == Status.WAITING
    assert AuditEvent.objects.filter(code=Code.AUTHZ_FAIL, object_id=str(request.pk)).count() == 1
    assert "Nobody here may decide on this" in ada.get(PAGE).content.decode()


@pytest.mark.parametrize("whose", ["requester", "person"])
def test_the_database_insists_on_the_second_person(whose: str) -> None:
    nadia, sam = cast.nadia(), cast.sam()
    request = asked(nadia, sam)
    wrong = sam if whose == "requester" else nadia
    with pytest.raises(IntegrityError), transaction.atomic():
        RoleRequest.objects.filter(pk=request.pk).update(
            status=Status.APPROVED, decided_by=wrong, decided_at=clock.now()
        )


@pytest.mark.parametrize("person", [cast.alice, cast.pat, cast.carol, cast.audra, cast.otto, cast.mallory])
def test_who_may_not_ask_or_decide_is_refused(person: Callable[[], User]) -> None:
    request, client = asked(cast.nadia(), cast.sam()), signed_in(person)
    assert client.get(PAGE).status_code == 403
    assert client.post(f"/compliance/people/{cast.nadia().pk}/role/", {}).status_code == 403
    for what in ("approve", "refuse", "withdraw"):
        assert client.post(f"{PAGE}{request.pk}/{what}/").status_code == 403


def test_a_department_head_asks_for_the_own_department_alone() -> None:
    dora = signed_in(cast.dora)
    other = make_user(name="Olaf Other", department="Surgery")
    hers = asked(cast.nadia(), cast.sam())
    theirs = asked(other, cast.sam())
    assert "The change waits" in ask(dora, cast.nadia(), role="knowledge_editor")
    assert dora.post(f"/compliance/people/{other.pk}/role/", {"kind": "give"}).status_code == 404
    page = dora.get(PAGE).content.decode()
    assert "Nadia Novak" in page
    assert "Olaf Other" not in page
    assert dora.post(f"{PAGE}{theirs.pk}/withdraw/").status_code == 404
    assert dora.post(f"{PAGE}{hers.pk}/approve/").status_code == 403, "and she approves nothing"


def test_who_asked_withdraws_and_nobody_else() -> None:
    request = asked(cast.nadia(), cast.sam())
    assert "Only who asked" in decide(signed_in(cast.ada), "withdraw", request)
    assert "withdrawn" in decide(signed_in(cast.sam), "withdraw", request)
    assert "already decided" in decide(signed_in(cast.ada), "approve", request)
    assert not cast.nadia().role_assignments.filter(role=Role.AUDITOR).exists()


def test_a_refused_request_changes_nothing_and_who_asked_is_told() -> None:
    request = asked(cast.nadia(), cast.sam())
    assert "is refused" in decide(signed_in(cast.ada), "refuse", request, note="Not this quarter")
    assert not cast.nadia().role_assignments.filter(role=Role.AUDITOR).exists()
    assert Notice.objects.filter(user=cast.sam(), title="Your request was refused").exists()
    assert "Not this quarter" in signed_in(cast.sam).get(PAGE).content.decode()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"role": "emperor"}, "There is no such role."),
        ({"kind": "swap"}, "There is no such role."),
        ({"role": ""}, "Choose a role."),
        ({"role": "x" * 31}, "at most 30 characters"),
        ({"role": "audi\x00tor"}, "Null characters"),
        ({"reason": "  "}, "Say why."),
        ({"reason": "x" * 301}, "at most 300 characters"),
        ({"role": "clinician"}, "There is nothing to change"),
        ({"kind": "take"}, "There is nothing to change"),
        ({"role": "admin"}, "cannot hold a clinical role as well"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused_with_words(fields: dict[str, str], words: str) -> None:
    assert words in ask(signed_in(cast.sam), cast.nadia(), **fields)
    assert not RoleRequest.objects.exists()


def test_an_unknown_role_is_on_record_and_what_was_typed_is_not() -> None:
    ask(signed_in(cast.sam), cast.nadia(), role="emperor")
    event = AuditEvent.objects.get(code=Code.INPUT_VALIDATION_FAIL)
    assert (event.object_id, event.outcome) == (str(cast.nadia().pk), "denied")
    assert b"emperor" not in bytes(event.canonical)


def test_the_reason_is_not_in_the_trail() -> None:
    request = asked(cast.nadia(), cast.sam(), reason="Because of the heron")
    role_changes.refuse(request_id=request.pk, by=cast.ada(), note="Herons are no reason")
    events = AuditEvent.objects.filter(object_id=str(request.pk))
    assert events.count() == 2
    assert not [event for event in events if b"heron" in bytes(event.canonical).lower()]


def test_the_same_change_is_asked_for_once() -> None:
    sam = signed_in(cast.sam)
    ask(sam, cast.nadia())
    assert "waits for its second person already" in ask(sam, cast.nadia(), reason="Again")
    assert RoleRequest.objects.count() == 1


def test_a_clinician_never_becomes_an_administrator_nor_the_other_way() -> None:
    for person, role in ((cast.alice(), "admin"), (cast.dora(), "admin"), (cast.ada(), "clinician")):
        with pytest.raises(people.MixedRoles):
            asked(person, cast.sam(), role=role)
    otto = cast.otto()
    both = [asked(otto, cast.sam(), role=role) for role in ("admin", "clinician")]
    role_changes.approve(request_id=both[0].pk, by=cast.ada())
    with pytest.raises(people.MixedRoles):
        role_changes.approve(request_id=both[1].pk, by=cast.ada())
    both[1].refresh_from_db()
    assert both[1].status == Status.WAITING, "nothing half-done"
    assert User.objects.get(pk=otto.pk).roles == {Role.OPERATOR, Role.ADMIN}


def test_there_are_two_administrators_at_most() -> None:
    ada, sam = cast.ada(), cast.sam()
    for person in (make_user(), make_user()):
        asked(person, sam, role="admin")
    first, second = RoleRequest.objects.order_by("requested_at")
    role_changes.approve(request_id=first.pk, by=ada)
    with pytest.raises(NoSeat):
        role_changes.approve(request_id=second.pk, by=ada)
    assert "two administrators already" in decide(signed_in(cast.ada), "approve", second)
    second.refresh_from_db()
    assert second.status == Status.WAITING


def test_the_last_administrator_stays() -> None:
    ada, sam = cast.ada(), cast.sam()
    with pytest.raises(people.LastAdministrator):
        asked(ada, sam, kind="take", role="admin")
    second = make_user(roles=[Role.ADMIN])
    request = asked(ada, sam, kind="take", role="admin")
    people.close(second, because=User.Closed.SECURITY, by=sam)
    with pytest.raises(people.LastAdministrator):
        role_changes.approve(request_id=request.pk, by=make_user(roles=[Role.SECURITY_OFFICER]))
    assert ada.role_assignments.exists()


def test_a_closed_account_gets_no_roles() -> None:
    nadia, sam = cast.nadia(), cast.sam()
    request = asked(nadia, sam)
    people.close(nadia, because=User.Closed.SECURITY, by=sam)
    assert "The account is closed" in decide(signed_in(cast.ada), "approve", request)
    with pytest.raises(role_changes.AccountClosed):
        asked(nadia, sam, role="operator")


def test_after_14_days_a_request_is_void() -> None:
    nadia, sam = cast.nadia(), cast.sam()
    request = asked(nadia, sam)
    RoleRequest.objects.update(requested_at=clock.now() - timedelta(days=14, minutes=1))
    assert "has expired" in decide(signed_in(cast.ada), "approve", request)
    again = asked(nadia, sam)
    RoleRequest.objects.filter(pk=again.pk).update(requested_at=clock.now() - timedelta(days=13, hours=23))
    assert role_changes.expire() == 0
    RoleRequest.objects.filter(pk=again.pk).update(requested_at=clock.now() - timedelta(days=15))
    assert role_changes.expire() == 1
    assert set(RoleRequest.objects.values_list("status", flat=True)) == {Status.EXPIRED}
    assert not RoleRequest.objects.exclude(decided_by=None).exists()


def test_a_request_that_does_not_exist() -> None:
    assert signed_in(cast.ada).post(f"{PAGE}{uuid.uuid4()}/approve/").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_of_two_who_approve_at_once_one_wins() -> None:
    """Two people approve two wishes for the last seat, and one wish, at the same moment."""
    sam, ada = cast.sam(), cast.ada()
    third = make_user(roles=[Role.SECURITY_OFFICER])
    one, other = make_user(), make_user()
    requests = [asked(person, sam, role="admin") for person in (one, other)]
    outcomes: list[str] = []
    barrier = threading.Barrier(4)

    def approve(request: RoleRequest, by: User) -> None:
        barrier.wait()
        try:
            role_changes.approve(request_id=request.pk, by=by)
            outcomes.append("done")
        except (NoSeat, role_changes.AlreadyDecided, role_changes.NothingToDo) as error:
            outcomes.append(type(error).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=approve, args=(r, by)) for r in requests for by in (ada, third)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["AlreadyDecided", "NoSeat", "NoSeat", "done"]
    assert RoleAssignment.objects.filter(role=Role.ADMIN).count() == 2
    assert RoleRequest.objects.filter(status=Status.APPROVED).count() == 1

"""Legal holds: placed by one person, ended by another, and seen on pages that tell no record number."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import date, timedelta
from html import unescape
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from chat import services
from clinchat.lib import clock
from compliance import audit, vault
from compliance.audit import retention as trail
from compliance.continuity.deletion import erasing, holds, subjects
from compliance.models import AuditEvent, AuditPurge, Erasure, LegalHold, Notice, Purge, User
from tests import cast
from tests.chat.making import make_turn

pytestmark = pytest.mark.django_db
NUMBER = "88231904"
TYPED = "Mrs. Ottoline Quenby asked for it, 212-555-0187."


def signed_in(person: Callable[[], User]) -> Client:
    return cast.sign_in(Client(), person())


def text(client: Client, name: str, *args: object, **sent: str) -> str:
    address = reverse(name, args=args)
    page = client.post(address, sent, follow=True) if sent else client.get(address)
    assert page.status_code == 200
    return unescape(page.content.decode())


@pytest.fixture
def scope() -> uuid.UUID:
    turn = make_turn(author=cast.alice(), text=f"Mrs. Ines Delacroix, MRN {NUMBER}, had surgery. Heparin?")
    services.stop(turn=turn)
    return turn.conversation_id


def test_one_hold_on_each_and_another_person_ends_it(scope: uuid.UUID) -> None:
    hold = holds.place(kind="conversation", subject=str(scope), reason="A claim.", actor=cast.pat())
    with pytest.raises(holds.AlreadyHeld):
        holds.place(kind="conversation", subject=f" {scope} ", reason="Again.", actor=cast.carol())
    with pytest.raises(holds.SamePerson):
        holds.end(hold_id=hold.pk, reason="Over.", actor=cast.pat())
    with pytest.raises(IntegrityError), transaction.atomic():
        LegalHold.objects.filter(pk=hold.pk).update(ended_at=clock.now(), ended_by=cast.pat())
    holds.end(hold_id=hold.pk, reason="Over.", actor=cast.carol())
    with pytest.raises(holds.AlreadyEnded):
        holds.end(hold_id=hold.pk, reason="Over.", actor=cast.carol())
    holds.place(kind="conversation", subject=str(scope), reason="A new claim.", actor=cast.pat())
    assert holds.conversations_on_hold([scope]) == {scope}


def test_people_patients_and_conversations_are_found_as_they_are_typed(scope: uuid.UUID) -> None:
    alice = cast.alice()
    assert (
        subjects.identify("person", f" {alice.email.upper()} ")
        == str(alice.pk)
        == subjects.identify("person", str(alice.pk))
    )
    assert subjects.identify("patient", f" {NUMBER}") == vault.pseudonym(NUMBER)
    assert subjects.identify("patient", vault.pseudonym(NUMBER)) == vault.pseudonym(NUMBER)
    for kind, typed in (("person", "x"), ("patient", ""), ("patient", "7"), ("conversation", str(uuid.uuid4()))):
        with pytest.raises(subjects.NoSuchSubject):
            subjects.identify(kind, typed)
    assert (
        subjects.conversations_of("person", str(alice.pk))
        == subjects.conversations_of("patient", vault.pseudonym(NUMBER))
        == {scope}
    )
    assert subjects.conversations_of("person", str(cast.bob().pk)) == set()


@pytest.mark.parametrize("held", ["actor", "patient", "object", "nothing"])
def test_the_trail_of_whoever_is_on_hold_is_kept(held: str) -> None:
    bob, patient, about = cast.bob(), "P-0123456789abcdef", uuid.uuid4()
    audit.record(
        code=audit.Code.SENSITIVE_READ,
        action=audit.Crude.READ,
        actor=bob,
        object_type="chat.Conversation",
        object_id=str(about),
        patient=patient,
    )
    kind, subject = {
        "actor": ("person", str(bob.pk)),
        "patient": ("patient", patient),
        "object": ("conversation", str(about)),
        "nothing": ("patient", "P-fedcba9876543210"),
    }[held]
    LegalHold.objects.create(kind=kind, subject=subject, reason="x", placed_by=cast.pat())
    today = clock.now().date()
    assert holds.has_events_on_hold(today + timedelta(days=1)) is (held != "nothing")
    assert not holds.has_events_on_hold(today - timedelta(days=1))


def test_a_purge_of_the_trail_waits_for_the_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    purge = trail.request(before=date(2012, 4, 1), reason="Old.", actor=cast.carol())
    monkeypatch.setattr(holds, "has_events_on_hold", lambda before: before == date(2012, 4, 1))
    with pytest.raises(trail.OnHold):
        trail.approve(purge_id=purge.pk, actor=cast.pat())
    assert AuditPurge.objects.get().status == "requested"
    monkeypatch.undo()
    assert trail.approve(purge_id=purge.pk, actor=cast.pat()).status == "done"


# ── Pages ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_hold_is_placed_and_ended_on_the_page(scope: uuid.UUID) -> None:
    pat, carol = signed_in(cast.pat), signed_in(cast.carol)
    page = text(pat, "hold-new", kind="patient", subject=NUMBER, reason=TYPED)
    assert "The hold is in force" in page
    assert vault.pseudonym(NUMBER) in page
    for word in (NUMBER, "Quenby", "0187"):
        assert word not in page
        assert word not in str(LegalHold.objects.values_list("subject", "reason"))
    hold = LegalHold.objects.get()
    assert "You placed this hold" in text(pat, "hold-end", hold.pk, reason="Over.")
    assert "The hold has ended" in text(carol, "hold-end", hold.pk, reason=TYPED)
    assert "Quenby" not in LegalHold.objects.get().end_reason
    assert AuditEvent.objects.filter(object_type="compliance.LegalHold", code="sensitive_read").exists()


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({"kind": "patient", "subject": "1", "reason": "x"}, "Nothing is kept here about it"),
        ({"kind": "nobody", "subject": "1", "reason": "x"}, "Choose what it is"),
        ({"kind": "person", "subject": "", "reason": ""}, "Say why"),
    ],
)
@pytest.mark.parametrize("name", ["hold-new", "erasure-new"])
def test_what_cannot_be_is_said_at_its_field(name: str, sent: dict[str, str], told: str) -> None:
    assert told in text(signed_in(cast.pat), name, **sent)
    assert not LegalHold.objects.exists()
    assert not Erasure.objects.exists()


def test_an_erasure_is_asked_for_and_approved_on_the_page(scope: uuid.UUID) -> None:
    pat, carol = signed_in(cast.pat), signed_in(cast.carol)
    page = text(pat, "erasure-new", kind="patient", subject=NUMBER, reason=TYPED)
    assert "Nothing is erased before" in page
    assert NUMBER not in page
    assert "It waits for a second person" in text(carol, "erasure-new", kind="patient", subject=NUMBER, reason="x")
    asked = Erasure.objects.get()
    assert "You asked for it" in text(pat, "erasure-approve", asked.pk, go="1")
    assert "2 values can no longer be read" in text(carol, "erasure-approve", asked.pk, go="1")
    assert "already decided" in text(carol, "erasure-cancel", asked.pk, go="1")
    assert {entity.value for entity in vault.known(scope)} == {""}
    page = text(pat, "erasures")
    assert "1 key destroyed, 2 values gone" in page


def test_a_hold_stops_an_erasure_on_the_page(scope: uuid.UUID) -> None:
    asked = erasing.request(kind="conversation", subject=str(scope), reason="x", actor=cast.pat())
    holds.place(kind="person", subject=cast.alice().email, reason="x", actor=cast.pat())
    carol = signed_in(cast.carol)
    assert "Nothing was erased" in text(carol, "erasure-approve", asked.pk, go="1")
    assert "kept until the hold ends" in text(carol, "erasure-new", kind="patient", subject=NUMBER, reason="x")
    assert "Canceled. Nothing was erased." in text(carol, "erasure-cancel", asked.pk, go="1")
    assert "Alice" in text(carol, "holds")


def test_the_rules_are_shown_with_what_is_due_and_what_was_removed(settings: Any) -> None:
    settings.VALUES_DAYS = 123
    Purge.objects.create(rule="notices", before=clock.now() - timedelta(days=365), removed=4321, held=5)
    old = clock.now() - timedelta(days=3000)
    Notice.objects.bulk_create(Notice(user=cast.bob(), title="t", text="x", created_at=old) for _ in range(1234))
    page = text(signed_in(cast.otto), "retention")
    for word in (
        "Audit trail",
        "10 years",
        "For good, at least 7",
        "123 days after the last question",
        "1,234",
        "4,321",
    ):
        assert word in page


def test_who_may_only_read_can_change_nothing(scope: uuid.UUID) -> None:
    otto, alice = signed_in(cast.otto), signed_in(cast.alice)
    assert reverse("hold-new") not in text(otto, "holds")
    for name in ("hold-new", "erasure-new"):
        assert otto.post(reverse(name), {"kind": "person", "subject": "x", "reason": "x"}).status_code == 403
    for name in ("retention", "holds", "erasures"):
        assert alice.get(reverse(name)).status_code == 403

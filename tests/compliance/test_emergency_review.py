"""The second person's review of a break-glass access: due within 72 hours, by somebody else, once."""

from __future__ import annotations

import contextvars
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse

from chat.models import Conversation
from clinchat.lib import clock, ui_tags
from clinchat.lib.keys import Unsealable
from compliance import audit
from compliance.access import Role, emergency
from compliance.models import AuditEvent, BreakGlass, Code, Notice, Outcome, RoleAssignment, User
from tests import cast

pytestmark = pytest.mark.django_db

NOTE = "The patient was on another ward that night."


def make_access(*, user: User, hours_ago: float = 0, **fields: Any) -> BreakGlass:
    began = clock.now() - timedelta(hours=hours_ago)
    defaults = {
        "object_type": "chat.Conversation",
        "object_id": uuid.uuid4(),
        "reason": "The ward needs it for this patient.",
        "started_at": began,
        "ends_at": began + timedelta(minutes=60),
        "review_due_at": began + timedelta(hours=72),
    }
    return BreakGlass.objects.create(user=user, **defaults | fields)


@pytest.fixture
def pat(client: Client) -> Client:
    return cast.sign_in(client, cast.pat())


def judge(client: Client, access: BreakGlass, finding: str = "justified", note: str = NOTE) -> Any:
    return client.post(reverse("emergency-review", args=[access.pk]), {"finding": finding, "note": note})


@pytest.mark.parametrize("person", [cast.pat, cast.carol])
def test_privacy_and_compliance_review(client: Client, person: Callable[[], User]) -> None:
    access = make_access(user=cast.bob())
    cast.sign_in(client, person())
    page = client.get(reverse("emergency-review", args=[access.pk])).content.decode()
    assert "The ward needs it for this patient." in page
    assert judge(client, access).status_code == 302
    access.refresh_from_db()
    assert (access.reviewed_by, access.finding, access.note) == (person(), "justified", NOTE)


@pytest.mark.parametrize("person", ["alice", "bob", "dora", "sam", "audra", "ada", "otto", "mallory"])
def test_nobody_else_does(client: Client, person: str) -> None:
    access = make_access(user=cast.bob())
    cast.sign_in(client, getattr(cast, person)())
    assert client.get(reverse("emergency-reviews")).status_code == 403
    assert judge(client, access).status_code == 403
    access.refresh_from_db()
    assert access.reviewed_at is None


def test_nobody_reviews_what_they_took(client: Client) -> None:
    bob = cast.bob()
    RoleAssignment.objects.give(user=bob, role=Role.PRIVACY_OFFICER)
    access = make_access(user=bob)
    cast.sign_in(client, bob)
    assert (
        "somebody else has to review it" in client.get(reverse("emergency-review", args=[access.pk])).content.decode()
    )
    judge(client, access)
    access.refresh_from_db()
    assert access.reviewed_at is None
    event = AuditEvent.objects.get(code=Code.AUTHZ_FAIL)
    assert (event.outcome, event.object_id) == (Outcome.DENIED, str(access.pk))
    assert event.detail == {"action": "breakglass.review", "step": "second person"}


def test_what_was_read_is_shown_and_reading_it_is_on_record(pat: Client) -> None:
    conversation = Conversation.objects.create(author=cast.alice(), title="A question")
    bob = cast.sign_in(Client(), cast.bob())
    bob.post(reverse("emergency"), {"what": str(conversation.pk), "reason": "The ward needs it for this patient."})
    access = BreakGlass.objects.get()
    assert not pat.get(reverse("emergency-review", args=[access.pk])).context["lines"]
    bob.get(conversation.get_absolute_url())
    other = make_access(user=cast.bob())

    page = pat.get(reverse("emergency-review", args=[access.pk]))
    assert [(line.thing, line.object_id) for line in page.context["lines"]] == [
        ("conversation", str(conversation.pk)),
    ]
    assert not pat.get(reverse("emergency-review", args=[other.pk])).context["lines"]
    reads = AuditEvent.objects.filter(object_type="compliance.BreakGlass", code=Code.SENSITIVE_READ)
    assert [e.object_id for e in reads.order_by("timestamp")] == [str(access.pk), str(access.pk), str(other.pk)]
    assert {e.actor_id for e in reads} == {cast.pat().pk}


def test_not_justified_ends_it_and_tells_the_person_and_security(pat: Client) -> None:
    bob, sam = cast.bob(), cast.sam()
    access = make_access(user=bob)
    judge(pat, access, "not_justified")
    assert not BreakGlass.objects.live().exists()
    notices = Notice.objects.all()
    assert {(n.user_id, n.level) for n in notices} == {(bob.pk, "crit"), (sam.pk, "crit")}
    assert not any(NOTE in n.text for n in notices)
    assert all(f" {ui_tags.on(access.started_at)}" in n.text for n in notices)


def test_justified_leaves_it_open_and_tells_the_person(pat: Client) -> None:
    access = make_access(user=cast.bob())
    judge(pat, access)
    assert BreakGlass.objects.live().get() == access
    assert Notice.objects.get().user == cast.bob()


def test_it_is_reviewed_once(pat: Client) -> None:
    access = make_access(user=cast.bob())
    judge(pat, access)
    carol = cast.sign_in(Client(), cast.carol())
    answer = carol.post(
        reverse("emergency-review", args=[access.pk]), {"finding": "not_justified", "note": NOTE}, follow=True
    )
    assert "Somebody else has reviewed it already." in answer.content.decode()
    access.refresh_from_db()
    assert (access.finding, access.reviewed_by) == ("justified", cast.pat())


@pytest.mark.parametrize(("finding", "note"), [("", NOTE), ("fine", NOTE), ("justified", ""), ("justified", "x" * 30)])
def test_a_finding_needs_a_choice_and_a_note(pat: Client, finding: str, note: str) -> None:
    access = make_access(user=cast.bob())
    assert judge(pat, access, finding, note).context["form"].errors
    access.refresh_from_db()
    assert access.reviewed_at is None


def test_the_list_has_the_most_urgent_first_and_counts_what_is_overdue(pat: Client) -> None:
    late, new = make_access(user=cast.bob(), hours_ago=80), make_access(user=cast.dora())
    old = make_access(user=cast.alice(), hours_ago=20)
    page = pat.get(reverse("emergency-reviews"))
    assert page.context["waiting"] == [late, old, new]
    assert page.context["overdue"] == 1
    assert page.content.decode().count("Overdue</span> was due on ") == 1
    judge(pat, late)
    page = pat.get(reverse("emergency-reviews"))
    assert (page.context["waiting"], page.context["reviewed"]) == ([old, new], [late])


def test_overdue_reviews_are_told_to_those_who_review() -> None:
    pat, carol = cast.pat(), cast.carol()
    make_access(user=cast.bob(), hours_ago=71)
    assert (emergency.remind(), Notice.objects.count()) == (0, 0)
    make_access(user=cast.bob(), hours_ago=73)
    assert emergency.remind() == 1
    assert {n.user_id for n in Notice.objects.all()} == {pat.pk, carol.pk}


def test_the_schedule_reminds() -> None:
    from compliance.tasks import remind_of_emergencies

    cast.carol()
    make_access(user=cast.bob(), hours_ago=73)
    remind_of_emergencies()
    assert Notice.objects.get().title == "A review is overdue"


NOW = clock.now()
SOUND = {
    "started_at": NOW,
    "ends_at": NOW + timedelta(minutes=60),
    "review_due_at": NOW + timedelta(hours=72),
}
REVIEW = {"reviewed_at": NOW, "finding": "justified"}


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"ends_at": NOW - timedelta(minutes=1)}, "at_most_an_hour"),
        ({"ends_at": NOW + timedelta(minutes=61)}, "at_most_an_hour"),
        ({"ended_at": NOW - timedelta(minutes=1)}, "ended_after_start"),
        ({"review_due_at": NOW + timedelta(hours=73)}, "review_in_time"),
        ({"reviewed_by": cast.bob, **REVIEW}, "reviewed_by_another"),
        ({"reviewed_by": cast.pat}, "review_whole"),
        ({"reviewed_by": cast.pat, **REVIEW, "finding": "fine"}, "review_whole"),
        (REVIEW, "review_whole"),
    ],
)
def test_the_database_refuses(fields: dict[str, Any], constraint: str) -> None:
    values = {name: value() if callable(value) else value for name, value in fields.items()}
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        make_access(user=cast.bob(), **SOUND | values)


def test_one_live_access_for_one_object() -> None:
    access = make_access(user=cast.bob())
    with pytest.raises(IntegrityError, match="one_per_object"), transaction.atomic():
        make_access(user=cast.bob(), object_id=access.object_id)
    make_access(user=cast.dora(), object_id=access.object_id)


def test_a_reason_moved_to_another_access_does_not_open() -> None:
    one, other = make_access(user=cast.bob()), make_access(user=cast.bob(), reason="Another reason entirely.")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE compliance_breakglass SET reason = (SELECT reason FROM compliance_breakglass WHERE id = %s) "
            "WHERE id = %s",
            [one.pk, other.pk],
        )
    with pytest.raises(Unsealable):
        str(BreakGlass.objects.get(pk=other.pk).reason)


@pytest.mark.django_db(transaction=True)
def test_two_at_once_are_one_access() -> None:
    bob = cast.verified(cast.bob())
    conversation = Conversation.objects.create(author=cast.alice(), title="A question")

    def take() -> uuid.UUID:
        try:
            with audit.bind(actor=bob):
                return emergency.take(user=bob, what=str(conversation.pk), reason="Needed on the ward").pk
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        taken = [pool.submit(contextvars.copy_context().run, take) for _ in range(4)]
        ids = {one.result() for one in taken}
    assert ids == {BreakGlass.objects.get().pk}


def test_amending_needs_something_bound() -> None:
    context = contextvars.Context()
    with pytest.raises(RuntimeError):
        context.run(audit.amend, purpose="BTG", marks={})

"""Every address, opened by everybody: who gets in, and exactly what it leaves in the audit trail.

A new address needs a row here. The admin has its own tests; it stands behind one door.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.template.loader import render_to_string
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from chat import days
from chat.interactions import lists, releases
from chat.models import (
    Collection,
    Conversation,
    Document,
    DocumentVersion,
    DrugTable,
    InteractionCheck,
    LabelledQuestion,
    LocalInteraction,
    Release,
    Turn,
    Upload,
)
from clinchat.lib import clock
from compliance import audit
from compliance.access import recertification, services
from compliance.access.roles import NEEDS_CLEARANCE, POLICY, Action, Role
from compliance.models import (
    AuditEvent,
    AuditPurge,
    BreakGlass,
    Campaign,
    MaskReport,
    MaskTerm,
    NetworkBlock,
    RoleRequest,
    User,
)
from tests import cast, remembering, undoing
from tests.counting import nothing_repeated
from tests.guards import (
    rows_continuity,
    rows_controls,
    rows_portal,
    rows_registers,
    rows_reports,
    rows_training,
    rows_training_api,
)
from tests.guards.rows import DENIED, Row

CLEARED = {"alice", "bob", "dora"}
TOLD_OF_ANYBODY = {"signin-link"}
"""Open to strangers, and on record when what they bring does not work."""


MATRIX = {
    **rows_portal.ROWS,
    **rows_registers.ROWS,
    **rows_controls.ROWS,
    **rows_continuity.ROWS,
    **rows_reports.ROWS,
    **rows_training.ROWS,
    **rows_training_api.ROWS,
}
PEOPLE = ("alice", "bob", "nadia", "dora", "edith", "pat", "sam", "carol", "otto", "audra", "ada", "mallory")


def addresses(resolver: URLResolver) -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {}
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver) and entry.namespace != "admin":
            found |= addresses(entry)
        elif isinstance(entry, URLPattern):
            found[entry.name or str(entry.pattern)] = entry.callback
    return found


def things(alice: User) -> dict[str, Any]:
    """One of everything an address can name."""
    collection = Collection.objects.create(slug="m", name="Matrix")
    question = LabelledQuestion.objects.create(collection=collection, external_id="1", text="A question?")
    document = Document.objects.create(collection=collection, external_id="1")
    words = {"text": "Words.", "sha256": "0" * 64, "title": "A title"}
    DocumentVersion.objects.create(document=document, number=1, status="published", published_at=clock.now(), **words)
    other = Document.objects.create(collection=collection, external_id="2")
    draft = DocumentVersion.objects.create(document=other, number=1, **words)
    upload = Upload.objects.create(
        collection=collection, file_name="a.md", size=1, sha256="0" * 64, state="refused", created_by=alice
    )
    release = Release.objects.create(
        collection=collection, kind="edited", state="published", number=1, published_at=clock.now()
    )
    conversation = Conversation.objects.create(author=alice, title="A question")
    turn = Turn.objects.create(
        conversation=conversation,
        number=1,
        submission=uuid.uuid4(),
        question="A question",
        status=Turn.Status.ABSTAINED,
        deadline_at=clock.now(),
        finished_at=clock.now(),
    )
    purge = AuditPurge.objects.create(before=date(2012, 4, 1), reason="Old.", requested_by=cast.carol())
    taken = BreakGlass.objects.create(
        user=cast.bob(),
        object_type="chat.Conversation",
        object_id=conversation.pk,
        reason="Over by now",
        started_at=clock.now() - timedelta(hours=2),
        ends_at=clock.now() - timedelta(minutes=90),
        review_due_at=clock.now() + timedelta(hours=60),
    )
    block = NetworkBlock.objects.create(network="198.51.100.0/24", reason="Scans.", made_by=cast.sam())
    service = services.create(name="A program")
    token, _ = services.make_token(
        account_id=service.pk, name="A server", scopes=[Action.READ_STATUS], days=30, by=cast.sam()
    )
    now = clock.now()
    Campaign.objects.create(name=recertification.quarter(now), opened_at=now, due_at=now + recertification.WITHIN)
    asked = RoleRequest.objects.create(
        kind="give", user=alice, role=Role.AUDITOR, reason="Why not", requested_by=cast.carol()
    )
    reported = MaskReport.objects.create(
        kind="missed", reporter=alice, scope=conversation.pk, turn=turn.pk, token="[NAME-1]", words="Somebody"
    )
    term = MaskTerm.objects.create(
        kind="keep", words="Quillfeather", blind_index=bytes(32), reason="A score", proposed_by=cast.dora()
    )
    check = lists.check(lists.read("warfarin, aspirin"), where=InteractionCheck.Where.PAGE, by=alice)
    change = LocalInteraction.objects.create(
        a="atorvastatin",
        b="metformin",
        severity="minor",
        source_name="A label",
        source_ref="7",
        reason="Why not",
        expires_on=days.today() + timedelta(days=9),
        proposed_by=cast.sam(),
    )
    with remembering.tables():
        table = DrugTable.objects.filter(in_use=True).first() or releases.offer_shipped()
    assert table
    event = audit.record(code=audit.Code.SENSITIVE_READ, action=audit.Crude.READ)
    return (
        rows_training.things(alice)
        | rows_controls.things()
        | rows_continuity.things()
        | rows_registers.things()
        | rows_reports.things()
        | {
            "conversation": conversation.pk,
            "turn": turn.pk,
            "document": document.pk,
            "collection": collection.slug,
            "question": question.pk,
            "draft": draft.pk,
            "upload": upload.pk,
            "release": release.pk,
            "event": event,
            "person": alice.pk,
            "today": clock.now().date(),
            "purge": purge.pk,
            "emergency": taken.pk,
            "block": block.pk,
            "service": service.pk,
            "token": token.pk,
            "role_request": asked.pk,
            "mask_report": reported.pk,
            "term": term.pk,
            "change": change.pk,
            "table": table.pk,
            "check": check.pk,
            "alert": check.alerts.get().pk,
            "drug": "warfarin",
            "other_drug": "aspirin",
            "nothing": uuid.uuid4(),
        }
    )


def may(key: str, user: User, action: Action | None) -> bool:
    if action is None:
        return True
    allowed = not POLICY[action].isdisjoint({Role(role) for role in user.roles})
    return allowed and (action not in NEEDS_CLEARANCE or key in CLEARED)


Event = tuple[uuid.UUID, str, str, uuid.UUID | None]


def events(*, but: Sequence[uuid.UUID] = ()) -> list[Event]:
    """What the audit trail holds: code, action and actor of each event."""
    return list(AuditEvent.objects.exclude(pk__in=but).values_list("pk", "code", "action", "actor_id"))


class Visitor:
    """Sends requests and undoes what they did. `before` is what the trail held when it came."""

    def __init__(self) -> None:
        self.client = Client()  # one for all requests: making one reads the whole middleware
        self.before = [pk for pk, *_ in events()]
        self.undoing = undoing.Undoing()

    def left_behind(
        self, address: str, row: Row, *, signed_in: Client | None = None
    ) -> tuple[int, list[tuple[str, str]], set[str]]:
        """Status of the answer, events of the request, and who they name."""
        nothing_repeated()  # what repeats itself is told once a minute
        self.client.cookies.clear()  # signing out must not end the visits that follow
        self.client.cookies.update(signed_in.cookies if signed_in else {})
        with self.undoing():
            response = self.client.get(address) if row.post is None else self.client.post(address, row.post)
            if response.streaming:
                response.getvalue()
            new = events(but=self.before)
        return response.status_code, sorted((code, action) for _, code, action, _ in new), {str(who) for *_, who in new}


def rendered_once() -> Callable[..., str]:
    """Renders each error page once for each person: there are a thousand refusals, and they show the same few pages."""
    pages: dict[Any, str] = {}

    def rendered(template: str, context: Any = None, request: Any = None) -> str:
        which = (template, getattr(request, "user", None) and request.user.pk)
        if which not in pages:
            pages[which] = render_to_string(template, context, request=request)
        return pages[which]

    return rendered


def test_every_address_has_a_row() -> None:
    assert set(addresses(get_resolver())) == set(MATRIX)


@pytest.mark.django_db
def test_who_gets_in_and_what_it_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compliance.views.errors.render_to_string", rendered_once())
    monkeypatch.setattr("clinchat.lib.sse.connections.close_all", lambda: None)  # it has the test's transaction
    undoing.touch_seldom(monkeypatch)
    views = addresses(get_resolver())
    people = {key: getattr(cast, key)() for key in PEOPLE}
    made = things(people["alice"])
    clients = {key: cast.sign_in(Client(), user) for key, user in people.items()}
    wrong, visitor = [], Visitor()
    for (turn, (name, row)), (place, key) in itertools.product(enumerate(MATRIX.items()), enumerate(PEOPLE)):
        if key == "bob" and not row.own:
            continue  # what is nobody's own opens to him as to alice
        action = getattr(views[name], "access_action", None)
        if not may(key, people[key], action) and (turn + place) % 3:
            continue  # the same door turns all of them away; that it does is the access matrix's business
        address = reverse(name, kwargs={k: made[v] for k, v in row.arguments.items()})
        status, left, actors = visitor.left_behind(address, row, signed_in=clients[key])
        if not may(key, people[key], action):
            expected, fits = [DENIED], status == 403
        elif row.own and row.own != key:
            expected, fits = [("authz_fail", "R")], status == 404
        else:
            expected, fits = sorted(row.leaves), status in {200, 204, 302, 404, 405, 422}
        if left != expected or not fits or actors - {str(people[key].pk)}:
            wrong.append(f"{key} {name}: {status} left {left}, expected {expected}; actors {actors}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.django_db
def test_a_stranger_gets_no_further_than_the_door_and_leaves_nothing() -> None:
    views = addresses(get_resolver())
    made, visitor = things(cast.alice()), Visitor()
    for name, row in MATRIX.items():
        address = reverse(name, kwargs={k: made[v] for k, v in row.arguments.items()})
        status, left, _ = visitor.left_behind(address, row)
        if hasattr(views[name], "access_action"):
            assert status in {302, 401}, f"{name} opened to a stranger"
        assert left == (sorted(row.leaves) if name in TOLD_OF_ANYBODY else []), f"{name}: {left}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM compliance_auditevent WHERE actor_kind = 'person' AND actor_id IS NULL")
        assert cursor.fetchone() == (0,)

"""Every address, opened by everybody: who gets in, and exactly what it leaves in the audit trail.

A new address needs a row here. The admin has its own tests; it stands behind one door.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
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
from tests import cast
from tests.counting import nothing_counted

READ = ("sensitive_read", "R")
DENIED = ("authz_fail", "E")
CLEARED = {"alice", "bob", "dora"}
TOLD_OF_ANYBODY = {"signin-link"}
"""Open to strangers, and on record when what they bring does not work."""


@dataclass(frozen=True)
class Row:
    """`leaves` is what the person the row is for leaves behind; `own` names whose alone the object is."""

    leaves: tuple[tuple[str, str], ...] = ()
    post: dict[str, Any] | None = None
    own: str = ""
    arguments: dict[str, str] = field(default_factory=dict)


PUBLIC = Row()
MATRIX: dict[str, Row] = {
    "home": PUBLIC,
    "status": PUBLIC,
    "api-health": PUBLIC,
    "api-ready": PUBLIC,
    "api-system": Row(),
    "api-phi-status": Row(),
    "metrics": Row(),
    "api-login": PUBLIC,
    "api-second-factor": PUBLIC,
    "api-refresh": PUBLIC,
    "api-logout": PUBLIC,
    "api-schema": Row(),
    "api-verify": Row(),
    "api-revoke-all-sessions": Row(),
    "services": Row(),
    "services-new": Row(leaves=(("user_created", "C"),), post={"name": "Another program"}),
    "services-token": Row(
        leaves=(("authn_token_created", "C"),),
        post={"name": "A server", "scopes": ["status.read"], "days": "30"},
        arguments={"account_id": "service"},
    ),
    "services-revoke": Row(leaves=(("authn_token_revoked", "U"),), post={}, arguments={"token_id": "token"}),
    "csp-report": PUBLIC,
    "signin": PUBLIC,
    "signin-code": PUBLIC,
    "signin-recovery": PUBLIC,
    "signin-setup": PUBLIC,
    "signin-setup-qr": PUBLIC,
    "signin-directory": PUBLIC,
    "signin-directory-back": PUBLIC,
    "signin-passkey": PUBLIC,
    "signin-passkey-setup": PUBLIC,
    "signin-link": Row(leaves=(("authz_fail", "E"),), arguments={"token": "nothing"}),
    "signin-again": Row(),
    "settings-password": Row(),
    "settings-app-add": Row(),
    "settings-app-confirm": Row(),
    "settings-app-qr": Row(),
    "settings-app-remove": Row(post={}, arguments={"named": "nothing"}),
    "signout": Row(leaves=(("session_expired", "E"),), post={}),
    "settings": Row(),
    "settings-appearance": Row(post={"theme": "dark"}),
    "settings-recovery-codes": Row(
        leaves=((("authn_token_revoked", "D"),) * 10 + (("authn_token_created", "C"),) * 10), post={}
    ),
    "settings-passkey-add": Row(),
    "settings-passkey": Row(leaves=(("authz_fail", "R"),), arguments={"named": "nothing"}),
    "settings-passkey-remove": Row(leaves=(("authz_fail", "R"),), post={}, arguments={"named": "nothing"}),
    "settings-sessions": Row(),
    "session-left": Row(),
    "session-renew": Row(post={}),
    "settings-session-end": Row(post={}, arguments={"session_id": "nothing"}),
    "settings-sessions-end-others": Row(post={}),
    "settings-sessions-end-all": Row(leaves=(("session_expired", "E"),), post={}),
    "sessions": Row(),
    "person-sessions-end": Row(leaves=(("session_expired", "E"),), post={}, arguments={"person_id": "person"}),
    "notices": Row(),
    "notices-dismiss": Row(post={}),
    "notice-dismiss": Row(post={}, arguments={"notice_id": "nothing"}),
    "people": Row(leaves=(READ,)),
    "people-new": Row(),
    "person": Row(leaves=(READ,), arguments={"person_id": "person"}),
    "person-role": Row(
        leaves=(("sensitive_create", "C"),),
        post={"kind": "give", "role": "operator", "reason": "Why not"},
        arguments={"person_id": "person"},
    ),
    "person-link": Row(post={"purpose": "invite"}, arguments={"person_id": "person"}),
    "person-close": Row(
        leaves=(("session_expired", "E"), ("user_updated", "U")), post={}, arguments={"person_id": "person"}
    ),
    "person-leave": Row(leaves=(READ,), post={}, arguments={"person_id": "person"}),
    "person-reopen": Row(post={}, arguments={"person_id": "person"}),
    "roles": Row(leaves=(READ,)),
    "role-approve": Row(
        leaves=(("privilege_permissions_changed", "C"), ("sensitive_update", "U"), ("session_expired", "E")),
        post={},
        arguments={"request_id": "role_request"},
    ),
    "role-refuse": Row(leaves=(("sensitive_update", "U"),), post={}, arguments={"request_id": "role_request"}),
    "role-withdraw": Row(leaves=(("authz_fail", "E"),), post={}, arguments={"request_id": "role_request"}),
    "recertification": Row(leaves=(READ,)),
    "recertification-open": Row(post={}),
    "recertification-decide": Row(post={}),
    "ask": Row(),
    "ask-identifiers": Row(post={"question": "Mr. Delacroix, MRN 88231904"}),
    "question-search": Row(post={"q": "warfarin"}),
    "conversation": Row(leaves=(READ,), own="alice", arguments={"conversation_id": "conversation"}),
    "answer-events": Row(leaves=(READ,), own="alice", arguments={"turn_id": "turn"}),
    "answer-stop": Row(leaves=(READ,), post={}, own="alice", arguments={"turn_id": "turn"}),
    "answer-retry": Row(leaves=(READ,), post={}, own="alice", arguments={"turn_id": "turn"}),
    "answer-interactions": Row(leaves=(READ,), own="alice", arguments={"turn_id": "turn"}),
    "answer-feedback": Row(
        leaves=(READ, ("sensitive_create", "C")),
        post={"helpful": "yes"},
        own="alice",
        arguments={"turn_id": "turn"},
    ),
    "answer-mask-report": Row(
        # the question, the title, the value that is sealed, and the report
        leaves=(READ, *(("sensitive_update", "U"),) * 2, *(("sensitive_create", "C"),) * 2),
        post={"kind": "missed", "words": "question"},
        own="alice",
        arguments={"turn_id": "turn"},
    ),
    "library": Row(),
    "document": Row(leaves=(READ,), arguments={"document_id": "document"}),
    "library-again": Row(leaves=(READ, ("sensitive_create", "C")), post={}, arguments={"document_id": "document"}),
    "library-readers": Row(leaves=(READ,), arguments={"document_id": "document"}),
    "library-withdraw": Row(leaves=(READ,), arguments={"document_id": "document"}),
    "library-work": Row(leaves=(READ,)),
    "library-add": Row(),
    "library-collection": Row(arguments={"slug": "collection"}),
    "library-upload": Row(leaves=(READ,), arguments={"upload_id": "upload"}),
    "library-upload-state": Row(arguments={"upload_id": "upload"}),
    "library-draft": Row(leaves=(READ,), arguments={"draft_id": "draft"}),
    "library-draft-describe": Row(leaves=(READ,), post={}, arguments={"draft_id": "draft"}),
    "library-draft-settle": Row(leaves=(READ,), post={}, arguments={"draft_id": "draft"}),
    "library-draft-submit": Row(leaves=(READ,), post={}, arguments={"draft_id": "draft"}),
    "library-draft-decide": Row(leaves=(READ,), post={}, arguments={"draft_id": "draft"}),
    "library-draft-discard": Row(leaves=(READ, ("sensitive_update", "U")), post={}, arguments={"draft_id": "draft"}),
    "library-releases": Row(leaves=(READ,)),
    "library-release": Row(leaves=(READ,), arguments={"release_id": "release"}),
    "library-release-publish": Row(leaves=(READ,), post={}, arguments={"release_id": "release"}),
    "library-release-back": Row(leaves=(READ,), arguments={"release_id": "release"}),
    "api-library-collections": Row(),
    "api-library-documents": Row(),
    "api-library-document": Row(leaves=(READ,), arguments={"document_id": "document"}),
    "api-library-withdraw": Row(arguments={"document_id": "document"}),
    "api-library-uploads": Row(),
    "api-library-upload": Row(leaves=(("authz_fail", "R"),), arguments={"upload_id": "nothing"}),
    "api-library-draft": Row(leaves=(("authz_fail", "R"),), arguments={"draft_id": "nothing"}),
    "api-library-settle": Row(arguments={"draft_id": "nothing"}),
    "api-library-submit": Row(arguments={"draft_id": "nothing"}),
    "api-library-decision": Row(arguments={"draft_id": "nothing"}),
    "api-library-releases": Row(leaves=(READ,)),
    "api-library-release": Row(leaves=(("authz_fail", "R"),), arguments={"release_id": "nothing"}),
    "api-library-changes": Row(leaves=(("authz_fail", "R"),), arguments={"release_id": "nothing"}),
    "api-library-publish": Row(arguments={"release_id": "nothing"}),
    "api-library-rollback": Row(arguments={"release_id": "nothing"}),
    "api-library-search": Row(),
    "api-knowledge-base-status": Row(),
    "api-drugs-interactions": Row(),
    "api-drugs-search": Row(),
    "api-drug-table-health": Row(),
    "interactions": Row(leaves=(("sensitive_create", "C"),) * 2, post={"medicines": "warfarin, aspirin"}),
    "interaction-again": Row(post={"medicines": "warfarin, aspirin"}),
    "interaction-result": Row(leaves=(READ,), own="alice", arguments={"check_id": "check"}),
    "interaction-respond": Row(
        leaves=(READ, ("sensitive_update", "U")),
        post={"response": "acknowledged"},
        own="alice",
        arguments={"alert_id": "alert"},
    ),
    "interaction-pair": Row(arguments={"a": "drug", "b": "other_drug"}),
    "interaction-changes": Row(leaves=(READ,)),
    "interaction-change": Row(leaves=(READ,), arguments={"change_id": "change"}),
    "interaction-propose": Row(
        leaves=(("sensitive_create", "C"),),
        post={
            "a": "amiodarone",
            "b": "warfarin",
            "severity": "minor",
            "source_name": "A label",
            "source_ref": "7",
            "reason": "Why not",
            "expires_on": (days.today() + timedelta(days=30)).isoformat(),
        },
    ),
    "interaction-change-decide": Row(
        leaves=(("sensitive_update", "U"),), post={"decision": "refuse"}, arguments={"change_id": "change"}
    ),
    "interaction-change-withdraw": Row(leaves=(("authz_fail", "E"),), post={}, arguments={"change_id": "change"}),
    "interaction-change-end": Row(post={}, arguments={"change_id": "change"}),
    "interaction-changes-file": Row(leaves=(READ,)),
    "interaction-changes-import": Row(),
    "interaction-releases": Row(leaves=(READ,)),
    "interaction-release": Row(leaves=(READ,), arguments={"table_id": "table"}),
    "interaction-release-apply": Row(post={"digest": ""}, arguments={"table_id": "table"}),
    "interaction-load": Row(leaves=(READ,)),
    "library-quality": Row(leaves=(READ,)),
    "library-questions": Row(leaves=(READ,), arguments={"slug": "collection"}),
    "library-questions-file": Row(leaves=(READ,), arguments={"slug": "collection"}),
    "library-questions-evaluate": Row(post={}, arguments={"slug": "collection"}),
    "library-questions-remove": Row(leaves=(("sensitive_delete", "D"),), post={}, arguments={"slug": "collection"}),
    "library-question-remove": Row(
        leaves=(("sensitive_delete", "D"),), post={}, arguments={"slug": "collection", "question_id": "question"}
    ),
    "audit": Row(leaves=(READ,)),
    "audit-event": Row(leaves=(READ,), arguments={"event_id": "event"}),
    "audit-day": Row(leaves=(READ,), arguments={"person_id": "person", "on": "today"}),
    "audit-patient": Row(leaves=(READ,), post={"record_number": "12345678"}),
    "audit-export": Row(leaves=(READ,), post={"format": "csv"}),
    "audit-verify": Row(leaves=(("sensitive_read", "E"),), post={}),
    "audit-retention": Row(leaves=(READ,)),
    "audit-retention-ask": Row(leaves=(READ,), post={"before": "2012-04", "reason": ""}),
    "audit-retention-approve": Row(post={}, arguments={"purge_id": "nothing"}),
    "emergency": Row(),
    "emergency-end": Row(post={}, arguments={"access_id": "nothing"}),
    "emergency-reviews": Row(leaves=(READ,)),
    "emergency-review": Row(leaves=(READ,), arguments={"access_id": "emergency"}),
    "masking": Row(leaves=(READ, READ)),
    "mask-report": Row(leaves=(READ,), arguments={"report_id": "mask_report"}),
    "mask-report-words": Row(leaves=(READ, READ), post={}, arguments={"report_id": "mask_report"}),
    "mask-report-settle": Row(
        leaves=(("sensitive_update", "U"),), post={"outcome": "nothing"}, arguments={"report_id": "mask_report"}
    ),
    "mask-term-new": Row(
        leaves=(("sensitive_create", "C"),),
        post={"kind": "mask", "words": "Quillfeather Wing", "label": "FACILITY", "reason": "A building"},
    ),
    "mask-term-approve": Row(leaves=(("sensitive_update", "U"),), post={}, arguments={"term_id": "term"}),
    "mask-term-refuse": Row(leaves=(("sensitive_update", "U"),), post={}, arguments={"term_id": "term"}),
    "mask-term-withdraw": Row(leaves=(("authz_fail", "E"),), post={}, arguments={"term_id": "term"}),
    "mask-term-end": Row(post={}, arguments={"term_id": "term"}),
    "mask-term-keep": Row(post={}, arguments={"term_id": "term"}),
    "matrix": Row(),
    "blocks": Row(),
    "blocks-end": Row(leaves=(("network_unblocked", "U"),), post={}, arguments={"block_id": "block"}),
    "api-block-ip": Row(),
    "api-unblock-ip": Row(),
    "audit-retention-cancel": Row(leaves=(("sensitive_update", "U"),), post={}, arguments={"purge_id": "purge"}),
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
    table = DrugTable.objects.filter(in_use=True).first() or releases.offer_shipped()
    assert table
    event = audit.record(code=audit.Code.SENSITIVE_READ, action=audit.Crude.READ)
    return {
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


def may(key: str, user: User, action: Action | None) -> bool:
    if action is None:
        return True
    allowed = not POLICY[action].isdisjoint({Role(role) for role in user.roles})
    return allowed and (action not in NEEDS_CLEARANCE or key in CLEARED)


def events() -> dict[uuid.UUID, tuple[str, str, uuid.UUID | None]]:
    """What the audit trail holds: code, action and actor of each event."""
    return {pk: tuple(rest) for pk, *rest in AuditEvent.objects.values_list("pk", "code", "action", "actor_id")}


class Visitor:
    """Sends requests and undoes what they did. `before` is what the trail held when it came."""

    def __init__(self) -> None:
        self.client = Client()  # one for all requests: making one reads the whole middleware
        self.before = events()

    def left_behind(
        self, address: str, row: Row, *, signed_in: Client | None = None
    ) -> tuple[int, list[tuple[str, str]], set[str]]:
        """Status of the answer, events of the request, and who they name."""
        nothing_counted()  # what repeats itself is told once a minute
        self.client.cookies.clear()  # signing out must not end the visits that follow
        self.client.cookies.update(signed_in.cookies if signed_in else {})
        with transaction.atomic():
            response = self.client.get(address) if row.post is None else self.client.post(address, row.post)
            if response.streaming:
                response.getvalue()
            new = [event for pk, event in events().items() if pk not in self.before]
            transaction.set_rollback(True)
        return response.status_code, sorted((code, action) for code, action, _ in new), {str(who) for *_, who in new}


def test_every_address_has_a_row() -> None:
    assert set(addresses(get_resolver())) == set(MATRIX)


@pytest.mark.django_db
def test_who_gets_in_and_what_it_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clinchat.lib.sse.connections.close_all", lambda: None)  # it has the test's transaction
    views = addresses(get_resolver())
    people = {key: getattr(cast, key)() for key in PEOPLE}
    made = things(people["alice"])
    clients = {key: cast.sign_in(Client(), user) for key, user in people.items()}
    wrong, visitor = [], Visitor()
    for (name, row), key in itertools.product(MATRIX.items(), PEOPLE):
        action = getattr(views[name], "access_action", None)
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

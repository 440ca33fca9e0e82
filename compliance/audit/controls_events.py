"""Checks of the events: each says who did what and whence, none says who the patient is, and none is missing.

Canaries act as people and processes do. What they change is recorded in the transaction of the check and vanishes with
it; what they read stays on record, under a name that says what they are.
"""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.db import connection, transaction
from django.http import FileResponse, HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

from clinchat.lib import clock
from compliance import phi
from compliance.access import matrix
from compliance.access.roles import PURPOSES, Action, Role
from compliance.audit import triggers
from compliance.audit.context import bind, carry
from compliance.controls import canary, visits
from compliance.controls.registry import Found, check
from compliance.models import ActorKind, AuditEvent, Code, Crude, Lane, Outcome, Risk, User, VaultEntry

DAY: Final = timedelta(hours=24)
SHARE: Final = 0.9999
NEWEST: Final = 2000
SOURCE: Final = "192.0.2.1"
_CONTEXT: Final = "clinchat.middleware.RequestContext"

_WITHOUT: Final = """
SELECT count(*), count(*) FILTER (WHERE NOT named), (array_agg(id::text) FILTER (WHERE NOT named))[1:20]
FROM (SELECT id, CASE actor_kind
        WHEN 'person' THEN actor_id IS NOT NULL OR remote_addr IS NOT NULL
        WHEN 'unknown-db' THEN false
        ELSE actor_name <> '' END AS named
      FROM compliance_auditevent WHERE "timestamp" >= %s) AS event
"""


@check("audit.actor_present", seconds=30)
def actor_present() -> Found:
    """Who acted in the events of the last 24 hours; and a write inside a streamed response and one inside a task.

    Somebody who is not signed in, as at a failed sign-in, is told by the address they came from.
    """
    failing = [f"canary: {name}" for name in _nameless_canaries()]
    with connection.cursor() as cursor:
        cursor.execute(_WITHOUT, [clock.now() - DAY])
        total, nameless, ids = cursor.fetchone()
    share = 1 - nameless / total if total else 0.0
    failing += ids or [] if share < SHARE else []
    return Found(
        ok=not failing,
        observed=f"{total - nameless} of {total} events of the last 24 h say who acted; "
        f"{sum(one.startswith('canary') for one in failing)} of 2 canaries do not",
        subjects=total + 2,
        failing=failing,
        evidence={"events": total, "without": nameless, "share": round(share, 6), "canaries": ["stream", "task"]},
    )


def _nameless_canaries() -> Iterator[str]:
    """The ways of writing late in which the event does not say who."""
    for name, write in (("stream", _in_a_stream), ("task", _in_a_task)):
        who = canary.account()
        about = canary.account()
        write(who, about)
        found = _change_of(about).order_by("-timestamp").values_list("actor_id", "actor_kind", "code").first()
        if found != (who.pk, ActorKind.PERSON, Code.USER_UPDATED):
            yield name


def _change_of(about: User) -> Any:
    return AuditEvent.objects.filter(lane=Lane.DATA, object_type="compliance.User", object_id=str(about.pk))


def _in_a_stream(who: User, about: User) -> None:
    """The middleware lets go of a response before its parts are made."""
    request = HttpRequest()
    request.user = who
    request.META["REMOTE_ADDR"] = SOURCE
    request.session = import_string(f"{settings.SESSION_ENGINE}.SessionStore")()

    def parts() -> Iterator[bytes]:
        User.objects.filter(pk=about.pk).update(title="Canary")
        yield b"."

    with bind(actor=None, kind=ActorKind.SERVICE, name="canary"):
        response: Any = import_string(_CONTEXT)(lambda _: FileResponse(parts()))(request)
    list(response.streaming_content)


def _in_a_task(who: User, about: User) -> None:
    """What a task does is done by whoever sent it, as the header says that went with it."""
    from celery import current_app

    class Canary(current_app.Task):  # type: ignore[name-defined,misc]
        name = "canary"

        def run(self) -> None:
            User.objects.filter(pk=about.pk).update(title="Canary")

    with bind(actor=who, source=SOURCE, correlation_id=uuid.uuid4()):
        header = carry()
    Canary.bind(current_app)
    task = Canary()
    task.push_request(id="canary", called_directly=False, headers={"clinchat_audit": header})
    try:
        task()
    finally:
        task.pop_request()


# ── Coverage ────────────────────────────────────────────────────────────────────────────────────────────────────

DERIVED: Final = frozenset(
    {
        "chat.Citation",  # part of the answer whose digest is recorded with the turn
        "chat.Chunk",  # cut from a version that is on record
        "chat.Evaluation",  # figures
        "training.Statement",  # a copy of what is on record
    }
)
"""Tables with masked or written text that are made from others, which are on record."""


@check("audit.coverage", seconds=45)
def coverage() -> Found:
    """Tables whose text comes from people, against the triggers there are; every address; and one canary of each kind.

    The matrix of what each address leaves is a test of the release; here each is asked whether it is behind a door.
    """
    phi.warm()  # before anything is written: it may take seconds in a process that has masked nothing yet
    tables = sorted(_must_be_watched())
    there = {model._meta.label for model in triggers.watched()}  # noqa: SLF001  # documented by Django
    routes = [route for route in matrix.routes() if not route.admin]
    failing = [f"table {name}" for name in tables if name not in there]
    failing += [f"triggers of {name}" for name in triggers.missing()]
    failing += [f"address {one.name or one.path}" for one in routes if not one.action and not one.public]
    silent = list(_silent_canaries())
    failing += [f"canary: {name}" for name in silent]
    return Found(
        ok=not failing,
        observed=f"{len(there)} tables watched, {len(routes)} addresses behind a door or public for a reason, "
        f"{len(_CANARIES) - len(silent)} of {len(_CANARIES)} canaries on record",
        subjects=max(len(tables) + len(routes) + len(_CANARIES), len(failing)),
        failing=failing,
        evidence={"tables": len(tables), "watched": len(there), "routes": len(routes), "canaries": list(_CANARIES)},
    )


def _must_be_watched() -> set[str]:
    """Tables that hold what people typed, masked or sealed."""
    from compliance.sinks import SINKS, How

    held = {How.MASKED, How.NOTE, How.SEALED}
    named = {column.rpartition(".")[0] for sink in SINKS if sink.how in held for column in sink.columns}
    return {name for name in named if name not in DERIVED and apps.is_installed(_app(name))}


def _app(label: str) -> str:
    return str(apps.get_model(label)._meta.app_config.name)  # noqa: SLF001  # documented by Django


def _silent_canaries() -> Iterator[str]:
    auditor = canary.person(Role.AUDITOR, Role.CLINICIAN, Role.PRIVACY_OFFICER, cleared=True)
    with bind(actor=auditor.user, source=SOURCE, correlation_id=uuid.uuid4()):
        for name, act in _CANARIES.items():
            with suppress(NoReverseMatch), transaction.atomic():
                if act(auditor):
                    continue
            yield name


def _written_about(pk: object, kind: str = "") -> int:
    of_kind = {"object_type": kind} if kind else {}
    return AuditEvent.objects.filter(lane=Lane.DATA, object_id=str(pk), **of_kind).count()


def _done_by(user: User) -> Any:
    return AuditEvent.objects.filter(lane=Lane.ACCESS, actor=user)


def _write(one: canary.Canary) -> bool:
    return _written_about(canary.account().pk) == 1


def _bulk_write(one: canary.Canary) -> bool:
    rows = VaultEntry.objects.bulk_create(
        VaultEntry(scope=uuid.uuid4(), token=f"[NAME-{n}]", label="NAME", value="Canary", blind_index=b"0")
        for n in (1, 2)
    )
    VaultEntry.objects.filter(pk__in=[row.pk for row in rows]).update(label="OTHER_ID")
    return [_written_about(row.scope, "compliance.VaultEntry") for row in rows] == [2, 2]


def _change_of_relation(one: canary.Canary) -> bool:
    from compliance.models import Asset

    asset = Asset.objects.create(name="Canary", kind="other", address="canary", purpose="Canary", declared_by=one.user)
    risk = Risk.objects.create(
        number=2_000_000_000,
        title="Canary",
        threat="Canary",
        likelihood=1,
        impact=1,
        treatment="Canary",
        owner=one.user,
        due=clock.now().date(),
    )
    before = _written_about(risk.pk)
    risk.assets.add(asset)
    return _written_about(risk.pk) == before + 1


def _raw_sql(one: canary.Canary) -> bool:
    about = canary.account()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE compliance_user SET title = 'Canary' WHERE id = %s", [about.pk])
    return bool(_change_of(about).filter(code=Code.USER_UPDATED, actor=one.user).exists())


def _read(one: canary.Canary) -> bool:
    answer = one.client.get(reverse("audit"), {"code": Code.SYS_STARTUP})
    return answer.status_code == 200 and _done_by(one.user).filter(code=Code.SENSITIVE_READ).exists()


def _export(one: canary.Canary) -> bool:
    from compliance.audit import export, search

    with suppress(export.NothingFound), bind(purpose=PURPOSES[Action.EXPORT_AUDIT]):
        export.file_for(search.parse({"person": str(one.user.pk)}), format=export.Format.JSONL).file.close()
        return bool(_done_by(one.user).filter(detail__export="jsonl").exists())
    return False


def _retrieval(one: canary.Canary) -> bool:
    """A search that is nothing but an identifier: it is masked away, recorded, and asks no model."""
    question = {"question": "ottoline.quenby@example.org"}
    answer = visits.send(one.client, "POST", reverse("api-library-search"), question)
    return answer.status_code == 200 and _done_by(one.user).filter(detail__step="retrieve").exists()


_CANARIES: Final = {
    "write": _write,
    "bulk write": _bulk_write,
    "relation": _change_of_relation,
    "raw SQL": _raw_sql,
    "read": _read,
    "export": _export,
    "retrieval": _retrieval,
}


# ── Fields ──────────────────────────────────────────────────────────────────────────────────────────────────────

_NULLS: Final = """
SELECT id::text, CASE
    WHEN code IS NULL OR NOT code = ANY(%(codes)s) THEN 'code'
    WHEN outcome IS NULL OR NOT outcome = ANY(%(outcomes)s) THEN 'outcome'
    WHEN action IS NULL OR NOT action = ANY(%(actions)s) THEN 'action'
    WHEN convert_from(canonical, 'UTF8')::jsonb ->> 'timestamp' NOT LIKE '%%+00:00' THEN 'timestamp'
    WHEN session <> '' AND actor_kind = 'person' AND remote_addr IS NULL THEN 'source'
    WHEN actor_kind = 'person' AND correlation_id IS NULL THEN 'correlation'
    WHEN actor_kind = 'person' AND actor_id IS NOT NULL AND actor_name = '' THEN 'actor'
    WHEN lane = 'data' AND (object_type = '' OR object_id = '') THEN 'object'
    ELSE '' END
FROM (SELECT * FROM compliance_auditevent WHERE "timestamp" >= %(since)s AND actor_kind <> 'unknown-db'
      ORDER BY "timestamp" DESC LIMIT %(newest)s) AS event
"""


@check("audit.fields")
def fields() -> Found:
    """The newest events of 24 hours, for what each must say; and one request, for all of it, word for word.

    A source is asked of what a person did in a session: programs, the schedule and commands have none.
    Purpose and patient are there when they are known: the canary's event has the purpose of its door, and a value of
    an invented patient its pseudonym.
    """
    failing = [f"canary: {name}" for name in _wrong_fields()]
    with connection.cursor() as cursor:
        cursor.execute(
            _NULLS,
            {
                "codes": Code.values,
                "outcomes": Outcome.values,
                "actions": Crude.values,
                "since": clock.now() - DAY,
                "newest": NEWEST,
            },
        )
        rows = cursor.fetchall()
    wrong = [(event, what) for event, what in rows if what]
    failing += [f"{event} {what}" for event, what in wrong]
    return Found(
        ok=not failing,
        observed=f"{len(rows) - len(wrong)} of {len(rows)} newest events say all they must; "
        f"{len(failing) - len(wrong)} fields of the canary's event are wrong",
        subjects=len(rows) + 11,
        failing=failing,
        evidence={"events": len(rows), "proxies": settings.PROXIES},
    )


def _wrong_fields() -> Iterator[str]:
    """What a request through the whole application leaves that is not as it was asked."""
    began = clock.now() - timedelta(seconds=5)
    hops = ["198.51.100.9", *(f"10.0.0.{n}" for n in range(1, settings.PROXIES))]
    forged = ", ".join(["203.0.113.66", *hops])
    who = canary.person(Role.AUDITOR)
    key = who.client.session.session_key
    who.client.get(reverse("audit"), {"code": Code.SYS_STARTUP}, headers={"X-Forwarded-For": forged})
    event = _done_by(who.user).filter(code=Code.SENSITIVE_READ).order_by("-timestamp").first()
    if event is None:
        yield "event"
        return
    from compliance.audit.context import session_digest

    source = hops[0] if settings.PROXIES else who.client.defaults["REMOTE_ADDR"]
    expected = {
        "timestamp": began <= event.timestamp <= clock.now() + timedelta(seconds=5)
        and event.timestamp.utcoffset() == timedelta(0),
        "code": event.code == Code.SENSITIVE_READ,
        "action": event.action == Crude.READ,
        "outcome": event.outcome == Outcome.SUCCESS,
        "actor": (event.actor_id, event.actor_name, event.actor_kind) == (who.user.pk, canary.NAME, ActorKind.PERSON),
        "role": event.actor_roles == [str(Role.AUDITOR)],
        "source": event.remote_addr is not None
        and ipaddress.ip_address(event.remote_addr) == ipaddress.ip_address(source),
        "session": event.session in {session_digest(key), session_digest(who.client.session.session_key)},
        "object": event.object_type == "compliance.AuditEvent",
        "purpose": event.purpose == PURPOSES.get(Action.READ_AUDIT, ""),
        "correlation": event.correlation_id is not None,
    }
    yield from (name for name, right in expected.items() if not right)
    with bind(actor=who.user, source=SOURCE, correlation_id=uuid.uuid4()):
        entry = VaultEntry.objects.create(
            scope=uuid.uuid4(),
            token="[MRN-1]",  # noqa: S106
            label="MRN",
            value="1",
            blind_index=b"0",
            patient="P-canary",
        )
    if not AuditEvent.objects.filter(object_id=str(entry.scope), patient="P-canary").exists():
        yield "patient"

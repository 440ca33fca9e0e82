"""Writes the events of the access lane: sign-ins, denials, reads, exports, retrievals, calls of a model.

Changes of data are no business of this module: triggers of the database record them (compliance.audit.triggers).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

from auditlog.models import AbstractLogEntry
from django.db import connection as caller
from psycopg.types.json import Jsonb

from compliance import logs
from compliance.audit import lane
from compliance.audit.context import current
from compliance.models.events import Code, Crude, Lane, Outcome

if TYPE_CHECKING:
    from django.db.models import Model

    from compliance.models import User

JSON: TypeAlias = "str | int | float | bool | list[JSON] | dict[str, JSON] | None"


@dataclass(frozen=True)
class Act:
    """What `record` writes down; for the meaning of the fields see there."""

    code: Code
    action: Crude
    outcome: Outcome = Outcome.SUCCESS
    actor: User | None = None
    object_type: str = ""
    object_id: str = ""
    detail: Mapping[str, JSON] | None = None
    patient: str = ""


def record(
    *,
    code: Code,
    action: Crude,
    outcome: Outcome = Outcome.SUCCESS,
    actor: User | None = None,
    object_type: str = "",
    object_id: str = "",
    detail: Mapping[str, JSON] | None = None,
    patient: str = "",
) -> UUID:
    """Write one event by the person in the context, or by `actor` where the context cannot know them yet.

    It is committed before this returns and stays, whatever becomes of the caller's transaction: record first, then
    show or do. Nothing a person typed belongs into `detail`. Raises AuditUnavailable when it cannot be written.
    """
    event_id = record_all(Act(code, action, outcome, actor, object_type, object_id, detail, patient))[0]
    if code is Code.AUTHN_LOGIN_FAIL:
        logs.auth_failed(event_id=event_id)
    return event_id


def record_read(*, object_type: str, object_id: object = "", **detail: JSON) -> None:
    """As `record`: that the person in the context looked at one object, or without an id at a list of them."""
    record(
        code=Code.SENSITIVE_READ,
        action=Crude.READ,
        object_type=object_type,
        object_id=str(object_id),
        detail=detail,
    )


def record_all(*acts: Act) -> list[UUID]:
    """As `record`, for several acts at once: an event each, in one round trip, all or none."""
    events = [
        _event(Lane.ACCESS, act.code, act.action, act.actor)
        | {
            "outcome": act.outcome,
            "object_type": act.object_type,
            "object_id": act.object_id,
            "patient": act.patient,
            "detail": Jsonb({**dict(current().marks), **(act.detail or {})}),
        }
        for act in acts
    ]
    with lane.connection() as own:
        return _written(own.execute(*_insert(events)))


def record_difference(instance: Model, *, kind: int, changes: Mapping[str, Any]) -> UUID:
    """Write what django-auditlog found changed in a model registered with it, in the caller's transaction."""
    kinds = {
        AbstractLogEntry.Action.CREATE: (Code.SENSITIVE_CREATE, Crude.CREATE),
        AbstractLogEntry.Action.UPDATE: (Code.SENSITIVE_UPDATE, Crude.UPDATE),
        AbstractLogEntry.Action.DELETE: (Code.SENSITIVE_DELETE, Crude.DELETE),
    }
    code, action = kinds[AbstractLogEntry.Action(kind)]
    event = _event(Lane.DATA, code, action, None) | {
        "object_type": instance._meta.label,  # noqa: SLF001  # documented by Django
        "object_id": str(instance.pk),
        "changes": Jsonb(dict(changes)),
    }
    with caller.cursor() as cursor:
        cursor.execute(*_insert([event]))
        return _written(cursor)[0]


def _event(lane_: Lane, code: Code, action: Crude, actor: User | None) -> dict[str, Any]:
    context = current()
    who = context.columns
    if actor is not None and who["actor_id"] != str(actor.pk):
        who = who | {"actor_id": str(actor.pk), "actor_name": actor.name, "actor_roles": sorted(actor.roles)}
        who["actor_kind"] = "person"
    return {
        **who,
        "actor_roles": Jsonb(who["actor_roles"]),
        "proxies": Jsonb(who["proxies"]),
        "lane": lane_,
        "code": code,
        "action": action,
        "outcome": Outcome.SUCCESS,
        "object_type": "",
        "object_id": "",
        "patient": "",
        "detail": Jsonb({}),
        "changes": None,
    }


def _insert(events: list[dict[str, Any]]) -> tuple[str, list[Any]]:
    columns = list(events[0])
    row = f"({', '.join(['%s'] * len(columns))})"
    rows = ", ".join([row] * len(events))
    statement = f"INSERT INTO compliance_auditevent ({', '.join(columns)}) VALUES {rows} RETURNING id"  # noqa: S608  # our own names
    return statement, [event[column] for event in events for column in columns]


def _written(cursor: Any) -> list[UUID]:
    return [row[0] for row in cursor.fetchall()]

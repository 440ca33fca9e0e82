"""Writes the events of the access lane: sign-ins, denials, reads, exports, retrievals, calls of a model.

Changes of data are no business of this module: triggers of the database record them (compliance.audit.triggers).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

import psycopg
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
    event = _event(Lane.ACCESS, code, action, actor) | {
        "outcome": outcome,
        "object_type": object_type,
        "object_id": object_id,
        "patient": patient,
        "detail": Jsonb(dict(detail or {})),
    }
    with lane.connection() as own:
        event_id = _written(own.execute(_insert(event), event))
    if code is Code.AUTHN_LOGIN_FAIL:
        logs.auth_failed(event_id=event_id)
    return event_id


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
        cursor.execute(_insert(event), event)
        return _written(cursor)


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


def _insert(event: dict[str, Any]) -> str:
    values = ", ".join(f"%({column})s" for column in event)
    return f"INSERT INTO compliance_auditevent ({', '.join(event)}) VALUES ({values}) RETURNING id"  # noqa: S608  # our own names


def _written(cursor: Any) -> UUID:
    row: tuple[UUID] | None = cursor.fetchone()
    if row is None:
        raise psycopg.DataError("no row")
    return row[0]

"""The only writer of audit events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from compliance.audit.context import current
from compliance.models.events import AuditEvent, Code, Crude, Outcome

if TYPE_CHECKING:
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
    changes: Mapping[str, Any] | None = None,
) -> AuditEvent:
    """Write one event by the person in the context, or by `actor` where the context cannot know them yet.

    The row belongs to the caller's transaction: what is recorded and what is done stand or fall together. Record
    a denial or a failure outside the work that it ends. Nothing a person typed belongs into `detail`.
    """
    context = current()
    who = actor or context.actor
    known = who if who is not None and who.is_authenticated else None
    event = AuditEvent(
        code=code,
        action=action,
        outcome=outcome,
        actor_id=known.pk if known else None,
        actor_name=known.name if known else "",
        actor_roles=sorted(known.roles) if known else [],
        object_type=object_type,
        object_id=object_id,
        detail=dict(detail or {}),
        changes=dict(changes) if changes else None,
        correlation_id=context.correlation_id,
        remote_addr=context.source,
        session=context.session,
    )
    event.save(force_insert=True)
    return event

"""Differences of watched models: django-auditlog finds them, `record` writes them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from auditlog.registry import auditlog
from django.db.models import Model

from compliance.audit.writer import record
from compliance.models.events import AuditEvent, Code, Crude


class Kind(NamedTuple):
    code: Code
    action: Crude


_kinds: dict[type[Model], dict[int, Kind]] = {}


def watch(
    model: type[Model],
    *,
    created: Code = Code.SENSITIVE_CREATE,
    updated: Code = Code.SENSITIVE_UPDATE,
    deleted: Code = Code.SENSITIVE_DELETE,
    without: Collection[str] = (),
) -> None:
    """Record every saved difference of `model`'s own columns, except the columns named in `without`.

    Call it from AppConfig.ready(). Name every column that holds a secret or what a patient's record could hold.
    Bulk writes and queryset updates send no signal: the service that makes them records them.
    """
    columns = model._meta.concrete_fields  # noqa: SLF001  # documented by Django
    names = [column.name for column in columns if column.name not in without]
    auditlog.register(model, include_fields=names)
    actions = AuditEvent.Action
    _kinds[model] = {
        actions.CREATE: Kind(created, Crude.CREATE),
        actions.UPDATE: Kind(updated, Crude.UPDATE),
        actions.DELETE: Kind(deleted, Crude.DELETE),
    }


def watched() -> frozenset[type[Model]]:
    return frozenset(_kinds)


def record_change(instance: Model, *, kind: int, changes: Mapping[str, Any]) -> AuditEvent:
    code, action = _kinds[type(instance)][kind]
    return record(
        code=code,
        action=action,
        object_type=instance._meta.label,  # noqa: SLF001  # documented by Django
        object_id=str(instance.pk),
        changes=changes,
    )

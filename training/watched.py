"""The tables of this app whose changes are on record, and what of them is shown.

Reasons are masked before they are kept, and recorded as keyed digests all the same; so are answers and what was signed.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Model

from compliance import audit
from training.models import (
    AccessRequest,
    Accommodation,
    Answer,
    Attempt,
    Certificate,
    Delegation,
    Enrolment,
    LessonRead,
    ModuleVersion,
    StageDecision,
)


def register() -> None:
    changed = audit.Code.PRIVILEGE_PERMISSIONS_CHANGED
    audit.watch(ModuleVersion, shown=_columns(ModuleVersion, but=("content",)), ignored=("content",))
    audit.watch(Enrolment, shown=_columns(Enrolment))
    audit.watch(LessonRead, shown=_columns(LessonRead))
    audit.watch(Attempt, shown=_columns(Attempt, but=("unlock_reason", "seed")))
    audit.watch(Answer, shown=("attempt", "number", "item", "revision", "points"), ignored=("orders", "saved_at"))
    audit.watch(Certificate, shown=_columns(Certificate, but=("token", "revoke_reason")))
    audit.watch(Accommodation, shown=_columns(Accommodation))
    for model in (AccessRequest, Delegation, StageDecision):
        shown = _columns(model, but=("reason",))
        audit.watch(model, shown=shown, created=changed, updated=changed, deleted=changed)


def _columns(model: type[Model], *, but: Sequence[str] = ()) -> list[str]:
    return [f.name for f in model._meta.concrete_fields if f.name not in but]  # noqa: SLF001  # documented by Django

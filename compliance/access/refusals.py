"""Refusals that several services put on record in the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from django.http import Http404

from compliance import audit
from compliance.access import counters
from compliance.access.roles import Action

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import Model

    from compliance.models import User

SECONDS = 60


def note(code: audit.Code, *, why: str) -> None:
    """A request that is refused before anybody is judged: a form of another session, a body that is too large.

    By the person and from the address of the audit context. Whoever sends it need not be signed in, so each address
    leaves one event of each kind a minute, however many it sends: nobody fills the trail from outside.
    """
    if is_news(why):
        audit.record(code=code, action=audit.Crude.EXECUTE, outcome=audit.Outcome.DENIED, detail={"step": why})


def is_news(*what: str) -> bool:
    """Whether this was not refused from the same address within the last minute: what repeats itself is told once."""
    name = counters.digest(*what, counters.neighborhood(audit.current().source))
    try:
        return counters.once(f"refused:{name}", SECONDS)
    except counters.Unavailable:  # rather twice than never
        return True


def against_a_rule(by: User, refused: Exception, about: Model) -> None:
    """A service refused somebody who may do such things, but not this one; `refused` names the rule."""
    _record(by, about, {"step": "rule", "rule": type(refused).__name__})


def second_person_needed(by: User, action: Action, obj: Model) -> None:
    """Somebody wanted to decide on what they began themselves, or what is about them. The caller raises."""
    _record(by, obj, {"action": str(action), "step": "second person"})


def as_if_absent(by: User, object_type: str, object_id: UUID) -> NoReturn:
    """Somebody asked for what they may not see, or what is not there; they learn no difference. Raises Http404."""
    audit.record(
        code=audit.Code.AUTHZ_FAIL,
        action=audit.Crude.READ,
        outcome=audit.Outcome.DENIED,
        actor=by,
        object_type=object_type,
        object_id=str(object_id),
    )
    raise Http404


def _record(by: User, about: Model, detail: dict[str, audit.JSON]) -> None:
    audit.record(
        code=audit.Code.AUTHZ_FAIL,
        action=audit.Crude.EXECUTE,
        outcome=audit.Outcome.DENIED,
        actor=by,
        object_type=about._meta.label,  # noqa: SLF001  # documented by Django
        object_id=str(about.pk),
        detail=detail,
    )

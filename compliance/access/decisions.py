"""The one place that decides whether a person may do something."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied

from clinchat.lib import clock
from compliance import audit
from compliance.access.errors import Locked
from compliance.access.roles import CLINICAL, NEEDS_CLEARANCE, Action, Role, permitted_roles

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser
    from django.db.models import Model

    from compliance.models import User

Rule = Callable[["User", Action, Any], bool]
Missing = Callable[["User"], list[str]]
_RULES: dict[type[Model], Rule] = {}
_MISSING: list[Missing] = []


class UnknownObject(LookupError):
    """No rule says whose objects of this kind are. Nobody may do anything to them."""


def rule_for(model: type[Model], rule: Rule) -> None:
    """Register whose objects of `model` are: each app says so for its own, in AppConfig.ready()."""
    _RULES[model] = rule


def clearance_needs(missing: Missing) -> None:
    """Register who can say what a person still has to do before they are cleared, in the order it is done.

    Called in AppConfig.ready(). Registering the same function again changes nothing.
    """
    if missing not in _MISSING:
        _MISSING.append(missing)


def rules() -> dict[type[Model], Rule]:
    """Every kind of object that has a rule, with it."""
    return dict(_RULES)


def allows(user: User | AnonymousUser, action: Action, obj: Model | None = None) -> bool:
    """Whether the person may do `action` now, to `obj` if one is given.

    An action outside the policy and an object without a rule raise; they never pass.
    """
    roles = permitted_roles(action)
    if not user.is_authenticated or not user.is_active or not user.is_verified():
        return False
    if roles.isdisjoint(user.roles) or (user.scopes is not None and action not in user.scopes):
        return False
    if action in NEEDS_CLEARANCE and not _cleared(user):
        return False
    if obj is None:
        return True
    rule = _RULES.get(type(obj))
    if rule is None:
        raise UnknownObject(type(obj).__name__)
    return rule(user, action, obj)


def _cleared(user: User) -> bool:
    """Whether training and approval are complete and in date. An administrator is never cleared."""
    return Role.ADMIN not in user.roles and user.clearances.live(clock.now()).exists()


def require(user: User | AnonymousUser, action: Action, obj: Model | None = None) -> None:
    """Return when the person may do `action`; otherwise put the denial on record and raise PermissionDenied."""
    if allows(user, action, obj):
        return
    audit.record(
        code=audit.Code.AUTHZ_FAIL,
        action=audit.Crude.EXECUTE,
        outcome=audit.Outcome.DENIED,
        object_type=obj._meta.label if obj else "",  # noqa: SLF001  # documented by Django
        object_id=str(obj.pk) if obj else "",
        detail={"action": str(action)},
    )
    if action in NEEDS_CLEARANCE and user.is_authenticated:
        raise Locked(_missing(user, action))
    raise PermissionDenied


def _missing(user: User, action: Action) -> list[str]:
    """What the person still needs before `action` opens, in the order it is done."""
    if Role.ADMIN in user.roles and not user.roles.isdisjoint(CLINICAL):
        return ["Use another account: an administrator's cannot ask about patients"]
    missing = []
    if permitted_roles(action).isdisjoint(user.roles):
        missing.append("Ask an administrator for the clinician role")
    missing += [words for needs in _MISSING for words in needs(user)]
    return missing

"""The door to checks of interactions and their alerts: fetch, authorize and audit the read in one step."""

from __future__ import annotations

from typing import NoReturn
from uuid import UUID

from django.db.models import Model
from django.http import Http404

from chat.models import InteractionAlert, InteractionCheck
from compliance import audit
from compliance.access import Action, allows
from compliance.models import User


def get_check(user: User, check_id: UUID) -> InteractionCheck:
    """The check, if the person made it. Raises Http404."""
    found = InteractionCheck.objects.filter(pk=check_id).first()
    if found is None or not allows(user, Action.CHECK_INTERACTIONS, found):
        _refuse(user, "chat.InteractionCheck", check_id)
    _record_read(user, found)
    return found


def get_alert(user: User, alert_id: UUID) -> InteractionAlert:
    """The alert, if it is of a check that the person made: to respond to. Raises Http404."""
    found = InteractionAlert.objects.select_related("check_made__turn__conversation").filter(pk=alert_id).first()
    if found is None or not allows(user, Action.CHECK_INTERACTIONS, found.check_made):
        _refuse(user, "chat.InteractionAlert", alert_id)
    _record_read(user, found)
    return found


def _record_read(user: User, found: Model) -> None:
    audit.record(
        code=audit.Code.SENSITIVE_READ,
        action=audit.Crude.READ,
        actor=user,
        object_type=found._meta.label,  # noqa: SLF001  # documented by Django
        object_id=str(found.pk),
    )


def _refuse(user: User, object_type: str, object_id: UUID) -> NoReturn:
    audit.record(
        code=audit.Code.AUTHZ_FAIL,
        action=audit.Crude.READ,
        outcome=audit.Outcome.DENIED,
        actor=user,
        object_type=object_type,
        object_id=str(object_id),
    )
    raise Http404

"""The door to checks of interactions and their alerts: fetch, authorize and audit the read in one step."""

from __future__ import annotations

from uuid import UUID

from chat import access
from chat.models import InteractionAlert, InteractionCheck
from compliance.access import Action, allows, refusals
from compliance.models import User


def get_check(user: User, check_id: UUID) -> InteractionCheck:
    """The check, if the person made it. Raises Http404."""
    found = InteractionCheck.objects.filter(pk=check_id).first()
    if found is None or not allows(user, Action.CHECK_INTERACTIONS, found):
        refusals.as_if_absent(user, "chat.InteractionCheck", check_id)
    access.record_read(user, "chat.InteractionCheck", found.pk)
    return found


def get_alert(user: User, alert_id: UUID) -> InteractionAlert:
    """The alert, if it is of a check that the person made: to respond to. Raises Http404."""
    found = InteractionAlert.objects.select_related("check_made__turn__conversation").filter(pk=alert_id).first()
    if found is None or not allows(user, Action.CHECK_INTERACTIONS, found.check_made):
        refusals.as_if_absent(user, "chat.InteractionAlert", alert_id)
    access.record_read(user, "chat.InteractionAlert", found.pk)
    return found

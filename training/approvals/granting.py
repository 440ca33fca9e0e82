"""What a decision opens, in words: shown before it is made, kept with it after."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from clinchat.lib import clock, ui_tags
from compliance.access.roles import CLINICAL, NEEDS_CLEARANCE, Action, Role, permitted_roles
from compliance.models import RoleAssignment
from training.approvals import transitions
from training.models import AccessRequest
from training.models.approvals import Stage, Step

RECERTIFY_AFTER: Final = timedelta(days=90)
WORDS: Final = {
    Action.ASK: "ask clinical questions and read the answers",
    Action.CHECK_INTERACTIONS: "check medicines for interactions",
    Action.BREAK_GLASS: "take emergency access to somebody else's conversation, with a reason and a review each time",
    Action.REVIEW_LIBRARY: "review drafts of the library",
}
"""Of each action that needs a clearance. A guard in tests/training/test_deciding.py holds it complete."""
_NEXT: Final = {
    Step.IDENTITY: "the department head",
    Step.HEAD: "the privacy officer",
    Step.PRIVACY: "the security officer",
}


def granted_words(request: AccessRequest, step: Step) -> str:
    """Exactly what the step would grant now; empty for a step that grants nothing."""
    if step in _NEXT:
        return f"No access yet: the request of {request.person.name} goes on to {_NEXT[step]}."
    if step not in {Step.SECURITY, Step.RECERTIFY, Step.REINSTATE}:
        return ""
    opened = what_opens(request)
    if not opened:
        return f"No access: {request.person.name} holds no clinical role. With one, it opens without a new request."
    until = clock.now() + RECERTIFY_AFTER
    if step == Step.REINSTATE and request.recertify_by is not None:
        until = request.recertify_by
    ends = [f"until {ui_tags.day(until)} at the latest, when it has to be confirmed again"]
    if request.license_until is not None:
        ends.append(f"and not past {ui_tags.day(request.license_until)}, the last day of the license")
    return (
        f"{request.person.name} may {ui_tags.listed(opened)}: {', '.join(ends)}. It closes earlier when a certificate "
        "ends, or a policy is not accepted in time."
    )


def in_the_end(request: AccessRequest) -> str:
    """What all four approvals together will open; empty once they have."""
    waits = transitions.next_approval(Stage(request.stage))
    return granted_words(request, Step.SECURITY) if waits in _NEXT else ""


def what_opens(request: AccessRequest) -> list[str]:
    """What the clearance opens to the applicant, by the roles they hold now."""
    held = {Role(role) for role in _roles(request)}
    if Role.ADMIN in held or not held & CLINICAL:
        return []
    return [WORDS[action] for action in Action if action in NEEDS_CLEARANCE and permitted_roles(action) & held]


def offered(request: AccessRequest) -> Step | None:
    """The step whose grant is worth showing: the approval it waits for, or confirming it again."""
    if request.stage == Stage.CLEARED:
        return Step.RECERTIFY
    if request.stage == Stage.SUSPENDED:
        return Step.REINSTATE
    return transitions.next_approval(Stage(request.stage))


def _roles(request: AccessRequest) -> list[str]:
    live = RoleAssignment.objects.live().filter(user=request.person_id)
    return list(live.values_list("role", flat=True))

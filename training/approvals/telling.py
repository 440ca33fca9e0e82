"""Who is told what after a decision: the applicant how it stands, and who acts next that it waits."""

from __future__ import annotations

from typing import Final

from django.urls import reverse

from clinchat.lib import ui_tags
from compliance import notices
from compliance.models import Notice, User
from training.approvals import waiting
from training.models import AccessRequest, StageDecision
from training.models.approvals import OWN, WAITING, Step

_TITLES: Final = {
    Step.IDENTITY: "Your license is checked",
    Step.HEAD: "Your department head approved your request",
    Step.PRIVACY: "The privacy officer approved your request",
    Step.SECURITY: "Your request is approved",
    Step.RETURN: "Your request was returned",
    Step.RECERTIFY: "Your access is confirmed",
    Step.SUSPEND: "Your access is suspended",
    Step.REINSTATE: "Your access is on again",
    Step.REVOKE: "Your access is revoked",
}
_WARNINGS: Final = (Step.RETURN, Step.SUSPEND, Step.REVOKE)


def after(request: AccessRequest, decision: StageDecision) -> None:
    """In the transaction of the decision."""
    step = Step(decision.step)
    if step not in OWN and step != Step.SECURITY:  # that access is open, the clearance says itself
        notices.tell(
            [request.person],
            title=_TITLES[step],
            text=_text(request, decision),
            url=reverse("access"),
            level=Notice.Level.WARNING if step in _WARNINGS else Notice.Level.INFO,
            mail=True,
        )
    if request.stage in WAITING:
        tell_next(request)


def tell_next(request: AccessRequest) -> list[User]:
    """Who can decide now is told that the request waits; returns them."""
    people = waiting.deciders(request)
    notices.tell(
        people,
        title="A request for access waits for you",
        text=f"{request.person.name} waits for what only you, or somebody with your role, can decide.",
        url=request.get_absolute_url(),
        mail=True,
    )
    return people


def _text(request: AccessRequest, decision: StageDecision) -> str:
    if decision.reason:
        return f"{decision.by.name} wrote: {decision.reason}"
    if request.stage in WAITING:
        return f"Next: {names(waiting.deciders(request))}."
    if request.recertify_by is not None:
        return f"It is to be confirmed again by {ui_tags.day(request.recertify_by)}."
    return "Your page says how it goes on."


def names(people: list[User]) -> str:
    """Alice Adeyemi or Bob Brandt; of many the first three."""
    if not people:
        return "somebody who can decide (nobody who may has an open account now)"
    first = [person.name for person in people[:3]]
    more = len(people) - len(first)
    if more:
        return f"{', '.join(first)} or {more} other{'s' if more > 1 else ''}"
    return " or ".join([", ".join(first[:-1]), first[-1]]) if len(first) > 1 else first[0]

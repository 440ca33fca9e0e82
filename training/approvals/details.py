"""One request as those who decide on it see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from clinchat.lib import clock
from compliance import policies
from compliance.access import Action, allows
from compliance.models import RoleAssignment, User
from compliance.policies import State as PolicyState
from training import standing
from training.approvals import granting, transitions, waiting
from training.approvals.transitions import Why
from training.models import AccessRequest, Certificate, Delegation, ModuleVersion, StageDecision
from training.models.approvals import NAMES, Stage, Step

BUTTONS: Final = {
    Step.IDENTITY: "Confirm identity and license",
    Step.HEAD: "Approve as department head",
    Step.PRIVACY: "Approve as privacy officer",
    Step.SECURITY: "Approve and turn access on",
    Step.RECERTIFY: "Confirm access for 90 days",
    Step.RETURN: "Return it",
    Step.SUSPEND: "Suspend access",
    Step.REINSTATE: "Turn access on again",
    Step.REVOKE: "Revoke access",
}


@dataclass(frozen=True)
class Held:
    """A module, and the newest certificate of it; None when there is none."""

    title: str
    certificate: Certificate | None
    valid: bool


@dataclass(frozen=True)
class Possible:
    """A step the viewer may take now, with the words of its button and what it grants."""

    step: Step
    button: str
    granted: str
    needs_reason: bool

    @property
    def takes_license(self) -> bool:
        return self.step in {Step.IDENTITY, Step.RECERTIFY}


@dataclass(frozen=True)
class Details:
    request: AccessRequest
    roles: Sequence[RoleAssignment]
    modules: Sequence[Held]
    policies: Sequence[PolicyState]
    missing: Sequence[str]
    decisions: Sequence[StageDecision]
    waits_for: Step | None
    deciders: Sequence[User]
    granted: str
    """By the step it waits for, whoever looks."""
    in_the_end: str
    """By all four approvals together."""
    possible: Sequence[Possible]
    delegation: Delegation | None
    why_not: Why | None
    """Why the viewer, whose role decides this stage, may not."""
    certified: bool
    """Whether the viewer holds what somebody needs who approves."""

    @property
    def waits_for_words(self) -> str:
        return NAMES[self.waits_for] if self.waits_for else ""

    @property
    def confirming(self) -> Possible | None:
        """The step that opens something."""
        return next((one for one in self.possible if transitions.TABLE[one.step].opens), None)

    @property
    def others(self) -> Sequence[Possible]:
        return [one for one in self.possible if one != self.confirming]


def of(request: AccessRequest, viewer: User) -> Details:
    """Everything about the request that the viewer decides by."""
    offered = granting.offered(request)
    delegation = waiting.delegation_for(viewer, request)
    possible = _possible(request, viewer, delegation) if allows(viewer, Action.DECIDE_ACCESS) else []
    return Details(
        request=request,
        roles=list(request.person.role_assignments.live()),
        modules=_modules(request.person),
        policies=policies.states(request.person),
        missing=standing.training_complete(request.person),
        decisions=list(request.decisions.select_related("by", "delegation__owner").order_by("at")),
        waits_for=transitions.next_approval(Stage(request.stage)),
        deciders=waiting.deciders(request),
        granted=granting.granted_words(request, offered) if offered else "",
        in_the_end=granting.in_the_end(request),
        possible=possible,
        delegation=delegation,
        why_not=_why_not(request, viewer, delegation),
        certified=standing.holds_certificates(viewer),
    )


def _possible(request: AccessRequest, viewer: User, delegation: Delegation | None) -> list[Possible]:
    where, me = waiting.situation(request), waiting.actor(viewer)
    behind = waiting.actor(delegation.owner) if delegation else None
    return [
        Possible(step, words, granting.granted_words(request, step), transitions.needs_reason(step))
        for step, words in BUTTONS.items()
        if transitions.why_not(step, where, by=me, behind=behind) is None
    ]


def _why_not(request: AccessRequest, viewer: User, delegation: Delegation | None) -> Why | None:
    step = transitions.next_approval(Stage(request.stage))
    if step is None or delegation is not None:
        return None
    return transitions.why_not(step, waiting.situation(request), by=waiting.actor(viewer))


def _modules(person: User) -> list[Held]:
    now = clock.now()
    titles = ModuleVersion.objects.titles()
    newest = {one.slug: one for one in person.certificates.of_modules().order_by("issued_at")}
    live = {one.slug: one for one in person.certificates.of_modules().live(now).order_by("expires_at")}
    return [Held(title, live.get(slug, newest.get(slug)), slug in live) for slug, title in titles.items()]

"""The page "Your access": seven stages, what is done of them, and who acts next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from clinchat.lib import clock, ui_tags
from compliance import policies
from compliance.access import Action, allows, factors
from compliance.access.factors import Factor
from compliance.models import User
from compliance.policies import State as PolicyState
from training import standing
from training.approvals import telling, transitions, waiting
from training.models import AccessRequest, Certificate, ModuleVersion, StageDecision
from training.models.approvals import WAITING, WITH_REASON, Stage, Step

USUALLY: Final = "Usually one working day."
_FACTORS: Final = {Factor.APP: "Authenticator app", Factor.PASSKEY: "passkey"}
_STOPPED: Final = (Stage.RETURNED, Stage.SUSPENDED, Stage.REVOKED)


class Mark(StrEnum):
    DONE = "done"
    NOW = "now"
    LATER = "later"


@dataclass(frozen=True)
class Part:
    """One of the seven: `key` names what else the page shows below it."""

    key: str
    title: str
    mark: Mark
    tag: str
    text: str


@dataclass(frozen=True)
class Module:
    slug: str
    title: str
    certificate: Certificate | None


@dataclass(frozen=True)
class Overview:
    """Everything the page shows. `request` is None before anything was sent in."""

    request: AccessRequest | None
    parts: Sequence[Part]
    missing: Sequence[str]
    """Before it can be sent in."""
    modules: Sequence[Module]
    policies: Sequence[PolicyState]
    stopped: StageDecision | None
    """Why it was returned, suspended or revoked."""
    decisions: Sequence[StageDecision]
    until: datetime | None
    """When access ends if nothing is done; None while it is closed."""
    lacks: Sequence[str]
    """What keeps access closed though every approval is there."""
    may_ask: bool

    @property
    def done(self) -> str:
        """How many of the seven, as a word that begins a sentence."""
        return ui_tags.number(sum(part.mark == Mark.DONE for part in self.parts))

    @property
    def passed(self) -> int:
        return sum(module.certificate is not None for module in self.modules)

    @property
    def may_submit(self) -> bool:
        stage = self.request.stage if self.request else Stage.DRAFT
        return stage in transitions.TABLE[Step.SUBMIT].before and not self.missing

    @property
    def may_withdraw(self) -> bool:
        return self.request is not None and self.request.stage in WAITING

    @property
    def may_reapply(self) -> bool:
        return self.request is not None and self.request.stage == Stage.REVOKED

    @property
    def next_url(self) -> str:
        """Where the person goes on by themselves: a policy, or training; empty when neither waits."""
        return next((part.key for part in self.parts[3:5] if part.mark == Mark.NOW), "")


def of(person: User) -> Overview:
    """How the person stands, for themselves."""
    request = AccessRequest.objects.select_related("person").filter(person=person).first()
    missing = standing.training_complete(person)
    states, modules = policies.states(person), _modules(person)
    decisions = _decisions(request)
    stands = standing.of(person)
    return Overview(
        request=request,
        parts=(_account(person), _sign_in(person), *_shared(person, request, states, modules, decisions)),
        missing=missing,
        modules=modules,
        policies=states,
        stopped=_stopped(request, decisions),
        decisions=decisions,
        until=stands.until,
        lacks=stands.missing if request is not None and request.stage == Stage.CLEARED else (),
        may_ask=allows(person, Action.ASK),
    )


def _decisions(request: AccessRequest | None) -> list[StageDecision]:
    if request is None:
        return []
    return list(request.decisions.select_related("by", "delegation__owner").order_by("-at"))


def _modules(person: User) -> list[Module]:
    titles = ModuleVersion.objects.titles()
    live = person.certificates.live(clock.now()).of_modules().order_by("expires_at")
    held = {one.slug: one for one in live}
    return [Module(slug, title, held.get(slug)) for slug, title in titles.items()]


def _stopped(request: AccessRequest | None, decisions: Sequence[StageDecision]) -> StageDecision | None:
    if request is None or request.stage not in _STOPPED:
        return None
    return next((one for one in decisions if one.step in WITH_REASON and one.after == request.stage), None)


def _account(person: User) -> Part:
    return Part("account", "Account created", Mark.DONE, "Done", ui_tags.day(person.created_at))


def _sign_in(person: User) -> Part:
    shown = factors.available(person)
    held = ui_tags.listed([words for factor, words in _FACTORS.items() if factor in shown])
    codes = factors.recovery_codes_left(person)
    text = f"{held or 'Second factor'} and {codes} recovery code{'' if codes == 1 else 's'}"
    return Part("sign-in", "Two-step sign-in", Mark.DONE, "Done", text[0].upper() + text[1:])


def _shared(
    person: User,
    request: AccessRequest | None,
    states: Sequence[PolicyState],
    modules: Sequence[Module],
    decisions: Sequence[StageDecision],
) -> list[Part]:
    """License, agreements, training and the two approvals, in the order of the design."""
    return [
        _license(request),
        _agreements(states),
        _training(modules),
        _approval("supervisor", "Supervisor approval", (Step.HEAD,), request, decisions),
        _approval("compliance", "Compliance approval", (Step.PRIVACY, Step.SECURITY), request, decisions),
    ]


def _license(request: AccessRequest | None) -> Part:
    title, stage = "License verified", request.stage if request else Stage.DRAFT
    reached = (Stage.IDENTIFIED, Stage.HEAD, Stage.PRIVACY, Stage.CLEARED, Stage.SUSPENDED)
    if request is not None and stage in reached and request.license_until:
        held = f"{request.license_kind}, {request.license_state}, valid until {ui_tags.day(request.license_until)}"
        return Part("license", title, Mark.DONE, "Done", held)
    if request is not None and stage == Stage.TRAINED:
        who = telling.names(waiting.deciders(request))
        return Part("license", title, Mark.NOW, "In progress", f"Waits for {who}. {USUALLY}")
    return Part("license", title, Mark.LATER, "Waiting", f"Checked once your request is sent in. {USUALLY}")


def _agreements(states: Sequence[PolicyState]) -> Part:
    left = sum(not state.covered for state in states)
    if not left:
        return Part("policies", "Agreements accepted", Mark.DONE, "Done", f"{len(states)} of {len(states)} accepted.")
    text = f"{left} of {len(states)} still to read and accept."
    return Part("policies", "Agreements accepted", Mark.NOW, "In progress", text)


def _training(modules: Sequence[Module]) -> Part:
    passed = sum(module.certificate is not None for module in modules)
    text = f"{passed} of {len(modules)} modules passed."
    if passed == len(modules):
        return Part("training", "Training and assessments", Mark.DONE, "Done", text)
    return Part("training", "Training and assessments", Mark.NOW, "In progress", text)


def _approval(
    key: str,
    title: str,
    steps: Sequence[Step],
    request: AccessRequest | None,
    decisions: Sequence[StageDecision],
) -> Part:
    given = [one for one in decisions if request is not None and one.round == request.round and one.step in steps]
    if request is not None and len(given) == len(steps) and request.stage not in {Stage.RETURNED, Stage.REVOKED}:
        who = ui_tags.listed([f"{one.by.name} {ui_tags.on(one.at)}" for one in reversed(given)])
        return Part(key, title, Mark.DONE, "Done", f"By {who}.")
    if request is not None and transitions.next_approval(Stage(request.stage)) in steps:
        who = telling.names(waiting.deciders(request))
        return Part(key, title, Mark.NOW, "In progress", f"Waits for {who}. {USUALLY}")
    text = {
        "supervisor": f"Goes to the head of your department once the license is checked. {USUALLY}",
        "compliance": "Goes to the privacy officer, then the security officer, who turns access on. You are told.",
    }[key]
    return Part(key, title, Mark.LATER, "Waiting", text)

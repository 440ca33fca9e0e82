"""The one table of what can be done with a request for access, by whom, and where it leads. Data and pure functions.

The database holds the rules nothing may break (migration 0002); `deciding` asks this table before it writes anything.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from compliance.access.roles import Action, Role, permitted_roles
from training.models.approvals import APPROVALS, OWN, WAITING, WITH_REASON, Stage, Step

_SUSPENDERS: Final = permitted_roles(Action.SUSPEND_ACCESS)


@dataclass(frozen=True)
class Transition:
    """One step. `roles` is empty where the applicant does it, and where it is up to who decides the stage (RETURN).

    `instead` decide where no department head could: the applicant heads the department, or belongs to none.
    `new_round` are the stages from which it begins the next round: approvals of an earlier round count for nothing.
    `opens`: who does it confirms something, and so holds valid certificates themselves. What only closes needs none.
    """

    before: tuple[Stage, ...]
    after: Stage
    roles: frozenset[Role] = frozenset()
    instead: frozenset[Role] = frozenset()
    new_round: tuple[Stage, ...] = ()
    opens: bool = False


TABLE: Final[Mapping[Step, Transition]] = {
    Step.SUBMIT: Transition((Stage.DRAFT, Stage.RETURNED), Stage.TRAINED, new_round=(Stage.RETURNED,)),
    Step.IDENTITY: Transition(
        (Stage.TRAINED,), Stage.IDENTIFIED, frozenset({Role.ADMIN, Role.COMPLIANCE_MANAGER}), opens=True
    ),
    Step.HEAD: Transition(
        (Stage.IDENTIFIED,),
        Stage.HEAD,
        frozenset({Role.DEPARTMENT_HEAD}),
        instead=frozenset({Role.COMPLIANCE_MANAGER}),
        opens=True,
    ),
    Step.PRIVACY: Transition((Stage.HEAD,), Stage.PRIVACY, frozenset({Role.PRIVACY_OFFICER}), opens=True),
    Step.SECURITY: Transition((Stage.PRIVACY,), Stage.CLEARED, frozenset({Role.SECURITY_OFFICER}), opens=True),
    Step.RETURN: Transition(WAITING, Stage.RETURNED),
    Step.WITHDRAW: Transition(WAITING, Stage.DRAFT, new_round=WAITING),
    Step.RECERTIFY: Transition(
        (Stage.CLEARED,),
        Stage.CLEARED,
        frozenset({Role.DEPARTMENT_HEAD, Role.PRIVACY_OFFICER, Role.SECURITY_OFFICER}),
        opens=True,
    ),
    Step.SUSPEND: Transition((Stage.CLEARED,), Stage.SUSPENDED, _SUSPENDERS),
    Step.REINSTATE: Transition((Stage.SUSPENDED,), Stage.CLEARED, _SUSPENDERS, opens=True),
    Step.REVOKE: Transition((Stage.CLEARED, Stage.SUSPENDED), Stage.REVOKED, _SUSPENDERS),
    Step.REAPPLY: Transition((Stage.REVOKED,), Stage.DRAFT, new_round=(Stage.REVOKED,)),
}
_WAITS_FOR: Final = {TABLE[step].before[0]: step for step in APPROVALS}


@dataclass(frozen=True)
class Actor:
    """Somebody as the rules see them."""

    key: str
    roles: frozenset[Role] = frozenset()
    department: str = ""


@dataclass(frozen=True)
class Situation:
    """A request as the rules see it. `deciders` are who approved a stage in this round, and for whom."""

    stage: Stage
    applicant: Actor
    deciders: Collection[str] = frozenset()


class Why(StrEnum):
    """The rule that forbids a step."""

    STAGE = "stage"
    """It cannot be done from here."""
    NOT_ONES_OWN = "own"
    """It is the applicant's to do, or nobody decides on their own request."""
    ROLE = "role"
    """Neither they, nor for whom they decide, hold the role it takes."""
    TWICE = "twice"
    """They, or for whom they decide, approved another stage of this round."""


def next_approval(stage: Stage) -> Step | None:
    """What a request in this stage waits for."""
    return _WAITS_FOR.get(stage)


def begins_round(step: Step, stage: Stage) -> bool:
    return stage in TABLE[step].new_round


def needs_reason(step: Step) -> bool:
    return step in WITH_REASON


def deciding(step: Step, stage: Stage) -> Transition:
    """The row that says who may: for returning that of the approval the request waits for."""
    waits = next_approval(stage) if step == Step.RETURN else None
    return TABLE[waits or step]


def why_not(step: Step, situation: Situation, *, by: Actor, behind: Actor | None = None) -> Why | None:
    """The rule that forbids it, or None. `behind` is whose power is used when somebody decides for somebody else."""
    if situation.stage not in TABLE[step].before:
        return Why.STAGE
    own = by.key == situation.applicant.key
    if step in OWN:
        return None if own else Why.NOT_ONES_OWN
    if own or (behind is not None and behind.key == situation.applicant.key):
        return Why.NOT_ONES_OWN
    if not holds_power(step, situation, behind or by):
        return Why.ROLE
    if step in APPROVALS or step == Step.RETURN:
        taken = {by.key} if behind is None else {by.key, behind.key}
        if taken & set(situation.deciders):
            return Why.TWICE
    elif behind is not None:
        return Why.ROLE  # a delegation is for one of the four approvals
    return None


def holds_power(step: Step, situation: Situation, who: Actor) -> bool:
    """Whether one of their roles allows the step here: of a department head only for the same department."""
    row, applicant = deciding(step, situation.stage), situation.applicant
    held = row.roles & who.roles
    if held - {Role.DEPARTMENT_HEAD} or (headless(applicant) and row.instead & who.roles):
        return True
    return bool(held and who.department and who.department == applicant.department)


def headless(applicant: Actor) -> bool:
    """Whether no department head is above them: they head the department, or belong to none."""
    return Role.DEPARTMENT_HEAD in applicant.roles or not applicant.department

"""Everything that happens to a request for access. The only writer of requests and decisions.

Each change locks the row, asks the rules, writes the decision and settles the clearance, in one transaction. A try
that a rule forbids changes nothing and is on record.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import wraps
from typing import Final, ParamSpec
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from clinchat.lib import clock
from compliance.access import Role, refusals
from compliance.access.roles import Action, permitted_roles
from compliance.access.sessions import is_fresh
from compliance.models import User
from training import clearing, standing
from training.approvals import stamping, telling, transitions, waiting
from training.approvals.granting import RECERTIFY_AFTER, granted_words
from training.approvals.refusals import (
    ON_RECORD,
    RULES,
    AccountClosed,
    DelegationOver,
    Incomplete,
    NoLicense,
    NoReason,
    NotCertified,
    NotFromHere,
    NotProved,
    NotYours,
    Refused,
    Stale,
    TrainingLapsed,
)
from training.approvals.transitions import TABLE
from training.models import AccessRequest, Delegation, StageDecision
from training.models.approvals import APPROVALS, WAITING, Stage, Step

MOST_AT_ONCE: Final = 10
"""So many requests one form may approve."""
P = ParamSpec("P")


@dataclass(frozen=True)
class Proof:
    """How somebody decides: when they showed both factors, and how long the request was open before them."""

    proved_at: datetime | None
    looked_seconds: int | None = None


@dataclass(frozen=True)
class License:
    """What the identity check found; `until` is the last day it is valid."""

    kind: str
    issuer: str
    until: date | None


@dataclass(frozen=True)
class Choice:
    """A row that was ticked: the request, its revision when the list was opened, and the license if one was entered."""

    request_id: UUID
    revision: int
    license_found: License | None = None


@dataclass(frozen=True)
class Result:
    """What became of a ticked row."""

    request: AccessRequest
    refused: Refused | None


def _puts_tries_on_record(act: Callable[P, StageDecision]) -> Callable[P, StageDecision]:
    """What a rule forbids to this person is recorded after the transaction that it ended."""

    @wraps(act)
    def watched(*args: P.args, **kwargs: P.kwargs) -> StageDecision:
        try:
            return act(*args, **kwargs)
        except ON_RECORD as refused:
            by, key = kwargs["by"], kwargs["request_id"]
            assert isinstance(by, User)  # noqa: S101  # narrows the type
            assert isinstance(key, UUID)  # noqa: S101  # narrows the type
            refusals.against_a_rule(by, refused, AccessRequest.objects.get(pk=key))
            raise

    return watched


# ── What the applicant does ────────────────────────────────────────────────────────────────────────────────────


def open_request(*, person: User) -> AccessRequest:
    """The person's request, made if they have none. Safe to repeat, and from two tabs."""
    return AccessRequest.objects.get_or_create(person=person)[0]


@_puts_tries_on_record
@transaction.atomic
def submit(*, request_id: UUID, by: User, revision: int) -> StageDecision:
    """The applicant sends the request in. Raises Incomplete, and what `decide` raises."""
    request = _locked(request_id, revision)
    _allowed(request, Step.SUBMIT, by, None)
    if missing := standing.training_complete(by):
        raise Incomplete(missing)
    return _done(request, Step.SUBMIT, by)


@_puts_tries_on_record
@transaction.atomic
def withdraw(*, request_id: UUID, by: User, revision: int) -> StageDecision:
    """The applicant takes it back; what was approved counts no more. Raises as `decide`."""
    request = _locked(request_id, revision)
    _allowed(request, Step.WITHDRAW, by, None)
    return _done(request, Step.WITHDRAW, by)


@_puts_tries_on_record
@transaction.atomic
def reapply(*, request_id: UUID, by: User, revision: int) -> StageDecision:
    """The applicant begins anew after access was revoked. Raises as `decide`."""
    request = _locked(request_id, revision)
    _allowed(request, Step.REAPPLY, by, None)
    return _done(request, Step.REAPPLY, by)


@transaction.atomic
def leave(person: User) -> None:
    """The account closes: what is open to the person closes with it, and for good when they leave.

    Nobody decides that, so there is no decision: the request goes back to its beginning, in the next round.
    """
    if person.closed_because == User.Closed.LEFT:
        request = AccessRequest.objects.select_for_update().filter(person=person).first()
        if request is not None and request.stage in {*WAITING, Stage.CLEARED, Stage.SUSPENDED, Stage.RETURNED}:
            request.round += 1
            _move(request, Stage.DRAFT)
    clearing.settle(person)


# ── What others do ─────────────────────────────────────────────────────────────────────────────────────────────


@_puts_tries_on_record
@transaction.atomic
def decide(
    *,
    request_id: UUID,
    step: Step,
    by: User,
    revision: int,
    proof: Proof,
    reason: str = "",
    license_found: License | None = None,
    delegation_id: UUID | None = None,
) -> StageDecision:
    """Take one step with somebody else's request. `reason` is masked already.

    Raises a Refused: Stale, NotFromHere, NotOnesOwn, NotYours, AlreadyApproved, NotCertified, NotProved, AccountClosed,
    DelegationOver, NoReason, NoLicense or TrainingLapsed. Nothing is changed then.
    """
    request = _locked(request_id, revision)
    delegation = _delegation(delegation_id, step, request, by)
    _allowed(request, step, by, delegation)
    _may_decide_now(request, step, by, proof)
    if transitions.needs_reason(step) and not reason.strip():
        raise NoReason
    _take_license(request, step, license_found)
    decision = _done(request, step, by, proof=proof, reason=reason.strip(), delegation=delegation)
    if step in APPROVALS:
        stamping.look_at(by)
    return decision


def approve_many(*, choices: Sequence[Choice], by: User, proof: Proof) -> list[Result]:
    """Approve what each ticked request waits for, each for itself: one that is refused stops no other.

    At most ten; the time they were open is shared among them. An identity check needs its license.
    """
    return _each(choices, None, by, proof, "")


def take_many(*, choices: Sequence[Choice], step: Step, by: User, proof: Proof, reason: str) -> list[Result]:
    """As `approve_many`, for a step that takes something back, with one reason for all."""
    return _each(choices, step, by, proof, reason)


def _each(choices: Sequence[Choice], step: Step | None, by: User, proof: Proof, reason: str) -> list[Result]:
    if not 0 < len(choices) <= MOST_AT_ONCE:
        raise ValueError(len(choices))
    looked = None if proof.looked_seconds is None else proof.looked_seconds // len(choices)
    return [_one(choice, step, by, Proof(proof.proved_at, looked), reason) for choice in choices]


def _one(choice: Choice, step: Step | None, by: User, proof: Proof, reason: str) -> Result:
    request = AccessRequest.objects.select_related("person").get(pk=choice.request_id)
    meant = step or transitions.next_approval(Stage(request.stage))
    delegation = waiting.delegation_for(by, request)
    try:
        if meant is None:
            raise NotFromHere
        decide(
            request_id=request.pk,
            step=meant,
            by=by,
            revision=choice.revision,
            proof=proof,
            reason=reason,
            license_found=choice.license_found,
            delegation_id=delegation.pk if delegation else None,
        )
    except Refused as refused:
        return Result(request, refused)
    return Result(request, None)


# ── How ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _locked(request_id: UUID, revision: int) -> AccessRequest:
    request = AccessRequest.objects.select_for_update(of=("self",)).select_related("person").get(pk=request_id)
    if request.revision != revision:
        raise Stale
    return request


def _delegation(delegation_id: UUID | None, step: Step, request: AccessRequest, by: User) -> Delegation | None:
    if delegation_id is None:
        return None
    meant = transitions.next_approval(Stage(request.stage)) if step == Step.RETURN else step
    found = waiting.live_delegations(clock.now()).filter(pk=delegation_id, delegate=by, step=meant or "")
    delegation = found.select_related("owner").select_for_update(of=("self",)).first()
    if delegation is None:
        raise DelegationOver
    return delegation


def _allowed(request: AccessRequest, step: Step, by: User, delegation: Delegation | None) -> None:
    behind = waiting.actor(delegation.owner) if delegation else None
    why = transitions.why_not(step, waiting.situation(request), by=waiting.actor(by), behind=behind)
    if why is not None:
        raise RULES[why]
    if not by.is_active or not request.person.is_active:
        raise AccountClosed
    if delegation is not None and not may_hold_power(by):
        raise NotYours


def may_hold_power(person: User) -> bool:
    """Whether the person is one of those who decide at all, also for somebody else."""
    return not permitted_roles(Action.DECIDE_ACCESS).isdisjoint({Role(role) for role in person.roles})


def _may_decide_now(request: AccessRequest, step: Step, by: User, proof: Proof) -> None:
    if not is_fresh(proof.proved_at):
        raise NotProved
    if TABLE[step].opens and not standing.holds_certificates(by):
        raise NotCertified
    if step in APPROVALS and (missing := standing.training_complete(request.person)):
        raise TrainingLapsed(missing)


def _take_license(request: AccessRequest, step: Step, found: License | None) -> None:
    """The identity check needs the license; who confirms access again may enter a renewed one."""
    if step == Step.IDENTITY and found is None:
        raise NoLicense
    if step not in {Step.IDENTITY, Step.RECERTIFY} or found is None:
        return
    if not (found.kind.strip() and found.issuer.strip() and found.until):
        raise NoLicense
    if found.until < timezone.localdate():
        raise NoLicense
    request.license_kind, request.license_state = found.kind.strip(), found.issuer.strip()
    request.license_until = found.until


def _done(
    request: AccessRequest,
    step: Step,
    by: User,
    *,
    proof: Proof | None = None,
    reason: str = "",
    delegation: Delegation | None = None,
) -> StageDecision:
    before, after = Stage(request.stage), TABLE[step].after
    if transitions.begins_round(step, before):
        request.round += 1
    decision = StageDecision(
        request=request,
        applicant=request.person,
        round=request.round if step != Step.WITHDRAW else request.round - 1,
        step=step,
        before=before,
        after=after,
        by=by,
        delegation=delegation,
        proved_at=proof.proved_at if proof else None,
        looked_seconds=proof.looked_seconds if proof else None,
        granted=granted_words(request, step),
        reason=reason,
    )
    try:
        with transaction.atomic():
            decision.save()
    except IntegrityError:  # whatever the rules above overlooked, the table does not
        raise Stale from None
    if step in {Step.SECURITY, Step.RECERTIFY}:
        request.recertify_by = clock.now() + RECERTIFY_AFTER
    _move(request, after)
    clearing.settle(request.person)
    telling.after(request, decision)
    return decision


def _move(request: AccessRequest, stage: Stage) -> None:
    if stage != request.stage:
        request.entered_at = clock.now()
    request.stage, request.revision = stage, request.revision + 1
    if stage == Stage.DRAFT:
        request.recertify_by = None
    fields = ("stage", "round", "revision", "entered_at", "recertify_by")
    request.save(update_fields=[*fields, "license_kind", "license_state", "license_until"])

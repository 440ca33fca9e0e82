"""Which requests wait for whom: the same rules as transitions.why_not, as queries."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from clinchat.lib import clock
from compliance import notices
from compliance.access import Action, Role, people
from compliance.models import RoleAssignment, User
from training.approvals import transitions
from training.approvals.transitions import TABLE, Actor, Situation
from training.models import AccessRequest, Delegation, StageDecision
from training.models.approvals import APPROVALS, Stage, Step


def actor(person: User) -> Actor:
    """A person as the rules see them."""
    return Actor(str(person.pk), person.roles, person.department)


def situation(request: AccessRequest) -> Situation:
    """A request as the rules see it; who approved in this round counts with those they decided for."""
    found = StageDecision.objects.filter(request=request, round=request.round, step__in=APPROVALS)
    pairs = found.values_list("by", "delegation__owner")
    taken = {str(key) for pair in pairs for key in pair if key is not None}  # type: ignore[redundant-expr]  # a left join
    return Situation(Stage(request.stage), actor(request.person), taken)


def live_delegations(now: datetime) -> QuerySet[Delegation]:
    """Delegations that count now, of people whose accounts are open."""
    return Delegation.objects.filter(starts_at__lte=now, ends_at__gt=now, ended_at=None, owner__is_active=True)


def for_viewer(viewer: User) -> QuerySet[AccessRequest]:
    """The requests that wait for the viewer, by their own roles or for somebody else."""
    meant = _with_power_of(viewer, viewer)
    for one in live_delegations(clock.now()).filter(delegate=viewer).select_related("owner"):
        meant |= _with_power_of(one.owner, viewer, only=Step(one.step))
    return AccessRequest.objects.waiting().filter(meant, person__is_active=True)


def _with_power_of(holder: User, decider: User, only: Step | None = None) -> Q:
    meant = Q(pk=None)
    for step in APPROVALS if only is None else (only,):
        meant |= Q(stage=TABLE[step].before[0]) & _reached(step, holder)
    both = (holder.pk, decider.pk)
    decided = StageDecision.objects.filter(request=OuterRef("pk"), round=OuterRef("round"), step__in=APPROVALS)
    taken = decided.filter(Q(by__in=both) | Q(delegation__owner__in=both))
    return meant & ~Q(person__in=both) & ~Q(Exists(taken))


def _reached(step: Step, holder: User) -> Q:
    """As transitions.holds_power, for the people whose requests they are."""
    held = TABLE[step].roles & holder.roles
    if held - {Role.DEPARTMENT_HEAD}:
        return ~Q(pk=None)
    reached = Q(pk=None)
    if held:
        reached |= Q(person__department=holder.department) & ~Q(person__department="")
    if TABLE[step].instead & holder.roles:
        heads = RoleAssignment.objects.live().filter(user=OuterRef("person"), role=Role.DEPARTMENT_HEAD)
        reached |= Q(person__department="") | Q(Exists(heads))
    return reached


def visible_to(viewer: User) -> QuerySet[AccessRequest]:
    """The requests a viewer who may do READ_ACCESS sees: of a head the own department, and those they decide on."""
    if people.everywhere(viewer, Action.READ_ACCESS):
        return AccessRequest.objects.all()
    reached = people.reached_by(viewer, Action.READ_ACCESS)
    return AccessRequest.objects.filter(Q(person__in=reached) | Q(pk__in=for_viewer(viewer).values("pk")))


def delegation_for(viewer: User, request: AccessRequest) -> Delegation | None:
    """The delegation with which the viewer decides what the request waits for; None: by their own roles, or not."""
    step = transitions.next_approval(Stage(request.stage))
    if step is None:
        return None
    where, me = situation(request), actor(viewer)
    if transitions.why_not(step, where, by=me) is None:
        return None
    held = live_delegations(clock.now()).filter(delegate=viewer, step=step).select_related("owner")
    fits = (one for one in held if transitions.why_not(step, where, by=me, behind=actor(one.owner)) is None)
    return next(fits, None)


def deciders(request: AccessRequest) -> list[User]:
    """Who can decide what the request waits for, by name; nobody when it waits for nothing."""
    step = transitions.next_approval(Stage(request.stage))
    if step is None:
        return []
    where = situation(request)
    own = notices.holders(*TABLE[step].roles, *TABLE[step].instead)
    found = [person for person in own if transitions.why_not(step, where, by=actor(person)) is None]
    held = live_delegations(clock.now()).filter(step=step, delegate__is_active=True).select_related("owner", "delegate")
    found += [
        one.delegate
        for one in held
        if transitions.why_not(step, where, by=actor(one.delegate), behind=actor(one.owner)) is None
    ]
    return sorted({person.pk: person for person in found}.values(), key=lambda person: (person.name, str(person.pk)))


def recertifiers(request: AccessRequest) -> list[User]:
    """Who can confirm a cleared person again."""
    where = situation(request)
    return [
        person
        for person in notices.holders(*TABLE[Step.RECERTIFY].roles)
        if transitions.why_not(Step.RECERTIFY, where, by=actor(person)) is None
    ]

"""Checks of rights: how roles change and are confirmed, what takes two people, and how emergencies are answered for."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias
from uuid import UUID

from django.conf import settings
from django.db.models import Min
from django.urls import reverse

from clinchat.lib import clock
from compliance.access.roles import Role
from compliance.access.sessions import PROOF_SECONDS
from compliance.controls import belongings, canary, duties, visits
from compliance.controls.registry import JSON, CannotLook, Found, check
from compliance.models import (
    ActorKind,
    AuditEvent,
    AuditPurge,
    BreakGlass,
    CampaignItem,
    Code,
    ControlException,
    Crude,
    MaskTerm,
    Notice,
    Outcome,
    RoleAssignment,
    RoleRequest,
    User,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from compliance.controls.belongings import Belonging
    from compliance.controls.canary import Canary
    from compliance.controls.duties import Duty

CONFIRMED_WITHIN: Final = timedelta(days=92)
"""The catalogue says 90 days; the review is one of each quarter, and a quarter has up to 92."""
REVIEWED_WITHIN: Final = timedelta(hours=24)
REVIEWS_OF: Final = timedelta(days=90)
OPENS_SECONDS: Final = 60
AROUND: Final = timedelta(seconds=10)
"""Between the clock of a web process, which times a decision, and that of the database, which times its event."""
PROOF: Final = timedelta(seconds=PROOF_SECONDS) + AROUND
REASON: Final = "Control check: emergency access is tried with something that belongs to nobody"


# ── Roles: confirmed, and changed on two people's word ─────────────────────────────────────────────────────────


@check("recert.campaign_current", seconds=5)
def campaign_current() -> Found:
    """Every role that counts: given or confirmed within a quarter, or in a review whose time is not over.

    A confirmation by who holds the role or who gave it is none. A role overdue in its review must not count any more.
    """
    now = clock.now()
    grants = {one.pk: one for one in RoleAssignment.objects.live()}
    items = defaultdict(list)
    for item in CampaignItem.objects.filter(assignment__in=grants).select_related("campaign"):
        items[item.assignment_id].append(item)
    failing, waiting = [], 0
    for pk, grant in grants.items():
        mine = items[pk]
        kept = [item for item in mine if item.status == CampaignItem.Status.KEPT and item.decided_at]
        own = [item for item in kept if item.decided_by_id in {grant.user_id, grant.granted_by_id, None}]
        moments = [item.decided_at for item in kept if item not in own and item.decided_at]
        open_now = [item for item in mine if item.status == CampaignItem.Status.OPEN]
        if any(item.campaign.due_at <= now for item in open_now):
            failing.append(f"overdue and still counts: {pk}")
        elif own:
            failing.append(f"confirmed by its holder or grantor: {pk}")
        elif open_now:
            waiting += 1
        elif max([grant.granted_at, *moments]) < now - CONFIRMED_WITHIN:
            failing.append(f"not confirmed in time: {pk}")
    observed = f"{len(grants) - len(failing)} of {len(grants)} roles current, {waiting} of them under review"
    return Found(not failing, observed, len(grants), failing, {"under_review": waiting})


@check("rbac.change_has_ticket", seconds=10)
def change_has_ticket() -> Found:
    """Every role given, taken or counting again, as the triggers put it on record, and the request that led to it.

    Other grounds that are on record: a review kept or took it (its second person decided), or its holder left. The
    first administrator of an installation is made by a command, because nobody is there yet who could agree; and the
    roles of demo accounts come with the demo, where there is one.
    """
    changes = AuditEvent.objects.filter(object_type="compliance.RoleAssignment", lane="data").order_by("timestamp")
    grounds = _grounds()
    demo = set(User.objects.filter(is_demo=True).values_list("pk", flat=True)) if settings.CLINCHAT_DEMO else set()
    owners = {str(one.pk): (one.user_id, one.role) for one in RoleAssignment.objects.all()}
    gone = changes.filter(action=Crude.DELETE).values_list("object_id", "changes")
    owners |= {assignment: _whose(values or {}, Crude.DELETE) for assignment, values in gone}
    failing, by = [], Counter[str]()
    first = True
    for event in changes.values_list("pk", "timestamp", "action", "changes", "actor_kind", "object_id"):
        pk, moment, action, values, kind, assignment = event
        if action == Crude.UPDATE and not _gives(values or {}):
            continue
        person, role = _whose(values or {}, action) if action != Crude.UPDATE else owners.get(assignment, (None, ""))
        if action == Crude.CREATE and kind == ActorKind.COMMAND and first and role == Role.ADMIN:
            ground = "first administrator"
        elif person in demo:
            ground = "demo"
        elif {"role", "user_id"} & set(values or {}) and action == Crude.UPDATE:
            ground = ""  # no part of ClinChat does that
        else:
            ground = _ground(grounds.get((person, role, action), []), moment)
        first = first and not (action == Crude.CREATE and role == Role.ADMIN)
        by[ground or "none"] += 1
        if not ground:
            failing.append(str(pk))
    number = sum(by.values())
    observed = f"{number - len(failing)} of {number} role changes with requester, approver and reason"
    return Found(not failing, observed, number, failing, dict(by))


Values: TypeAlias = "Mapping[str, Sequence[str | None]]"
"""Columns with their old and new value."""


def _gives(values: Values) -> bool:
    """Whether the change of an assignment gives somebody a right: that it is suspended takes one away."""
    return bool({"role", "user_id"} & set(values)) or ("suspended_at" in values and values["suspended_at"][1] is None)


def _whose(values: Values, action: str) -> tuple[UUID | None, str]:
    """Of an assignment that was made or deleted: whose, and which role."""
    at = 1 if action == Crude.CREATE else 0
    nothing = (None, None)
    person, role = values.get("user_id", nothing)[at], values.get("role", nothing)[at]
    return (UUID(person) if person else None), str(role or "")


Grounds: TypeAlias = dict[tuple[UUID | None, str, str], list[tuple[datetime, str]]]


def _grounds() -> Grounds:
    """When which role of whom could rightly change, and why."""
    found: Grounds = defaultdict(list)
    for asked in RoleRequest.objects.filter(status=RoleRequest.Status.APPROVED).exclude(reason=""):
        if asked.decided_by_id in {asked.requested_by_id, asked.user_id, None} or asked.decided_at is None:
            continue
        action = Crude.CREATE if asked.kind == RoleRequest.Kind.GIVE else Crude.DELETE
        found[asked.user_id, asked.role, action].append((asked.decided_at, "request"))
    reviewed = {CampaignItem.Status.TAKEN: Crude.DELETE, CampaignItem.Status.KEPT: Crude.UPDATE}
    for item in CampaignItem.objects.filter(status__in=reviewed).exclude(decided_at=None):
        if item.decided_by_id not in {item.holder_id, item.grantor_id, None} and item.decided_at:
            action = reviewed[CampaignItem.Status(item.status)]
            found[item.holder_id, item.role, action].append((item.decided_at, "review"))
    for pk, closed_at in User.objects.filter(closed_because=User.Closed.LEFT).values_list("pk", "closed_at"):
        for role in Role.values:
            found[pk, role, Crude.DELETE] += [(closed_at, "left")] if closed_at else []
    return found


def _ground(grounds: list[tuple[datetime, str]], moment: datetime) -> str:
    return next((why for at, why in grounds if abs(moment - at) <= AROUND), "")


# ── What takes two people ──────────────────────────────────────────────────────────────────────────────────────


def role_duties() -> Iterator[Duty]:
    for one in RoleRequest.objects.filter(status=RoleRequest.Status.APPROVED).exclude(decided_at=None):
        if one.decided_at:
            requester, approver = one.requested_by_id, one.decided_by_id
            yield duties.Duty("role", str(one.pk), requester, approver, one.decided_at, about=one.user_id)


def purge_duties() -> Iterator[Duty]:
    for one in AuditPurge.objects.filter(status=AuditPurge.Status.DONE):
        if one.decided_at:
            yield duties.Duty("purge", str(one.pk), one.requested_by_id, one.decided_by_id, one.decided_at)


def term_duties() -> Iterator[Duty]:
    for one in MaskTerm.objects.filter(status__in=[MaskTerm.Status.APPROVED, MaskTerm.Status.ENDED]):
        if one.decided_at:
            yield duties.Duty("term", str(one.pk), one.proposed_by_id, one.decided_by_id, one.decided_at)
        if one.ended_at:
            yield duties.Duty("end of term", str(one.pk), one.end_proposed_by_id, one.ended_by_id, one.ended_at)


def exception_duties() -> Iterator[Duty]:
    for one in ControlException.objects.exclude(approved_at=None):
        if one.approved_at:
            yield duties.Duty("exception", str(one.pk), one.requested_by_id, one.decided_by_id, one.approved_at)


def register_duties() -> None:
    duties.register("roles", role_duties)
    duties.register("purges", purge_duties)
    duties.register("terms", term_duties)
    duties.register("exceptions", exception_duties)


register_duties()


@check("sod.four_eyes", zero_ok=True, seconds=15)
def four_eyes() -> Found:
    """Every act that took two people, ever: who asked, who approved, whom it is about and who carried it out.

    Who approves carries it out in the same step unless the act names somebody else. That both factors were shown at
    most ten minutes before is what the act itself keeps, or else a sign-in of the approver in the audit trail; acts
    older than the oldest event there cannot be asked about that. Who asks has shown both factors to be signed in.
    """
    found = [duty for of in duties.kinds().values() for duty in of()]
    proofs = _proofs({duty.approver for duty in found if duty.approver and duty.proved_at is None})
    oldest = AuditEvent.objects.aggregate(at=Min("timestamp"))["at"] or clock.now()
    failing, together = [], defaultdict[str, set[UUID | None]](set)
    for duty in found:
        if why := _one_pair_of_eyes(duty, proofs, oldest):
            failing.append(f"{duty.kind} {duty.id}: {why}")
        elif duty.together:
            if duty.approver in together[duty.together]:
                failing.append(f"{duty.kind} {duty.id}: approved twice by one")
            together[duty.together].add(duty.approver)
    by = Counter(duty.kind for duty in found)
    kinds: list[JSON] = [*sorted(duties.kinds())]
    evidence: dict[str, JSON] = {"kinds": kinds, **by}
    observed = f"{len(failing)} violations in {len(found)} acts of two people"
    return Found(not failing, observed, len(found), failing, evidence)


def _one_pair_of_eyes(duty: Duty, proofs: dict[UUID, list[datetime]], oldest: datetime) -> str:
    """What is wrong with the act; nothing when it is in order."""
    if duty.requester is None or duty.approver is None:
        return "somebody is missing"
    if duty.approver in {duty.requester, duty.about} or duty.done_by in {duty.requester, duty.about} - {None}:
        return "the same person"
    if duty.proved_at is not None:
        return "" if duty.at - PROOF <= duty.proved_at <= duty.at + AROUND else "not proved before"
    if duty.at < oldest + PROOF:
        return ""
    moments = proofs.get(duty.approver, [])
    place = bisect_left(moments, duty.at - PROOF)
    return "" if place < len(moments) and moments[place] <= duty.at + AROUND else "not proved before"


def _proofs(people: set[UUID]) -> dict[UUID, list[datetime]]:
    """When each of them showed both factors, by the audit trail, in order."""
    found: dict[UUID, list[datetime]] = defaultdict(list)
    proved = AuditEvent.objects.filter(
        code=Code.AUTHN_LOGIN_SUCCESS, outcome=Outcome.SUCCESS, actor_id__in=people, detail__has_key="factor"
    )
    for actor, moment in proved.order_by("timestamp").values_list("actor_id", "timestamp"):
        if actor:
            found[actor].append(moment)
    return found


# ── Whose things are ───────────────────────────────────────────────────────────────────────────────────────────


@check("rbac.object_level_canary", seconds=15)
def object_level() -> Found:
    """One of everything that is somebody's, made for a canary, and what a stranger with the same roles gets there.

    So that an address that answers nobody is no proof, its owner asks as well.
    """
    if not belongings.kinds():
        raise CannotLook("no app has said what belongs to one person")
    owner = canary.person(Role.CLINICIAN, cleared=True, can_type=False)
    stranger = canary.person(Role.CLINICIAN, Role.DEPARTMENT_HEAD, cleared=True, can_type=False)
    User.objects.filter(pk=owner.user.pk).update(department="Canary (one ward)")
    User.objects.filter(pk=stranger.user.pk).update(department="Canary (another ward)")
    with visits.apart("rbac.object_level_canary"):
        failing, answers = _asked_for(owner, stranger)
    observed = f"{len(answers) - len(failing)} of {len(answers)} kinds answer 404 to a stranger"
    return Found(not failing, observed, max(len(answers), len(failing)), failing, answers)


def _asked_for(owner: Canary, stranger: Canary) -> tuple[list[str], dict[str, int]]:
    """What is wrong, and the status a stranger gets of each kind."""
    failing, answers = [], {}
    for kind in belongings.kinds():
        address = kind.make(owner.user)
        status = stranger.client.get(address).status_code
        answers[kind.kind] = status
        if status != 404:
            failing.append(f"{kind.kind}: {status} to a stranger")
        if kind.open_to_owner and (own := owner.client.get(address).status_code) != 200:
            failing.append(f"{kind.kind}: {own} to its owner")
    return failing, answers


# ── Emergencies ────────────────────────────────────────────────────────────────────────────────────────────────


@check("breakglass.works", seconds=15)
def break_glass_works() -> Found:
    """A canary takes emergency access to what is another canary's, through the pages, and it ends by itself."""
    kind = next((one for one in belongings.kinds() if one.emergency), None)
    if kind is None:
        raise CannotLook("no app has said what an emergency opens")
    with visits.apart("breakglass.works"):
        return _tried(kind)


def _tried(kind: Belonging) -> Found:
    officers = {person.pk for person in _officers()}
    owner = canary.person(Role.CLINICIAN, cleared=True, signed_in=False, can_type=False)
    address = kind.make(owner.user)
    taker = canary.person(Role.CLINICIAN, cleared=True, can_type=False)
    halfway = canary.person(Role.CLINICIAN, cleared=True, verified=False, can_type=False)
    steps: dict[str, bool] = {
        "closed before": taker.client.get(address).status_code == 404,
        "not without a second factor": not _takes(halfway, address, REASON),
        "not without a reason": not _takes(taker, address, ""),
    }
    began = time.monotonic()
    steps["opens"] = _takes(taker, address, REASON) and taker.client.get(address).status_code == 200
    seconds = time.monotonic() - began
    steps["within a minute"] = seconds <= OPENS_SECONDS
    access = BreakGlass.objects.filter(user=taker.user).first()
    if access is not None:
        steps["at most an hour"] = access.ends_at - access.started_at <= timedelta(minutes=60)
        told = Notice.objects.filter(url=reverse("emergency-review", args=[access.pk]))
        steps["officials told"] = bool(officers & set(told.values_list("user_id", flat=True)))
        steps["waits for review"] = BreakGlass.objects.waiting().filter(pk=access.pk).exists()
        _an_hour_later(access)
        steps["ends by itself"] = taker.client.get(address).status_code == 404
    failing = [name for name, right in steps.items() if not right]
    observed = f"opened in {seconds:.1f} s; {len(steps) - len(failing)} of {len(steps)} steps as they should be"
    return Found(not failing, observed, len(steps), failing, {"seconds": round(seconds, 2), "officials": len(officers)})


def _officers() -> list[User]:
    from compliance import notices

    return notices.holders(Role.PRIVACY_OFFICER) or notices.holders(Role.COMPLIANCE_MANAGER)


def _takes(who: Canary, address: str, reason: str) -> bool:
    """Whether the form for it, filled in so, gives the person an access."""
    visits.send(who.client, "POST", reverse("emergency"), {"what": address, "reason": reason})
    return BreakGlass.objects.filter(user=who.user).exists()


def _an_hour_later(access: BreakGlass) -> None:
    """As if it had been taken an hour and a minute before."""
    later = timedelta(minutes=61)
    BreakGlass.objects.filter(pk=access.pk).update(
        started_at=access.started_at - later,
        ends_at=access.ends_at - later,
        review_due_at=access.review_due_at - later,
    )


@check("breakglass.reviewed", zero_ok=True, seconds=5)
def break_glass_reviewed() -> Found:
    """Every emergency access of the last 90 days: who judged it, and how soon; older ones as long as they wait.

    The portal reminds of them after 72 hours (compliance.models.emergency.REVIEW_WITHIN); what counts here is a day.
    """
    now = clock.now()
    taken = BreakGlass.objects.filter(started_at__gte=now - REVIEWS_OF) | BreakGlass.objects.waiting()
    failing, hours = [], [0.0]
    uses = list(taken.distinct().order_by("started_at"))
    for use in uses:
        took = (use.reviewed_at or now) - use.started_at
        hours.append(took.total_seconds() / 3600)
        if use.reviewed_by_id == use.user_id:
            failing.append(f"by who took it: {use.pk}")
        elif took > REVIEWED_WITHIN:
            failing.append(f"{'late' if use.reviewed_at else 'not reviewed'}: {use.pk}")
    observed = f"{len(uses) - len(failing)} of {len(uses)} emergency accesses reviewed in 24 hours, or in time yet"
    return Found(not failing, observed, len(uses), failing, {"longest_hours": round(max(hours), 1)})

"""The quarterly review: every role somebody holds is confirmed by somebody else, or suspends itself.

A grant is confirmed or taken away by neither its holder nor who granted it. The database insists on that too. Nobody
is locked out by nobody's doing anything: the last administrator and the last security officer keep their roles, and
are told about instead.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from clinchat.lib import clock
from compliance import notices
from compliance.access import people, refusals
from compliance.access.roles import Action, Role, permitted_roles
from compliance.models import Campaign, CampaignItem, Notice, RoleAssignment, User

Status = CampaignItem.Status
WITHIN = timedelta(days=30)
LAST_STAYS = (Role.ADMIN, Role.SECURITY_OFFICER)
"""Of each of these roles one holder always remains: together they can confirm everybody else again."""
PAGE = "/compliance/recertification/"


class AlreadyOpen(Exception):
    """This quarter has its campaign."""


class NotEverywhere(Exception):
    """A department head reviews a department; a campaign is about everybody."""


class NotYours(Exception):
    """The holder, who granted the role, and heads of other departments do not decide on it."""


class AlreadyDecided(Exception):
    """Somebody decided before, or the role ended meanwhile."""


def quarter(now: datetime) -> str:
    """2026 Q4, by the clock of the hospital."""
    local = timezone.localtime(now)
    return f"{local.year} Q{(local.month + 2) // 3}"


def open_campaign(*, by: User | None = None) -> Campaign:
    """A campaign of this quarter with every role that counts now; `by` is None for the schedule.

    Raises AlreadyOpen and NotEverywhere.
    """
    if by is not None and not people.everywhere(by, Action.RECERTIFY):
        raise NotEverywhere
    now = clock.now()
    try:
        with transaction.atomic():
            campaign = Campaign.objects.create(name=quarter(now), opened_at=now, opened_by=by, due_at=now + WITHIN)
            CampaignItem.objects.bulk_create(
                CampaignItem(
                    campaign=campaign,
                    assignment=grant,
                    holder_id=grant.user_id,
                    role=grant.role,
                    grantor_id=grant.granted_by_id,
                )
                for grant in RoleAssignment.objects.live()
            )
            notices.tell(
                able(),
                title=f"Roles to confirm: {campaign.name}",
                text="Confirm the roles you can vouch for within 30 days. Those nobody confirms suspend themselves.",
                url=PAGE,
            )
    except IntegrityError:
        if Campaign.objects.filter(name=quarter(now)).exists():
            raise AlreadyOpen from None
        raise
    return campaign


def open_if_due() -> Campaign | None:
    """This quarter's campaign, if there is none yet and a role is older than the quarter. For the schedule."""
    local = timezone.localtime(clock.now())
    began = local.replace(month=3 * ((local.month - 1) // 3) + 1, day=1, hour=0, minute=0, second=0, microsecond=0)
    if Campaign.objects.filter(opened_at__gte=began).exists():
        return None
    if not RoleAssignment.objects.live().filter(granted_at__lt=began).exists():
        return None
    try:
        return open_campaign()
    except AlreadyOpen:
        return None


def able() -> list[User]:
    """The people who may confirm roles at all."""
    return notices.holders(*permitted_roles(Action.RECERTIFY))


def deciders(item: CampaignItem, able: Collection[User]) -> list[User]:
    """Those of `able` who may decide on this one."""
    return [person for person in able if may_decide(person, item)]


def may_decide(person: User, item: CampaignItem) -> bool:
    """Whether somebody who may confirm roles may decide on this one."""
    return person.pk not in {item.holder_id, item.grantor_id} and people.rule(person, Action.RECERTIFY, item.holder)


def stuck(items: Iterable[CampaignItem]) -> list[CampaignItem]:
    """Those of the undecided items that nobody here may decide on."""
    able_now = able()
    return [item for item in items if not deciders(item, able_now)]


def keep(*, item_id: UUID, by: User) -> CampaignItem:
    """Confirm the role; one that had suspended itself counts again. Raises NotYours and AlreadyDecided."""
    item = _for_second_person(item_id, by)
    with transaction.atomic():
        people.one_at_a_time()
        _conclude(item, by, Status.KEPT)
        resumed = RoleAssignment.objects.filter(user=item.holder, role=item.role).exclude(suspended_at=None)
        if resumed.update(suspended_at=None):
            people.roles_changed(item.holder)
            _tell_holder(item, title="Your role counts again", text=f"{by.name} confirmed it.")
    return item


def take(*, item_id: UUID, by: User) -> CampaignItem:
    """Take the role away. Raises NotYours, AlreadyDecided and people.LastAdministrator."""
    item = _for_second_person(item_id, by)
    with transaction.atomic():
        people.one_at_a_time()
        _conclude(item, by, Status.TAKEN)
        people.take_role(user=item.holder, role=Role(item.role))
        _tell_holder(item, title="A role was taken away", text=f"{by.name} did not confirm it.")
    return item


def _for_second_person(item_id: UUID, by: User) -> CampaignItem:
    """The item, for somebody who may decide on it. Raises NotYours, on record."""
    item = CampaignItem.objects.select_related("holder", "assignment").get(pk=item_id)
    if not may_decide(by, item):
        refusals.second_person_needed(by, Action.RECERTIFY, item)
        raise NotYours
    return item


def _conclude(item: CampaignItem, by: User, status: CampaignItem.Status) -> None:
    """Decide, if nobody has and the role still exists, whoever else may be deciding at this moment."""
    still_there = CampaignItem.objects.undecided().filter(pk=item.pk, assignment__isnull=False)
    item.status, item.decided_by, item.decided_at = status, by, clock.now()
    if not still_there.update(status=status, decided_by=by, decided_at=item.decided_at):
        raise AlreadyDecided
    # The same grant may still be undecided in an earlier campaign: one word counts for both.
    again = CampaignItem.objects.undecided().filter(assignment=item.assignment_id)
    again.update(status=status, decided_by=by, decided_at=item.decided_at)


def suspend_overdue() -> int:
    """Suspend every grant that nobody confirmed in time; returns how many. Safe to repeat."""
    now = clock.now()
    overdue = CampaignItem.objects.filter(status=Status.OPEN, campaign__due_at__lte=now)
    overdue.filter(assignment=None).update(status=Status.GONE)
    suspended: list[CampaignItem] = []
    for pk in list(overdue.order_by("assignment__granted_at", "pk").values_list("pk", flat=True)):
        with transaction.atomic():
            people.one_at_a_time()
            item = overdue.select_related("holder", "assignment").filter(pk=pk, assignment__isnull=False).first()
            if item is not None and _suspend(item, now):
                suspended.append(item)
    if suspended:
        notices.tell(
            notices.holders(Role.SECURITY_OFFICER),
            title=f"{len(suspended)} role{'s' if len(suspended) > 1 else ''} suspended",
            text="Nobody confirmed them in time. A second person can still confirm them.",
            url=PAGE,
            level=Notice.Level.WARNING,
        )
    return len(suspended)


def _suspend(item: CampaignItem, now: datetime) -> bool:
    """False when it is the last of its kind: then security officers are told, once."""
    role = Role(item.role)
    if role in LAST_STAYS and people.last_holder(item.holder, role):
        _flag(item, now)
        return False
    RoleAssignment.objects.filter(user=item.holder, role=item.role).update(suspended_at=now)
    CampaignItem.objects.filter(pk=item.pk).update(status=Status.SUSPENDED)
    people.roles_changed(item.holder)
    _tell_holder(
        item,
        title="A role of yours is suspended",
        text="Nobody confirmed it in time. Ask your department head or a security officer to confirm it.",
    )
    return True


def _flag(item: CampaignItem, now: datetime) -> None:
    if not CampaignItem.objects.filter(pk=item.pk, flagged_at=None).update(flagged_at=now):
        return
    notices.tell(
        notices.holders(Role.SECURITY_OFFICER, Role.ADMIN),
        title=f"Unconfirmed: the last {Role(item.role).label.lower()}",
        text=f"Nobody confirmed the role of {item.holder.name} in time. It stays, because nobody else holds it.",
        url=PAGE,
        level=Notice.Level.CRITICAL,
    )


def _tell_holder(item: CampaignItem, *, title: str, text: str) -> None:
    notices.tell([item.holder], title=title, text=f"{Role(item.role).label}. {text}", level=Notice.Level.WARNING)

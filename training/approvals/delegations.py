"""Deciding for somebody else: in one stage, for fourteen days at most. The only writer of delegations."""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.urls import reverse

from clinchat.lib import clock, ui_tags
from compliance import notices
from compliance.access.roles import Action, Role, permitted_roles
from compliance.models import User
from training import standing
from training.approvals.transitions import TABLE
from training.models import Delegation
from training.models.approvals import APPROVALS, LONGEST_DELEGATION, NAMES, Step

LONGEST_DAYS: Final = LONGEST_DELEGATION.days


class NotYourPower(Exception):
    """Somebody gives only what they hold themselves, by a role and not by another delegation."""


class NotToThem(Exception):
    """The delegate has an open account, a role that decides on access, and valid certificates; and is another."""


class TooLong(Exception):
    """One day at least, fourteen at most."""


class NoReason(Exception):
    """A delegation says why."""


class Over(Exception):
    """It has ended, or is not theirs to end."""


def own_powers(person: User) -> list[Step]:
    """The stages the person may decide in by a role of their own, and so give to somebody."""
    return [step for step in APPROVALS if TABLE[step].roles & person.roles]


def possible_delegates(person: User) -> list[User]:
    """Who could decide for the person. Whether they hold valid certificates is asked when it is given."""
    return [one for one in notices.holders(*permitted_roles(Action.DECIDE_ACCESS)) if one.pk != person.pk]


@transaction.atomic
def give(*, owner: User, delegate: User, step: Step, days: int, reason: str) -> Delegation:
    """`reason` is masked already. Raises NotYourPower, NotToThem, TooLong and NoReason."""
    if step not in own_powers(owner):
        raise NotYourPower
    if not _may_take(delegate) or delegate.pk == owner.pk:
        raise NotToThem
    if not 1 <= days <= LONGEST_DAYS:
        raise TooLong
    if not reason.strip():
        raise NoReason
    now = clock.now()
    given = Delegation.objects.create(
        owner=owner,
        delegate=delegate,
        step=step,
        starts_at=now,
        ends_at=now + timedelta(days=days),
        reason=reason.strip(),
    )
    notices.tell(
        [delegate],
        title=f"You decide for {owner.name}",
        text=f"What it is about: {NAMES[step]}. Until {ui_tags.day(given.ends_at)}.",
        url=reverse("delegations"),
        mail=True,
    )
    return given


@transaction.atomic
def end(*, delegation_id: UUID, by: User) -> Delegation:
    """Its owner takes it back, or the delegate gives it back, at once. Raises Over."""
    now = clock.now()
    held = Delegation.objects.select_for_update().filter(pk=delegation_id, ended_at=None, ends_at__gt=now).first()
    if held is None or by.pk not in {held.owner_id, held.delegate_id}:
        raise Over
    held.ended_at = now
    held.save(update_fields=["ended_at"])
    return held


def _may_take(person: User) -> bool:
    decides = permitted_roles(Action.DECIDE_ACCESS) & {Role(role) for role in person.roles}
    return bool(person.is_active and not person.is_service and decides and standing.holds_certificates(person))

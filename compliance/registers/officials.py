"""Who was named to which office, and when: security and privacy officials, the compliance manager, their deputies."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from clinchat.lib import clock
from compliance.access import factors
from compliance.controls.attestations import OFFICES
from compliance.models import Official, User


class AccountClosed(Exception):
    """The account is closed, or belongs to a program."""


class NoRole(Exception):
    """Whoever holds an office holds its role; a deputy holds one of the three."""


class NoFactor(Exception):
    """Whoever holds an office signs in with a second factor."""


class HoldsIt(Exception):
    """The person holds this office, as its official or as the deputy; nobody deputizes for themselves."""


class Relieved(Exception):
    """They do not hold the office any more."""


@transaction.atomic
def name(*, office: Official.Office, deputy: bool, person: User, by: User) -> Official:
    """Name somebody to an office; whoever held it until now is relieved.

    Raises AccountClosed, NoRole, NoFactor, HoldsIt.
    """
    now = clock.now()
    held = Official.objects.select_for_update().filter(office=office, until=None)
    if held.filter(person=person).exists():
        raise HoldsIt
    check(office, person, deputy=deputy)
    held.filter(deputy=deputy).update(until=now)
    return Official.objects.create(office=office, deputy=deputy, person=person, since=now, named_by=by)


def check(office: Official.Office, person: User, *, deputy: bool) -> None:
    """Whether they can hold the office. Raises AccountClosed, NoRole, NoFactor."""
    if not person.is_active or person.is_service:
        raise AccountClosed
    fit = frozenset(OFFICES.values()) if deputy else {OFFICES[Official.Office(office)]}
    if person.roles.isdisjoint(fit):
        raise NoRole
    if not factors.has_factor(person):
        raise NoFactor


@transaction.atomic
def relieve(*, official_id: UUID) -> Official:
    """They hold the office no longer, and nobody does until somebody is named. Raises Relieved."""
    official = Official.objects.select_for_update().get(pk=official_id)
    if official.until is not None:
        raise Relieved
    official.until = clock.now()
    official.save(update_fields=["until"])
    return official

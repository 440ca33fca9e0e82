"""Telling people something inside the portal. The only writer of notices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db.models import Case, Count, IntegerField, QuerySet, Value, When, Window

from clinchat.lib import clock
from compliance.access.decisions import allows
from compliance.access.roles import Action, Role
from compliance.models import Notice, User

ON_A_PAGE = 3
"""So many stand on each page; the others are on the page of all notices."""


@dataclass(frozen=True)
class Shown:
    """What stands on a page: the most serious first, and how many more there are."""

    first: Sequence[Notice]
    more: int
    may_dismiss: bool = False


def tell(
    people: Iterable[User],
    *,
    title: str,
    text: str,
    url: str = "",
    level: Notice.Level = Notice.Level.INFO,
    mail: bool = False,
) -> int:
    """One notice to each person, shown on their pages until they dismiss it; returns to how many.

    No patient data in any part of it. With `mail` it also goes out by e-mail, once the transaction is committed, to
    whoever has not turned that off (compliance.mail).
    """
    told = [notice(person, title=title, text=text, url=url, level=level, mail=mail) for person in set(people)]
    return len(Notice.objects.bulk_create(told))


def notice(
    person: User,
    *,
    title: str,
    text: str,
    url: str = "",
    level: Notice.Level = Notice.Level.INFO,
    mail: bool = False,
) -> Notice:
    """One for `tell_each`, not saved yet. Title and text are cut off where a notice has no room for them."""
    waits = Notice.Mail.WAITING if mail and person.mails and settings.MAIL_URL else ""
    return Notice(user=person, title=title[:120], text=text[:500], url=url, level=level, mail=waits)


def tell_each(notices: Iterable[Notice]) -> None:
    """As `tell`, where each person is told something else: unsaved notices, one statement for many."""
    Notice.objects.bulk_create(notices, batch_size=1_000)


def everybody() -> list[User]:
    """The people with open accounts. A program reads no notice and counts as nobody."""
    return list(_people())


def holders(*roles: Role) -> list[User]:
    """Those of `everybody` who hold one of the roles now."""
    held = _people().filter(role_assignments__role__in=roles, role_assignments__suspended_at=None)
    return list(held.distinct())


def dismiss(user: User, notice_id: UUID) -> None:
    """The person has read it. A notice of somebody else stays as it is."""
    Notice.objects.unread(user).filter(pk=notice_id).update(read_at=clock.now())


def dismiss_all(user: User) -> int:
    """The person has read all of them; returns how many there were."""
    return Notice.objects.unread(user).update(read_at=clock.now())


def shown(user: User) -> Shown:
    """The unread notices for a page of the person, in one query."""
    first = list(_by_weight(Notice.objects.unread(user)).annotate(unread=Window(Count("*")))[:ON_A_PAGE])
    if not first:
        return Shown([], 0)
    return Shown(first, first[0].unread - len(first), may_dismiss=allows(user, Action.OWN_SETTINGS))


def shown_to(viewer: User | AnonymousUser) -> Shown:
    """As `shown`, for whoever looks at a page: nothing before both factors were shown."""
    if not viewer.is_authenticated or not viewer.is_verified():
        return Shown([], 0)
    return shown(viewer)


def unread(user: User) -> QuerySet[Notice]:
    """All of them, the most serious first."""
    return _by_weight(Notice.objects.unread(user))


def read(user: User) -> QuerySet[Notice]:
    """Those the person has dismissed, the newest first."""
    return Notice.objects.filter(user=user).exclude(read_at=None)


def _people() -> QuerySet[User]:
    return User.objects.filter(is_active=True, is_service=False)


def _by_weight(notices: QuerySet[Notice]) -> QuerySet[Notice]:
    weight = Case(
        When(level=Notice.Level.CRITICAL, then=Value(0)),
        When(level=Notice.Level.WARNING, then=Value(1)),
        default=Value(2),
        output_field=IntegerField(),
    )
    return notices.order_by(weight, "-created_at")

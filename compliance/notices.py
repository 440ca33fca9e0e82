"""Telling people something inside the portal. The only writer of notices."""

from __future__ import annotations

from collections.abc import Iterable

from clinchat.lib import clock
from compliance.access.roles import Role
from compliance.models import Notice, User


def tell(
    people: Iterable[User], *, title: str, text: str, url: str = "", level: Notice.Level = Notice.Level.INFO
) -> None:
    """One notice to each person, shown on their pages until they dismiss it. No patient data in any part of it."""
    Notice.objects.bulk_create(
        Notice(user=person, title=title, text=text, url=url, level=level) for person in set(people)
    )


def holders(*roles: Role) -> list[User]:
    """The people with open accounts who hold one of the roles now."""
    held = User.objects.filter(is_active=True, role_assignments__role__in=roles, role_assignments__suspended_at=None)
    return list(held.distinct())


def dismiss(user: User, notice_id: object) -> None:
    """The person has read it. A notice of somebody else stays as it is."""
    Notice.objects.unread(user).filter(pk=notice_id).update(read_at=clock.now())

"""Open streams end when the right to them does: the session is ended, the account closed, a role taken, a network
blocked.

All streams of a process are looked at together, and only when `epoch` has changed: a stream costs nothing while nothing
happens, and two hundred of them cost one connection for a moment when something does.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING
from weakref import WeakSet

from django.db import connections

from clinchat.lib import clock
from clinchat.lib.http import AuthedRequest
from compliance import audit
from compliance.access import epoch, networks, sessions
from compliance.access.decisions import allows
from compliance.access.roles import Action

if TYPE_CHECKING:
    from uuid import UUID

    from compliance.models import User


class Watch:
    """Called by an open stream every second or so: whether its person may still have it."""

    def __init__(self, request: AuthedRequest, action: Action) -> None:
        row = getattr(request.session, "row", None)
        self.session: UUID | None = row.id if row else None
        self.source = audit.current().source
        self.action = action
        self.over = False
        self.number = epoch.current()
        _look_at([self], self.number)  # the session may have ended since the request began
        with _joining:
            _open.add(self)

    def __call__(self) -> bool:
        """Raises django.db.Error when it cannot be told. Holds no database connection afterwards."""
        if _looking.acquire(blocking=False):  # while another stream looks, it looks for this one too
            try:
                self.look()
            finally:
                _looking.release()
                connections.close_all()
        return not self.over

    def look(self) -> bool:
        """As `__call__`, on the connection of the caller, who has it to themselves."""
        number = epoch.current()
        if number != self.number:
            with _joining:
                others = list(_open)
            _look_at([one for one in others if one.number != number], number)
        return not self.over


_looking, _joining = threading.Lock(), threading.Lock()
_open: WeakSet[Watch] = WeakSet()


def _look_at(watches: Iterable[Watch], number: int) -> None:
    watches = list(watches)
    people = _people({one.session for one in watches if one.session})
    may: dict[tuple[UUID, Action], bool] = {}
    for one in watches:
        person = people.get(one.session)
        if person is not None and (person.pk, one.action) not in may:
            may[person.pk, one.action] = allows(person, one.action)
        one.over = one.over or person is None or not may[person.pk, one.action] or _blocked(one.source)
        one.number = number


def _people(wanted: set[UUID]) -> dict[UUID | None, User]:
    """By session, the people of those that are open, as a request would see them."""
    from compliance.models import Session

    found = Session.objects.filter(id__in=wanted, verified=True, user__is_active=True).select_related("user")
    now = clock.now()
    people: dict[UUID, User] = {}
    sessions_of: dict[UUID | None, User] = {}
    for row in found:
        if row.user is None or sessions.why_over(row, now):
            continue
        person = sessions_of[row.id] = people.setdefault(row.user.pk, row.user)
        vars(person)["otp_device"] = row  # what verified the session is not looked up again
    return sessions_of


def _blocked(source: str | None) -> bool:
    return bool(source and networks.blocked(source))

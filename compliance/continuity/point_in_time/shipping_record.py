"""What the portal is told of the log's shipping: a row, now and then, and that a copy is wanted for it to follow."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import timedelta

from django.db import DatabaseError, close_old_connections
from kombu.exceptions import OperationalError

from clinchat.lib import clock
from compliance.continuity.backup import backups
from compliance.continuity.point_in_time.base import written
from compliance.continuity.point_in_time.wal import Shipped
from compliance.continuity.refusals import ContinuityError
from compliance.models import Backup, WalShipping

logger = logging.getLogger("clinchat.continuity")

SECONDS = 15.0
"""From one row to the next. Each is something to ship, so that the log goes on where nobody writes."""
BASE_EVERY = timedelta(days=1)
_ASK_AGAIN = timedelta(hours=1)


@dataclass(frozen=True)
class Progress:
    """How it goes. What was shipped is that of the first store, which is the one that is read."""

    shipped: Shipped | None
    bytes: int
    """Put into all stores since the process began."""
    failure: str
    """In words; empty: none."""


class Record:
    """Keeps the row true, and asks for the copies without which the log is of no use."""

    def __init__(self) -> None:
        self._next, self._failure = 0.0, ""

    def __call__(self, progress: Progress) -> None:
        if progress.failure == self._failure and time.monotonic() < self._next:
            return
        self._next, self._failure = time.monotonic() + SECONDS, progress.failure
        try:
            close_old_connections()
            write(progress)
            if progress.shipped is not None:
                ask_for_copy(progress.shipped)
        except (DatabaseError, ContinuityError, OperationalError) as error:  # the log itself goes on
            logger.warning("not recorded: %s", type(error).__name__, extra={"code": "WAL_SHIPPING"})


def write(progress: Progress) -> None:
    """Into the row. While nothing was shipped yet there is none to say it in."""
    row = {"bytes": progress.bytes, "failure": progress.failure[:200], "updated_at": clock.now()}
    if shipped := progress.shipped:
        row |= {
            "since": shipped.since,
            "as_of": shipped.as_of,
            "position": written(shipped.position),
            "segment": shipped.segment(shipped.position // shipped.segment_bytes),
        }
        WalShipping.objects.update_or_create(pk=1, defaults=row)
    else:
        WalShipping.objects.filter(pk=1).update(**row)


def ask_for_copy(shipped: Shipped) -> None:
    """Have the server's files copied once a day, and when the log had to begin anew."""
    copies, now = Backup.objects.filter(kind=Backup.Kind.BASE), clock.now()
    usable = copies.filter(state=Backup.State.COMPLETE, as_of__gt=max(shipped.since, now - BASE_EVERY))
    if usable.exists() or copies.filter(requested_at__gt=now - _ASK_AGAIN, as_of=None).exists():
        return
    backups.request(type=Backup.Type.SCHEDULED, name="Copy for going back to a moment", kind=Backup.Kind.BASE)

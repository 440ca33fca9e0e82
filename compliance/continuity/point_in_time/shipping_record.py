"""Records the status of WAL shipping in the row of WalShipping, and requests the daily base backups."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import timedelta

from django.db import DatabaseError, close_old_connections
from kombu.exceptions import OperationalError

from clinchat.lib import clock
from compliance.continuity.backup import backups
from compliance.continuity.point_in_time.base import format_lsn
from compliance.continuity.point_in_time.wal import ShippedWal
from compliance.continuity.refusals import ContinuityError
from compliance.models import Backup, WalShipping

logger = logging.getLogger("clinchat.continuity")

SECONDS = 15.0
"""Between updates of the row. Each writes WAL, so that there is something to ship on an idle database too."""
BASE_EVERY = timedelta(days=1)
_RETRY_AFTER = timedelta(hours=1)


@dataclass(frozen=True)
class ShippingStatus:
    """The status after one round of shipping. `shipped` is the state of the primary store."""

    shipped: ShippedWal | None
    bytes: int
    """Bytes uploaded to all stores since the process started."""
    failure: str
    """What failed, in words; empty: nothing."""


class StatusRecorder:
    """Updates the row every SECONDS, at once when the failure changes, and requests base backups. Never raises."""

    def __init__(self) -> None:
        self._next_update, self._failure = 0.0, ""

    def __call__(self, status: ShippingStatus) -> None:
        if status.failure == self._failure and time.monotonic() < self._next_update:
            return
        self._next_update, self._failure = time.monotonic() + SECONDS, status.failure
        try:
            close_old_connections()
            update_row(status)
            if status.shipped is not None:
                request_base_backup(status.shipped)
        except (DatabaseError, ContinuityError, OperationalError) as error:  # shipping must go on
            logger.warning("not recorded: %s", type(error).__name__, extra={"code": "WAL_SHIPPING"})


def update_row(status: ShippingStatus) -> None:
    """Update the row; it is created once something was shipped."""
    row = {"bytes": status.bytes, "failure": status.failure[:200], "updated_at": clock.now()}
    if shipped := status.shipped:
        row |= {
            "since": shipped.since,
            "as_of": shipped.as_of,
            "position": format_lsn(shipped.position),
            "segment": shipped.segment_name(shipped.position // shipped.segment_bytes),
        }
        WalShipping.objects.update_or_create(pk=1, defaults=row)
    else:
        WalShipping.objects.filter(pk=1).update(**row)


def request_base_backup(shipped: ShippedWal) -> None:
    """Request a base backup where the last is a day old, or older than the gapless WAL (`shipped.since`)."""
    base_backups, now = Backup.objects.filter(kind=Backup.Kind.BASE), clock.now()
    usable = base_backups.filter(state=Backup.State.COMPLETE, as_of__gt=max(shipped.since, now - BASE_EVERY))
    if usable.exists() or base_backups.filter(requested_at__gt=now - _RETRY_AFTER, as_of=None).exists():
        return
    backups.request(type=Backup.Type.SCHEDULED, name="Copy for going back to a moment", kind=Backup.Kind.BASE)

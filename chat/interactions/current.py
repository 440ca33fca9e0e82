"""The table in use, with what the hospital changed in it, as every process knows it: at most a second old.

When the database is away the last state that this process read goes on, else the copy in a file, else the release in
the image. A check says which.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.db.models import Count, Max
from django.db.models.functions import Greatest

from chat import days
from chat.interactions import backup, release, selftest
from chat.interactions.backup import Change, Copy
from chat.interactions.names import Names
from chat.interactions.release import Damaged, Release
from chat.interactions.table import Table
from chat.interactions.types import USUAL_ALERT, Drug, DrugClass, Interaction, Local, Severity, Source
from chat.models import DrugTable, LocalInteraction
from clinchat.lib import clock

logger = logging.getLogger(__name__)
FRESH_SECONDS: Final = 1.0
KEPT_FOR: Final = timedelta(minutes=1)


class Unavailable(Exception):
    """No check can be made: no table passes its self-test."""


@dataclass(frozen=True)
class Current:
    """A sound table and the changes that are in force. `version` names this state, `at` is when it was read."""

    table: Table
    changes: Mapping[tuple[str, str], Change]
    version: str
    at: datetime
    from_backup: bool = False

    @property
    def names(self) -> Names:
        return self.table.names

    @property
    def drugs(self) -> Mapping[str, Drug]:
        return self.table.drugs

    @property
    def classes(self) -> Mapping[str, DrugClass]:
        return self.table.classes

    def interaction(self, a: str, b: str) -> Interaction | None:
        """What the table says of two ingredients, as the hospital changed it."""
        pair = (a, b) if a < b else (b, a)
        shipped = self.table.interaction(*pair)
        change = self.changes.get(pair)
        if change is None or change.local.expires < days.today():
            return shipped
        return changed(change, shipped)


def changed(change: Change, shipped: Interaction | None) -> Interaction:
    """A pair as a hospital changed it. The source of the change stands first."""
    local = replace(change.local, shipped=shipped.severity if shipped else None)
    own = Source(change.source_name, change.source_ref)
    alert = USUAL_ALERT[change.severity]
    if shipped:
        sources = (own, *shipped.sources)
        return replace(shipped, severity=change.severity, alert=alert, sources=sources, local=local)
    words = (change.mechanism, change.effect, change.management)
    return Interaction(change.a, change.b, change.severity, alert, *words, sources=(own,), local=local)


class _Seen:
    """The state as this process last read it, and the tables it holds by the SHA-256 of their release."""

    lock = threading.RLock()
    at = float("-inf")
    state: Current | None = None
    tables: dict[str, Table] = {}


def current() -> Current:
    """The table to check with. One query a second in each process, at most. Raises Unavailable.

    While one thread asks, others go on with the state before.
    """
    if time.monotonic() - _Seen.at >= FRESH_SECONDS and _Seen.lock.acquire(blocking=_Seen.state is None):
        try:
            _Seen.state = _read(_Seen.state)
            _Seen.at = time.monotonic()
        finally:
            _Seen.lock.release()
    if _Seen.state is None:  # unreachable but for a failure in another thread
        raise Unavailable
    return _Seen.state


def forget() -> None:
    """Ask the database at the next check."""
    with _Seen.lock:
        _Seen.at = float("-inf")


def _read(before: Current | None) -> Current:
    try:
        version = state_of_database()
        if before and before.version == version and not before.from_backup:
            return before
        found = _from_database(version)
    except (DatabaseError, InterfaceError, Damaged) as error:
        logger.warning("interactions: the database cannot be used (%s), the backup is", type(error).__name__)
        return replace(before, from_backup=True) if before else from_backup()
    keep_copy(found)
    return found


def state_of_database() -> str:
    """Another one whenever a release came into use, or a change was approved or ended. Raises DatabaseError."""
    used = DrugTable.objects.filter(in_use=True).values_list("sha256", flat=True).first() or ""
    found = LocalInteraction.objects.filter(decided_at__isnull=False).aggregate(
        # Moments are of before the commit, so two changes can show in either order: each is counted by itself.
        decided=Count("decided_at"),
        ended=Count("ended_at"),
        last=Max(Greatest("decided_at", "ended_at")),
    )
    return f"{used} {found['decided']} {found['ended']} {found['last'].isoformat() if found['last'] else ''}"


def _from_database(version: str) -> Current:
    used = DrugTable.objects.filter(in_use=True).first()
    shipped = release.shipped()
    wanted = release.unpack(bytes(used.packed)) if used and used.sha256 != shipped.sha256 else shipped
    changes = {(row.a, row.b): change_of(row) for row in LocalInteraction.objects.in_force(days.today())}
    return Current(sound(wanted), changes, version, clock.now())


def from_backup() -> Current:
    """The state in the file, else the release in the image without changes. Raises Unavailable."""
    copy = backup.read(folder())
    if copy:
        return Current(sound(copy.release), copy.changes, copy.version, copy.at, from_backup=True)
    try:
        return Current(sound(release.shipped()), {}, "", clock.now(), from_backup=True)
    except Damaged as error:  # the files in the image themselves
        logger.error("interactions: %s", error.reason)
        raise Unavailable from None


def sound(wanted: Release) -> Table:
    """The release as a table that passes its self-test. Raises Unavailable; what failed is in the log."""
    if wanted.sha256 not in _Seen.tables:
        try:
            table = Table(wanted)
        except Damaged as error:
            logger.error("interactions: %s", error.reason)
            raise Unavailable from None
        if failed := selftest.failures(table):
            logger.error("interactions: the self-test failed: %s", ", ".join(failed))
            raise Unavailable
        _Seen.tables = {wanted.sha256: table}
    return _Seen.tables[wanted.sha256]


def keep_copy(state: Current) -> None:
    """Write the copy in a file; a check does not fail where that is not possible."""
    try:
        backup.write(folder(), Copy(state.table.release, state.changes, state.version, clock.now()))
    except OSError as error:
        logger.warning("interactions: the backup could not be written: %s", type(error).__name__)


def keep_fresh() -> None:
    """Write the copy again if it is older than a minute or another state than that of the database.

    While the database is away the copy stays as it is, so that its age tells the truth.
    """
    state = current()
    if state.from_backup:
        return
    copy = backup.read(folder())
    if copy is None or copy.version != state.version or clock.now() - copy.at > KEPT_FOR:
        keep_copy(state)


def folder() -> Path:
    return Path(settings.INTERACTIONS_BACKUP)


def change_of(row: LocalInteraction) -> Change:
    """A row as the check uses it."""
    shipped = Severity(row.shipped) if row.shipped else None
    return Change(
        row.a,
        row.b,
        Severity(row.severity),
        row.mechanism,
        row.effect,
        row.management,
        row.source_name,
        row.source_ref,
        Local(str(row.pk), shipped, row.reason, row.expires_on),
    )

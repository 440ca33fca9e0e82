"""A restore, step by step. Until the last step the live database is only read; that step exchanges two names.

All is made ready in a database beside it: what was found and what was checked, that the restore is done, and the event
that tells of the gap. So whoever dies, and when, one of the two is live and says the truth of itself.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import psycopg
from django.db import DatabaseError, transaction

from clinchat.lib import clock, ui_tags
from compliance.access import epoch
from compliance.audit import gaps, triggers, verify
from compliance.continuity import maintenance, wall
from compliance.continuity.backup import backups, figures
from compliance.continuity.refusals import ContinuityError
from compliance.continuity.restore import databases, deciding, keeping, loading, sources
from compliance.continuity.restore.keeping import Old
from compliance.models import AuditVerification, Backup, Restore

State = Restore.State
STEPS: Final = tuple(deciding.STEPS)
BEING_RESTORED: Final = "A backup is being restored. You can read what is there."
logger = logging.getLogger("clinchat.continuity")


class Unsound(ContinuityError):
    """What was restored is not what it must be. The live database was not touched."""


@dataclass(frozen=True)
class Names:
    """The databases of one restore."""

    live: str
    new: str
    before: str


def names(restore_id: UUID) -> Names:
    """What the databases of that restore are called, whether or not they are there."""
    live = databases.live_name()
    return Names(live, f"{live}_restore_{restore_id.hex[:8]}", f"{live}_before_{restore_id.hex[:8]}")


def run(restore_id: UUID) -> None:
    """Carry out a restore that was approved; one that was not, or was before, is left alone.

    Whatever fails is said in its row, and nothing has changed then. Raises databases.AnotherRuns.
    """
    with databases.hold(restore_id) as held:
        restore = _begin(restore_id)
        if restore is None:
            return
        work = _Work(held, restore, names(restore_id))
        try:
            work.do()
        except BaseException as error:
            with databases.connect(databases.CONTROL) as control:  # the other connection may be what was lost
                abandon(control, restore_id, failure=_words(error), step=work.step)
            if not isinstance(error, Exception):
                raise
            logger.error("restore %s failed at %s", restore_id, work.step, extra={"code": "RESTORE_FAILED"})
        finally:
            databases.leave()
            maintenance.forget()


def abandon(control: psycopg.Connection, restore_id: UUID, *, failure: str, step: str = "") -> None:
    """Remove what an unfinished restore made, let the live database be written to, and say in its row that it failed.

    One whose databases were exchanged is done, and says so itself: nothing is left to do.
    """
    there = names(restore_id)
    databases.leave()
    if databases.frozen(control, there.live):
        databases.thaw(control, there.live)
    databases.drop(control, there.new)
    with transaction.atomic():
        ended = Restore.objects.select_for_update().filter(pk=restore_id, state__in=(State.APPROVED, State.RUNNING))
        for restore in ended:
            restore.state, restore.failure, restore.finished_at = State.FAILED, failure[:200], clock.now()
            restore.step = step or restore.step
            restore.save(update_fields=["state", "step", "failure", "finished_at"])
            if restore.undoes_id:
                Restore.objects.filter(pk=restore.undoes_id, state=State.UNDONE).update(state=State.DONE)
            else:
                with suppress(maintenance.Refused):
                    maintenance.end(kind=maintenance.Kind.RESTORE)


def _begin(restore_id: UUID) -> Restore | None:
    begun = Restore.objects.filter(pk=restore_id, state=State.APPROVED)
    if not begun.update(state=State.RUNNING, started_at=clock.now()):
        return None
    return Restore.objects.select_related("backup", "requested_by").get(pk=restore_id)


@dataclass
class _Work:
    held: databases.Hold
    restore: Restore
    names: Names
    step: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)

    def do(self) -> None:
        if self.restore.to_time is None:
            sources.check(self.restore.backup.key)  # before anybody notices; it is read again when it is loaded
        with self._at("read-only"):
            maintenance.start(reason=BEING_RESTORED, kind=maintenance.Kind.RESTORE, actor=self.restore.requested_by)
        with self._at("snapshot"):
            self._snapshot()
        with ExitStack() as stack:
            with self._at("fetch"):
                source = stack.enter_context(sources.opened(self.restore.backup.key, self.restore.to_time))
            with self._at("load"):
                parts = self._load(source)
            with self._at("freeze"):
                databases.leave()
                databases.freeze(self.held.control, self.names.live)
            with databases.connect(self.names.live) as live:
                with databases.connect(self.names.new) as new:
                    with self._at("keep"):
                        self.kept = keeping.copy(live, new)
                    with self._at("finish"):
                        loading.load(source, self.names.new, parts.last)
                        keeping.join_months(live, new)
                        databases.copy_settings(self.held.control, self.names.new, like=self.names.live)
                    with self._at("check"):
                        self._compare(source, live, new)
                with self._at("after"):
                    self._settle(source, live)
        with self._at("switch"):
            self._switch()

    @contextmanager
    def _at(self, step: str) -> Iterator[None]:
        self.step = step
        self.held.tell(step)
        if STEPS.index(step) <= STEPS.index("freeze"):  # afterwards nothing is written there that would be lost
            Restore.objects.filter(pk=self.restore.pk).update(step=step)
        began = time.monotonic()
        yield
        self.seconds[step] = round(time.monotonic() - began, 2)

    def _snapshot(self) -> None:
        """What an undo goes back to. Made in read-only mode, so that it misses nothing."""
        if self.restore.undoes_id:
            return
        self.restore.before = backups.create(
            type=Backup.Type.PRE_RESTORE,
            name=f"Before the restore {ui_tags.on(clock.now())}",
            reason=self.restore.reason,
            actor=self.restore.requested_by,
        )
        self.restore.save(update_fields=["before"])

    def _load(self, source: sources.Source) -> loading.Parts:
        databases.drop(self.held.control, self.names.new)
        databases.create(self.held.control, self.names.new, like=self.names.live)
        with databases.connect(self.names.live) as live, databases.connect(self.names.new) as new:
            keeping.require_whole(live)
            entries = loading.contents(source, but_rights_on=keeping.extension_functions(new))
            parts = loading.divided(entries, taken=keeping.taken(), kept_indexes=keeping.kept_indexes(live))
            loading.load(source, self.names.new, parts.first)
            keeping.make_room(live, new)
            new.execute("ANALYZE")
        return parts

    def _compare(self, source: sources.Source, live: psycopg.Connection, new: psycopg.Connection) -> None:
        """Every row is the one of the backup, or the one that was live. Raises Unsound."""
        taken = keeping.taken()
        kept = {table: figure for table, figure in rows_of(live).items() if table not in taken}
        require_equal(kept | {table: figure for table, figure in source.rows.items() if table in taken}, rows_of(new))

    def _settle(self, source: sources.Source, live: psycopg.Connection) -> None:
        """In the new database: what must not come back goes, and the trail tells of the gap."""
        with databases.inside(self.names.new), wall.elsewhere():
            if missing := triggers.missing():
                raise Unsound(f"Changes of {', '.join(missing[:5])} would not be recorded.")
            for hook in () if self.restore.undoes_id else keeping.hooks():  # an undo brings back what they saw to
                hook(Old(live, self.restore.pk, source.as_of))
            gaps.note_restore(restore_id=str(self.restore.pk), backup_key=self.restore.backup.key, as_of=source.as_of)
            _require_trail()
            self._say_done(source)

    @transaction.atomic
    def _say_done(self, source: sources.Source) -> None:
        """What is true from the exchange on. An undo needs nobody's word: people know what they had."""
        undo = self.restore.undoes_id is not None
        Restore.objects.filter(pk=self.restore.pk).update(
            state=State.ACCEPTED if undo else State.DONE,
            step="",
            finished_at=clock.now(),
            report={
                "as_of": source.as_of.isoformat(),
                "seconds": self.seconds,
                "taken": sum(figure["rows"] for table, figure in source.rows.items() if table in keeping.taken()),
                "kept": sum(self.kept.values()),
            },
        )
        if undo:
            maintenance.end(kind=maintenance.Kind.RESTORE, actor=self.restore.requested_by)
        epoch.bump()

    def _switch(self) -> None:
        there = self.names
        databases.leave()
        databases.exchange(self.held.control, live=there.live, new=there.new, before=there.before)


def rows_of(where: psycopg.Connection) -> dict[str, Any]:
    """Number and checksum of each table's rows."""
    with where.transaction(), where.cursor() as cursor:
        return figures.table_checksums(cursor)


def require_equal(wanted: dict[str, Any], found: dict[str, Any]) -> None:
    """Every table of `wanted` has those rows in `found`. Raises Unsound."""
    if other := sorted(table for table, figure in wanted.items() if found.get(table) != figure):
        raise Unsound(f"Rows of {', '.join(other[:5])} are not what they must be. Nothing was changed.")


def _require_trail() -> None:
    """Raises Unsound. That the sealer had to wait while nothing was written is no fault of the trail."""
    report = verify.verify(scope=AuditVerification.Scope.INCREMENTAL)
    if any(problem.kind != "unsealed" for problem in report.problems):
        raise Unsound("The audit trail does not verify in the restored database. Nothing was changed.")


def _words(error: BaseException) -> str:
    if isinstance(error, (psycopg.Error, DatabaseError)):
        return "The database ended the connection, or did not do what it was told."
    return str(getattr(error, "words", type(error).__name__))

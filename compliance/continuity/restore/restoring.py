"""Carries out an approved restore: builds a new database beside the live one, then switches over by renaming both.

Until the switch-over the live database is only read. The rows that say that the restore is done, and the audit event
about the gap, are written into the new database. So wherever a process is killed, the database that is live describes
its own state correctly: the old one says "running" (recovery.settle cleans up), the new one says "done".
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
from compliance.continuity import maintenance, write_guard
from compliance.continuity.backup import backups, figures
from compliance.continuity.refusals import ContinuityError
from compliance.continuity.restore import carry_over, databases, display, loading, sources
from compliance.continuity.restore.carry_over import PreviousDatabase
from compliance.models import AuditVerification, Backup, Restore

State = Restore.State
STEPS: Final = tuple(display.STEPS)
BEING_RESTORED: Final = "A backup is being restored. You can read what is there."
logger = logging.getLogger("clinchat.continuity")


class VerificationFailed(ContinuityError):
    """A check of the restored database failed, before the switch-over. The live database was not touched."""


@dataclass(frozen=True)
class DatabaseNames:
    """The database names of one restore. `previous`: what the live database is called after the switch-over."""

    live: str
    new: str
    previous: str


def database_names(restore_id: UUID) -> DatabaseNames:
    """The database names of that restore, whether or not these databases exist."""
    live = databases.live_name()
    return DatabaseNames(live, f"{live}_restore_{restore_id.hex[:8]}", f"{live}_before_{restore_id.hex[:8]}")


def run(restore_id: UUID) -> None:
    """Carry out a restore in the state APPROVED; does nothing in any other state.

    A failure is written into its row, the live database is unchanged then. Raises databases.RestoreInProgress.
    """
    with databases.restore_lock(restore_id) as lock:
        restore = _claim(restore_id)
        if restore is None:
            return
        attempt = _Attempt(lock, restore, database_names(restore_id))
        try:
            attempt.execute()
        except BaseException as error:
            with databases.connect(databases.CONTROL_DATABASE) as control:  # the lock's may be what failed
                abandon(control, restore_id, failure=_failure_text(error), step=attempt.step)
            if not isinstance(error, Exception):
                raise
            logger.error("restore %s failed at %s", restore_id, attempt.step, extra={"code": "RESTORE_FAILED"})
        finally:
            databases.close_connections()
            maintenance.forget()


def abandon(control: psycopg.Connection, restore_id: UUID, *, failure: str, step: str = "") -> None:
    """Clean up an unfinished restore: drop its new database, make the live one writable, and mark its row as failed.

    After the switch-over this changes no row: the live database is the new one then, where the restore is done.
    """
    names = database_names(restore_id)
    databases.close_connections()
    if databases.is_read_only(control, names.live):
        databases.set_writable(control, names.live)
    databases.drop(control, names.new)
    with transaction.atomic():
        unfinished = Restore.objects.filter(pk=restore_id, state__in=(State.APPROVED, State.RUNNING))
        for restore in unfinished.select_for_update():
            restore.state, restore.failure, restore.finished_at = State.FAILED, failure[:200], clock.now()
            restore.step = step or restore.step
            restore.save(update_fields=["state", "step", "failure", "finished_at"])
            if restore.undoes_id:
                Restore.objects.filter(pk=restore.undoes_id, state=State.UNDONE).update(state=State.DONE)
            else:
                with suppress(maintenance.Refused):
                    maintenance.end(kind=maintenance.Kind.RESTORE)


def _claim(restore_id: UUID) -> Restore | None:
    approved = Restore.objects.filter(pk=restore_id, state=State.APPROVED)
    if not approved.update(state=State.RUNNING, started_at=clock.now()):
        return None
    return Restore.objects.select_related("backup", "requested_by").get(pk=restore_id)


@dataclass
class _Attempt:
    """One restore under way. `seconds` by step and `kept` rows by table end up in the report."""

    lock: databases.ServerLock
    restore: Restore
    names: DatabaseNames
    step: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)

    def execute(self) -> None:
        if self.restore.to_time is None:
            sources.verify(self.restore.backup.key)  # before users notice anything; loading reads it once more
        with self._step("read-only"):
            maintenance.start(reason=BEING_RESTORED, kind=maintenance.Kind.RESTORE, actor=self.restore.requested_by)
        with self._step("snapshot"):
            self._snapshot()
        with ExitStack() as stack:
            with self._step("fetch"):
                source = stack.enter_context(sources.open_source(self.restore.backup.key, self.restore.to_time))
            with self._step("load"):
                parts = self._load(source)
            with self._step("freeze"):
                databases.close_connections()
                databases.set_read_only(self.lock.control, self.names.live)
            with databases.connect(self.names.live) as live:
                with databases.connect(self.names.new) as new:
                    with self._step("keep"):
                        self.kept = carry_over.copy_live_rows(live, new)
                    with self._step("finish"):
                        loading.load(source, self.names.new, parts.after_copy)
                        carry_over.attach_partitions(live, new)
                        databases.copy_settings(self.lock.control, self.names.new, like=self.names.live)
                    with self._step("check"):
                        self._verify_rows(source, live, new)
                with self._step("after"):
                    self._prepare_switch_over(source, live)
        with self._step("switch"):
            self._switch_over()

    @contextmanager
    def _step(self, step: str) -> Iterator[None]:
        self.step = step
        self.lock.report(step)
        if STEPS.index(step) <= STEPS.index("freeze"):  # after that it takes no writes
            Restore.objects.filter(pk=self.restore.pk).update(step=step)
        began = time.monotonic()
        yield
        self.seconds[step] = round(time.monotonic() - began, 2)

    def _snapshot(self) -> None:
        """Make the backup that an undo restores. ClinChat is read-only by now, so it misses no write."""
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
        databases.drop(self.lock.control, self.names.new)
        databases.create(self.lock.control, self.names.new, like=self.names.live)
        with databases.connect(self.names.live) as live, databases.connect(self.names.new) as new:
            carry_over.require_no_dangling_references(live)
            entries = loading.table_of_contents(source, without_acl_on=carry_over.extension_functions(new))
            parts = loading.split(
                entries, restored_tables=carry_over.restored_tables(), kept_indexes=carry_over.kept_indexes(live)
            )
            loading.load(source, self.names.new, parts.before_copy)
            carry_over.prepare_partitions(live, new)
            new.execute("ANALYZE")
        return parts

    def _verify_rows(self, source: sources.Source, live: psycopg.Connection, new: psycopg.Connection) -> None:
        """Compare each table with the backup, or the live one if it was carried over. Raises VerificationFailed."""
        restored = carry_over.restored_tables()
        expected = {table: figure for table, figure in row_figures(live).items() if table not in restored}
        expected |= {table: figure for table, figure in source.rows.items() if table in restored}
        require_same_rows(expected, row_figures(new))

    def _prepare_switch_over(self, source: sources.Source, live: psycopg.Connection) -> None:
        """In the new database: run the apps' hooks, write the audit event about the gap, and verify the trail."""
        with databases.as_default(self.names.new), write_guard.unguarded():
            if missing := triggers.missing():
                raise VerificationFailed(f"Changes of {', '.join(missing[:5])} would not be recorded.")
            for hook in () if self.restore.undoes_id else carry_over.hooks():  # an undo restores their result
                hook(PreviousDatabase(live, self.restore.pk, source.as_of))
            gaps.note_restore(restore_id=str(self.restore.pk), backup_key=self.restore.backup.key, as_of=source.as_of)
            _require_valid_trail()
            self._mark_done(source)

    @transaction.atomic
    def _mark_done(self, source: sources.Source) -> None:
        """Write into the new database what is true after the switch-over. An undo needs no acceptance by a person."""
        undo = self.restore.undoes_id is not None
        Restore.objects.filter(pk=self.restore.pk).update(
            state=State.ACCEPTED if undo else State.DONE,
            step="",
            finished_at=clock.now(),
            report={
                "as_of": source.as_of.isoformat(),
                "seconds": self.seconds,
                "taken": sum(
                    figure["rows"] for table, figure in source.rows.items() if table in carry_over.restored_tables()
                ),
                "kept": sum(self.kept.values()),
            },
        )
        if undo:
            maintenance.end(kind=maintenance.Kind.RESTORE, actor=self.restore.requested_by)
        epoch.bump()

    def _switch_over(self) -> None:
        names = self.names
        databases.close_connections()
        databases.switch_over(self.lock.control, live=names.live, new=names.new, previous=names.previous)


def row_figures(where: psycopg.Connection) -> dict[str, Any]:
    """Number and checksum of the rows of each table."""
    with where.transaction(), where.cursor() as cursor:
        return figures.table_checksums(cursor)


def require_same_rows(expected: dict[str, Any], actual: dict[str, Any]) -> None:
    """Raises VerificationFailed where a table of `expected` has other figures in `actual`."""
    if differing := sorted(table for table, figure in expected.items() if actual.get(table) != figure):
        raise VerificationFailed(f"Rows of {', '.join(differing[:5])} are not what they must be. Nothing was changed.")


def _require_valid_trail() -> None:
    """Raises VerificationFailed. Events not sealed in time do not count: the sealer could not write meanwhile."""
    report = verify.verify(scope=AuditVerification.Scope.INCREMENTAL)
    if any(problem.kind != "unsealed" for problem in report.problems):
        raise VerificationFailed("The audit trail does not verify in the restored database. Nothing was changed.")


def _failure_text(error: BaseException) -> str:
    """For Restore.failure, which people read: our own words, never those of the database."""
    if isinstance(error, (psycopg.Error, DatabaseError)):
        return "The database ended the connection, or did not do what it was told."
    return str(getattr(error, "words", type(error).__name__))

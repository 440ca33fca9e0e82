"""Restore drills: restores the newest backup into a scratch server, and evaluates assertions in it.

Both ways to restore are tried: the dump, and, where base backups and WAL are kept, recovery to the newest moment of the
WAL (PITR). This measures the RTO and the RPO. The restored data is as confidential as the live database: it lies in a
private folder of this machine, behind a Unix socket that no other user reaches, and is removed in any case.

The result is a row that triggers protect. A drill passes only if every assertion was evaluated and held; one that could
not run, or could not evaluate an assertion, ends as an error.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from clinchat.lib import clock
from compliance.continuity import programs
from compliance.continuity.backup import key_copies, manifests, reading
from compliance.continuity.drill import invariants
from compliance.continuity.drill.assertions import PITR_PREFIX, RestoredCopy, Result, title
from compliance.continuity.drill.process import AssertionProcess
from compliance.continuity.point_in_time import moment
from compliance.continuity.point_in_time.wal import WalMissing
from compliance.continuity.programs import ProgramFailed
from compliance.continuity.refusals import Absent, ContinuityError, Missing, Refused
from compliance.continuity.restore import databases, sources
from compliance.continuity.scratch import DATABASE, ScratchServer
from compliance.continuity.storage import stores
from compliance.logs.faults import kind
from compliance.models import Backup, Drill

logger = logging.getLogger("clinchat.continuity")
State = Drill.State
Progress = Callable[[str], object]

JOBS: Final = 2
"""Parallel jobs of pg_restore."""
STEPS: Final = {
    "verify": "reading the backup as a whole",
    "server": "starting a server of its own",
    "load": "loading the backup into it",
    "ask": "asking it",
    "rewind": "restoring it beside what was done since",
    "recover": "bringing the log to its newest moment",
    "ask_log": "asking that as well",
}
"""Name and text of each step, in order."""
MANIFEST_FIELDS: Final = ("schema", "rows", "audit", "people", "questions")
"""The parts of the manifest that assertions compare with."""


@dataclass(slots=True)
class _Attempt:
    """A drill under way. `steps`: seconds by step; `rto`, `rpo`: seconds."""

    progress: Progress
    started_at: datetime = field(default_factory=clock.now)
    began: float = field(default_factory=time.monotonic)
    steps: dict[str, float] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)
    backup: Backup | None = None
    rto: float | None = None
    rpo: float | None = None
    failure: str = ""

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self.progress(name)
        began = time.monotonic()
        try:
            yield
        finally:
            self.steps[name] = round(time.monotonic() - began, 3)

    def spent(self, *names: str) -> float:
        return sum(self.steps[name] for name in names)


def run(progress: Progress = lambda _: None) -> Drill:
    """Hold one drill and record its result. Raises databases.DrillInProgress."""
    with databases.drill_lock() as lock:

        def report(step: str) -> None:
            lock.report(step)
            progress(step)

        attempt = _Attempt(report)
        state = _execute(attempt)
    if state is State.PASSED:
        logger.info("a drill passed", extra={"code": "DRILL_PASSED"})
    else:
        logger.error("a drill did not pass: %s", attempt.failure, extra={"code": "DRILL_NOT_PASSED"})
    return Drill.objects.create(
        backup=attempt.backup,
        state=state,
        started_at=attempt.started_at,
        seconds=round(time.monotonic() - attempt.began, 2),
        rto_seconds=attempt.rto,
        rpo_seconds=attempt.rpo,
        steps=attempt.steps,
        assertions=[asdict(one) for one in attempt.results],
        failure=attempt.failure[:200],
    )


def _execute(attempt: _Attempt) -> Drill.State:
    """The result; `attempt.failure` says why it did not pass."""
    try:
        _restore(attempt)
    except (Refused, WalMissing, ProgramFailed) as error:  # the backup is altered, incomplete, or cannot be loaded
        attempt.failure = error.words
        return State.FAILED
    except ContinuityError as error:
        attempt.failure = error.words
        return State.ERROR
    except Exception as error:  # noqa: BLE001  # whatever it is, the drill did not pass
        attempt.failure = f"The drill could not run: {kind(error)}."
        return State.ERROR
    if wrong := _titles(attempt, ok=False):
        attempt.failure = f"Not so: {wrong}."
        return State.FAILED
    if unasked := _titles(attempt, ok=None):
        attempt.failure = f"Not known: {unasked}."
        return State.ERROR
    return State.PASSED


def _titles(attempt: _Attempt, *, ok: bool | None) -> str:
    """Titles of the assertions with this result; one with the same result in both copies is named once."""
    return "; ".join(dict.fromkeys(title(one.key) for one in attempt.results if one.ok is ok))


def _restore(attempt: _Attempt) -> None:
    """Restore in both ways and evaluate the assertions; sets results, RTO and RPO of the attempt."""
    store = stores.primary()
    with attempt.step("verify"):
        manifest = _newest(store)
        attempt.backup = Backup.objects.filter(pk=manifest.id).first()
        reading.check(store, manifest.key)
    copy = RestoredCopy(
        manifest={name: getattr(manifest, name) for name in MANIFEST_FIELDS},
        as_of=manifest.as_of,
        live_facts=invariants.revoked_before(manifest.as_of),
        live_objects=invariants.schema_objects() if _same_schema(manifest) else {},
        data_keys=_data_keys(store),
    )
    _assert_dump(attempt, store, manifest, copy)
    attempt.rto = attempt.spent("verify", "server", "load", "ask")
    reached = manifest.as_of
    if settings.BACKUP_PITR and (covered := moment.recovery_window(store)) is not None:
        reached = max(reached, covered[1], _assert_recovered(attempt, copy))
        attempt.rto = max(attempt.rto, attempt.spent("recover", "ask_log"))
    attempt.rpo = max(0.0, (attempt.started_at - reached).total_seconds())


def _newest(store: stores.Store) -> manifests.Manifest:
    """The newest full backup in the store. Raises Refused where a newer one has an invalid manifest or, by our own
    rows, is missing: an older backup would hide that."""
    newest: manifests.Manifest | None = None
    refused: Refused = Missing("A full backup")
    for _, entry in reading.scan_manifests(store):  # the oldest first
        if isinstance(entry, Refused):
            newest, refused = None, entry
        elif entry.kind == Backup.Kind.FULL:
            newest = entry
    if newest is None:
        raise refused
    known = Backup.objects.complete(Backup.Kind.FULL).first()
    if known is not None and known.as_of is not None and known.as_of > newest.as_of:
        raise Missing(known.key)
    return newest


def _data_keys(store: stores.Store) -> str:
    """The copy of the data keys beside the backups, as lost_database reads it; empty where there is none."""
    try:
        return key_copies.read(store).decode("ascii")
    except Absent:
        return ""


def _assert_dump(attempt: _Attempt, store: stores.Store, manifest: manifests.Manifest, copy: RestoredCopy) -> None:
    """Restore the dump into a scratch server and evaluate the assertions there."""
    with ExitStack() as life:
        with attempt.step("server"):
            server = life.enter_context(ScratchServer())
        with attempt.step("load"):
            dump = _load(server, reading.extract(store, manifest.key, sources.DUMP))
        with AssertionProcess(server.conninfo(), server.folder) as process:
            with attempt.step("ask"):
                attempt.results += process.evaluate(copy)
            with attempt.step("rewind"):
                attempt.results += process.evaluate(replace(copy, dump=str(dump)), ["no_rewind"])


def _load(server: ScratchServer, dump: Iterator[bytes]) -> Path:
    """Load the dump from a file, which pg_restore needs for parallel jobs; the file stays until the server is removed.

    Section by section: with parallel jobs alone, pg_restore creates the triggers of a partitioned table before the rows
    of its partitions are loaded, and the audit triggers would fire.
    """
    file = server.folder / "database.dump"
    file.touch(mode=0o600)
    with file.open("wb") as output:
        output.writelines(dump)
    options = ("--exit-on-error", "--no-owner", "--no-privileges", f"--jobs={JOBS}", f"--dbname={DATABASE}")
    for section in ("pre-data", "data", "post-data"):
        programs.run("pg_restore", (*options, f"--section={section}", file), conninfo=server.conninfo())
    with server.connect() as own:
        own.execute("ANALYZE")
    return file


def _assert_recovered(attempt: _Attempt, copy: RestoredCopy) -> datetime:
    """Recover to the newest moment of the shipped WAL and evaluate the assertions there. Returns that moment."""
    with ExitStack() as life:
        with attempt.step("recover"):
            server = life.enter_context(moment.server_at(None))
        name = databases.live_name()
        with server.connect(name) as own:
            reached = own.execute("SELECT pg_last_xact_replay_timestamp()").fetchone()
        with attempt.step("ask_log"), AssertionProcess(server.conninfo(name), server.folder) as process:
            results = process.evaluate(replace(copy, is_backup=False))
    attempt.results += [replace(one, key=PITR_PREFIX + one.key) for one in results]
    return reached[0] if reached and reached[0] else copy.as_of


def _same_schema(manifest: manifests.Manifest) -> bool:
    applied = MigrationRecorder(connection).applied_migrations()
    return sorted(f"{app}.{name}" for app, name in applied) == sorted(manifest.schema["migrations"])

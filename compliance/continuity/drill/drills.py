"""Drills: the newest backup is restored into a server of its own, and asked whether it is this application.

Two ways back are tried. The dump, as the manifest describes it; and, where base copies and the log are kept, the newest
moment of the log, which says how much would be lost. What is restored is as confidential as the live database: it lies
in a private folder of this machine, behind a socket nobody else reaches, and is removed whatever happens.

A drill is a row that nothing changes. One that could not run, or could not ask one of its questions, is an error: only
a drill in which every question was asked and well answered has passed.
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
from compliance.continuity.drill import standing
from compliance.continuity.drill.asking import Asker
from compliance.continuity.drill.questions import BY_LOG, Answer, Copy, words
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
"""Tables and indexes that pg_restore makes at the same time."""
STEPS: Final = {
    "verify": "reading the backup as a whole",
    "server": "starting a server of its own",
    "load": "loading the backup into it",
    "ask": "asking it",
    "rewind": "restoring it beside what was done since",
    "recover": "bringing the log to its newest moment",
    "ask_log": "asking that as well",
}
"""In the order in which a drill takes them."""
ASKED_OF: Final = ("schema", "rows", "audit", "people", "questions")
"""What questions compare with, of the manifest."""


@dataclass(slots=True)
class _Course:
    """What a drill has done so far."""

    progress: Progress
    started_at: datetime = field(default_factory=clock.now)
    began: float = field(default_factory=time.monotonic)
    steps: dict[str, float] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
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
    """Hold one drill and keep what came of it. Raises databases.AnotherDrills."""
    with databases.drilling() as tell:

        def told(step: str) -> None:
            tell(step)
            progress(step)

        course = _Course(told)
        state = _held(course)
    if state is State.PASSED:
        logger.info("a drill passed", extra={"code": "DRILL_PASSED"})
    else:
        logger.error("a drill did not pass: %s", course.failure, extra={"code": "DRILL_NOT_PASSED"})
    return Drill.objects.create(
        backup=course.backup,
        state=state,
        started_at=course.started_at,
        seconds=round(time.monotonic() - course.began, 2),
        rto_seconds=course.rto,
        rpo_seconds=course.rpo,
        steps=course.steps,
        assertions=[asdict(one) for one in course.answers],
        failure=course.failure[:200],
    )


def _held(course: _Course) -> Drill.State:
    """What came of it; why it did not pass stands in the course."""
    try:
        _restore(course)
    except (Refused, WalMissing, ProgramFailed) as found:  # it is not what was put there, or cannot be loaded
        course.failure = found.words
        return State.FAILED
    except ContinuityError as hindrance:
        course.failure = hindrance.words
        return State.ERROR
    except Exception as error:  # noqa: BLE001  # whatever kept it from running is not a pass
        course.failure = f"The drill could not run: {kind(error)}."
        return State.ERROR
    if wrong := _told(course, ok=False):
        course.failure = f"Not so: {wrong}."
        return State.FAILED
    if unasked := _told(course, ok=None):
        course.failure = f"Not known: {unasked}."
        return State.ERROR
    return State.PASSED


def _told(course: _Course, *, ok: bool | None) -> str:
    """What was answered so, in words; what is so of both copies is said once."""
    return "; ".join(dict.fromkeys(words(one.key) for one in course.answers if one.ok is ok))


def _restore(course: _Course) -> None:
    store = stores.primary()
    with course.step("verify"):
        manifest = _newest(store)
        course.backup = Backup.objects.filter(pk=manifest.id).first()
        reading.check(store, manifest.key)
    copy = Copy(
        manifest={name: getattr(manifest, name) for name in ASKED_OF},
        before=manifest.as_of,
        live=standing.facts(manifest.as_of),
        objects=standing.objects() if _same_schema(manifest) else {},
        data_keys=_data_keys(store),
    )
    _by_dump(course, store, manifest, copy)
    course.rto = course.spent("verify", "server", "load", "ask")
    reached = manifest.as_of
    if settings.BACKUP_PITR and (covered := moment.recovery_window(store)) is not None:
        reached = max(reached, covered[1], _by_log(course, copy))
        course.rto = max(course.rto, course.spent("recover", "ask_log"))
    course.rpo = max(0.0, (course.started_at - reached).total_seconds())


def _newest(store: stores.Store) -> manifests.Manifest:
    """Of the full backups in the store. One that is not believed, or that should be there and is not, is no reason to
    be content with an older one. Raises Refused."""
    found: manifests.Manifest | None = None
    refused: Refused = Missing("A full backup")
    for _, one in reading.scan_manifests(store):  # the oldest first
        if isinstance(one, Refused):
            found, refused = None, one
        elif one.kind == Backup.Kind.FULL:
            found = one
    if found is None:
        raise refused
    known = Backup.objects.complete(Backup.Kind.FULL).first()
    if known is not None and known.as_of is not None and known.as_of > found.as_of:
        raise Missing(known.key)
    return found


def _data_keys(store: stores.Store) -> str:
    """Those kept beside the backups, as for a database that was lost."""
    try:
        return key_copies.read(store).decode("ascii")
    except Absent:
        return ""


def _by_dump(course: _Course, store: stores.Store, manifest: manifests.Manifest, copy: Copy) -> None:
    with ExitStack() as life:
        with course.step("server"):
            server = life.enter_context(ScratchServer())
        with course.step("load"):
            dump = _load(server, reading.extract(store, manifest.key, sources.DUMP))
        with Asker(server.conninfo(), server.folder) as asker:
            with course.step("ask"):
                course.answers += asker.ask(copy)
            with course.step("rewind"):
                course.answers += asker.ask(replace(copy, dump=str(dump)), ["no_rewind"])


def _load(server: ScratchServer, dump: Iterator[bytes]) -> Path:
    """From a file, which stays until the server goes: pg_restore makes several indexes at once only of one.

    Section by section: with several jobs it makes the triggers of a partitioned table while rows of its partitions are
    still to come, and the trail would be written anew as it is loaded.
    """
    file = server.folder / "database.dump"
    file.touch(mode=0o600)
    with file.open("wb") as output:
        output.writelines(dump)
    how = ("--exit-on-error", "--no-owner", "--no-privileges", f"--jobs={JOBS}", f"--dbname={DATABASE}")
    for section in ("pre-data", "data", "post-data"):
        programs.run("pg_restore", (*how, f"--section={section}", file), conninfo=server.conninfo())
    with server.connect() as own:
        own.execute("ANALYZE")
    return file


def _by_log(course: _Course, copy: Copy) -> datetime:
    """The newest moment the log leads to; the questions are asked of that as well."""
    with ExitStack() as life:
        with course.step("recover"):
            server = life.enter_context(moment.server_at(None))
        name = databases.live_name()
        with server.connect(name) as own:
            reached = own.execute("SELECT pg_last_xact_replay_timestamp()").fetchone()
        with course.step("ask_log"), Asker(server.conninfo(name), server.folder) as asker:
            answers = asker.ask(replace(copy, whole=False))
    course.answers += [replace(one, key=BY_LOG + one.key) for one in answers]
    return reached[0] if reached and reached[0] else copy.before


def _same_schema(manifest: manifests.Manifest) -> bool:
    applied = MigrationRecorder(connection).applied_migrations()
    return sorted(f"{app}.{name}" for app, name in applied) == sorted(manifest.schema["migrations"])

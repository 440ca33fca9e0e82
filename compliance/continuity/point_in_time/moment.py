"""The database as it was at a moment, in a server of its own: a copy of its files, and the log replayed until then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from compliance.continuity import programs
from compliance.continuity.backup import reading
from compliance.continuity.backup.manifests import Manifest
from compliance.continuity.point_in_time import base, wal
from compliance.continuity.point_in_time.base import Stretch
from compliance.continuity.point_in_time.wal import Outside
from compliance.continuity.scratch import ScratchServer, Unusable
from compliance.continuity.storage.stores import Store, first
from compliance.models import Backup

PART = "base.tar.gz"
_RECOVERY = {
    "restore_command": "false",  # all of the log is laid out before, in its own folder
    "recovery_target_timeline": "current",
    "recovery_target_action": "promote",
    "hot_standby": "off",  # it takes connections when it is done
    "archive_mode": "off",
}
_ENDED_BEFORE = "before configured recovery target"


@contextmanager
def at(to_time: datetime | None, *, store: Store | None = None) -> Iterator[ScratchServer]:
    """Everything that was committed until `to_time`, and nothing later; None: until the last that is in the store.

    Raises Outside with the moments there are, LogMissing, what refuses a backup, Unusable and StoreFailed.
    """
    store = store or first()
    copy = _copy_before(store, to_time)
    with recovered(lambda folder: _unpack(store, copy, folder), store, until=to_time) as server:
        yield server


@contextmanager
def recovered(
    lay_out: Callable[[Path], Stretch], store: Store, *, until: datetime | None = None
) -> Iterator[ScratchServer]:
    """A server from the files that `lay_out` puts into a folder, and the log in the store."""

    def fill(data: Path) -> None:
        stretch = lay_out(data)
        (data / "pg_wal").mkdir(exist_ok=True)
        wal.fetch(store, stretch, data / "pg_wal", until=until)
        (data / "recovery.signal").touch()

    target = {} if until is None else {"recovery_target_time": until.isoformat(), "recovery_target_inclusive": "on"}
    with _Recovered(fill=fill, tell=_RECOVERY | target, user=programs.parameters()["user"]) as server:
        yield server


def covered(store: Store | None = None) -> tuple[datetime, datetime] | None:
    """The first and the last moment of the newest server that can be gone back to; None: there is none."""
    found = _reaches(store or first())
    return (found[-1].begin, found[-1].end) if found else None


@dataclass(frozen=True)
class _Reach:
    """What the log of one server leads to. That of a lost one is of use as long as it is there, whatever came since."""

    copies: list[Manifest]
    end: datetime

    @property
    def begin(self) -> datetime:
        return self.copies[0].as_of

    def words(self) -> str:
        return f"from {wal.shown(self.begin)} to {wal.shown(self.end)}"


def _reaches(store: Store) -> list[_Reach]:
    """The newest last."""
    copies = _copies(store)
    found = [
        _Reach([copy for copy in copies if log.since <= copy.as_of <= log.as_of], log.as_of) for log in wal.logs(store)
    ]
    return [reach for reach in found if reach.copies]


class _Recovered(ScratchServer):
    def start(self) -> None:
        try:
            super().start()
        except Unusable:
            if _ENDED_BEFORE not in self.told():
                raise
            self.tell(recovery_target_time="")  # nothing was committed between the end of the log and the moment
            super().start()


def _copy_before(store: Store, moment: datetime | None) -> Manifest:
    """The newest copy that holds nothing later, checked as a whole. Raises Outside, and what refuses a backup."""
    reaches = _reaches(store)
    if not reaches:
        raise Outside("There is no copy yet that the log in the store belongs to: no moment can be gone back to.")
    if moment is None:
        return reading.check(store, reaches[-1].copies[-1].key)
    for reach in reaches:
        if reach.begin <= moment <= reach.end:
            copy = [copy for copy in reach.copies if copy.as_of <= moment][-1]
            return reading.check(store, copy.key)
    raise Outside(f"One can go back to moments {' and '.join(reach.words() for reach in reaches)}.")


def _copies(store: Store) -> list[Manifest]:
    """The oldest first."""
    found = [manifest for manifest in reading.listing(store) if manifest.kind == Backup.Kind.BASE]
    return sorted(found, key=lambda manifest: manifest.as_of)


def _unpack(store: Store, copy: Manifest, folder: Path) -> Stretch:
    return base.unpack(reading.extract(store, copy.key, PART), folder)

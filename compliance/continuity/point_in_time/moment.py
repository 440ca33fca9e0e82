"""Point-in-time recovery into a temporary server: a base backup, and the WAL replayed up to a moment."""

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
from compliance.continuity.point_in_time.base import WalRange
from compliance.continuity.point_in_time.wal import OutsideRecoveryWindow
from compliance.continuity.scratch import ScratchServer, ScratchServerFailed
from compliance.continuity.storage.stores import Store, primary
from compliance.models import Backup

PART = "base.tar.gz"
_RECOVERY_SETTINGS = {
    "restore_command": "false",  # all WAL is downloaded to pg_wal before the start
    "recovery_target_timeline": "current",
    "recovery_target_action": "promote",
    "hot_standby": "off",  # no connections before the recovery is complete
    "archive_mode": "off",
}
_TARGET_NOT_REACHED = "before configured recovery target"


@contextmanager
def server_at(to_time: datetime | None, *, store: Store | None = None) -> Iterator[ScratchServer]:
    """A server with everything committed until `to_time` and nothing later; None: everything in the store.

    Raises OutsideRecoveryWindow (its words name the window), WalMissing, StoreFailed, ScratchServerFailed and Refused.
    """
    store = store or primary()
    base_backup = _base_backup_before(store, to_time)

    def unpack(data: Path) -> WalRange:
        return base.unpack(reading.extract(store, base_backup.key, PART), data)

    with recovered_server(unpack, store, until=to_time) as server:
        yield server


@contextmanager
def recovered_server(
    unpack: Callable[[Path], WalRange], store: Store, *, until: datetime | None = None
) -> Iterator[ScratchServer]:
    """As `server_at`, from the base backup that `unpack` puts into the data directory."""

    def fill(data: Path) -> None:
        wal_range = unpack(data)
        (data / "pg_wal").mkdir(exist_ok=True)
        wal.download(store, wal_range, data / "pg_wal", until=until)
        (data / "recovery.signal").touch()

    settings = dict(_RECOVERY_SETTINGS)
    if until is not None:
        settings |= {"recovery_target_time": until.isoformat(), "recovery_target_inclusive": "on"}
    with _RecoveringServer(fill=fill, server_settings=settings, user=programs.owner_conninfo()["user"]) as server:
        yield server


def recovery_window(store: Store | None = None) -> tuple[datetime, datetime] | None:
    """The first and the last moment that the current server can be recovered to; None: there is none."""
    windows = _recovery_windows(store or primary())
    return (windows[-1].begin, windows[-1].end) if windows else None


@dataclass(frozen=True)
class _RecoveryWindow:
    """The moments that one server can be recovered to. Former servers too, as long as their WAL is in the store."""

    base_backups: list[Manifest]
    end: datetime

    @property
    def begin(self) -> datetime:
        return self.base_backups[0].as_of

    def words(self) -> str:
        return f"from {wal.format_time(self.begin)} to {wal.format_time(self.end)}"


def _recovery_windows(store: Store) -> list[_RecoveryWindow]:
    """By server, the current one last."""
    base_backups = _base_backups(store)
    windows = [
        _RecoveryWindow([backup for backup in base_backups if state.since <= backup.as_of <= state.as_of], state.as_of)
        for state in wal.read_states(store)
    ]
    return [window for window in windows if window.base_backups]


class _RecoveringServer(ScratchServer):
    """Starts also where the WAL ends before the recovery target: then it is recovered to the end of the WAL."""

    def start(self) -> None:
        try:
            super().start()
        except ScratchServerFailed:
            if _TARGET_NOT_REACHED not in self.log_tail():
                raise
            self.configure(recovery_target_time="")  # no commit between the end of the WAL and the target
            super().start()


def _base_backup_before(store: Store, moment: datetime | None) -> Manifest:
    """The newest base backup completed before the moment, verified. Raises as `server_at`."""
    windows = _recovery_windows(store)
    if not windows:
        raise OutsideRecoveryWindow(
            "There is no copy yet that the log in the store belongs to: no moment can be gone back to."
        )
    if moment is None:
        return reading.check(store, windows[-1].base_backups[-1].key)
    for window in windows:
        if window.begin <= moment <= window.end:
            newest = [backup for backup in window.base_backups if backup.as_of <= moment][-1]
            return reading.check(store, newest.key)
    raise OutsideRecoveryWindow(f"One can go back to moments {' and '.join(window.words() for window in windows)}.")


def _base_backups(store: Store) -> list[Manifest]:
    """The manifests of all base backups, the oldest first."""
    found = [manifest for manifest in reading.list_manifests(store) if manifest.kind == Backup.Kind.BASE]
    return sorted(found, key=lambda manifest: manifest.as_of)

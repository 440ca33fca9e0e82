"""Backups in a folder: another disk, a mounted volume. Files are for the account of the program alone.

A file takes its name when it is whole and on the disk. Until when it is kept stands beside it in a file of its own
(".<name>.kept"); that binds this program, not whoever rules the machine.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from clinchat.lib import clock
from compliance.continuity.refusals import Absent, Kept, StoreFailed
from compliance.continuity.storage.stores import PIECE, Entry, checked

_DRAFT = ".draft-"


class Folder:
    """`where` is its path. It is made, with the folders above it, when the first thing is put there."""

    def __init__(self, where: str) -> None:
        self.name = where
        self._root = Path(where)

    @property
    def locks(self) -> bool:
        return False

    def put(self, name: str, chunks: Iterable[bytes], *, keep_until: datetime | None = None) -> int:
        place = self._place(name)
        self._require_free(name)
        with self._as_store_failed():
            self._make_folder(place.parent)
        with self._draft(place) as draft:
            size = self._write(draft, chunks)
            with self._as_store_failed():
                if keep_until is not None:
                    self._note(place, keep_until)
                draft.replace(place)
                _sync(place.parent)
        return size

    def keep(self, name: str, until: datetime) -> None:
        place = self._place(name)
        with self._as_store_failed():
            if not place.is_file():
                raise Absent(f"{name} is not in {self.name}.")
            kept = self._kept_until(name)
            if kept is None or kept < until:
                self._note(place, until)

    def open(self, name: str) -> Iterator[bytes]:
        with self._as_store_failed():
            try:
                file = self._place(name).open("rb")
            except FileNotFoundError:
                raise Absent(f"{name} is not in {self.name}.") from None
            with file:
                while piece := file.read(PIECE):
                    yield piece

    def list(self, prefix: str = "") -> Iterator[Entry]:
        self._require_there()
        with self._as_store_failed():
            found = [
                Entry(name, state.st_size, datetime.fromtimestamp(state.st_mtime, UTC))
                for path, state in _files(self._root / prefix.rpartition("/")[0])
                if (name := path.relative_to(self._root).as_posix()).startswith(prefix) and path.name[0] != "."
            ]
        yield from sorted(found, key=lambda entry: entry.name)

    def delete(self, name: str) -> None:
        place = self._place(name)
        self._require_free(name)
        with self._as_store_failed():
            place.unlink(missing_ok=True)
            _note_of(place).unlink(missing_ok=True)
        for folder in place.parents:
            if self._root in {folder, folder.parent}:  # what stays can be put into at the same time
                break
            with suppress(OSError):  # something else is in it
                folder.rmdir()

    def sweep(self, before: datetime) -> int:
        swept = 0
        with self._as_store_failed():
            for path, state in _files(self._root):
                if path.name.startswith(_DRAFT) and state.st_mtime < before.timestamp():
                    path.unlink(missing_ok=True)
                    swept += 1
        return swept

    def _place(self, name: str) -> Path:
        return self._root / checked(name)

    def _require_there(self) -> None:
        """Raises StoreFailed. A disk that is not mounted must not look like a store without backups."""
        if not self._root.exists():
            raise StoreFailed(f"The store {self.name} is not there. Is its disk mounted? The first backup makes it.")

    def _require_free(self, name: str) -> None:
        """Raises Kept before its time."""
        kept = self._kept_until(name)
        if kept is not None and kept > clock.now() and self._place(name).exists():
            raise Kept(f"{name} in {self.name} is kept until {kept:%Y-%m-%d %H:%M} UTC.")

    def _kept_until(self, name: str) -> datetime | None:
        with self._as_store_failed():
            try:
                return datetime.fromisoformat(_note_of(self._place(name)).read_text(encoding="ascii"))
            except FileNotFoundError:
                return None
            except ValueError:
                raise StoreFailed(f"It cannot be read until when {name} in {self.name} is kept.") from None

    def _note(self, place: Path, until: datetime) -> None:
        with self._draft(place) as draft:
            self._write(draft, [until.isoformat().encode("ascii")])
            draft.replace(_note_of(place))
        _sync(place.parent)

    @contextmanager
    def _draft(self, place: Path) -> Iterator[Path]:
        """A new file beside it, for our account alone. It is gone at the end, unless it took another name."""
        draft = place.with_name(f"{_DRAFT}{secrets.token_hex(8)}")
        try:
            with self._as_store_failed():
                draft.touch(mode=0o600, exist_ok=False)
            yield draft
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)

    def _write(self, draft: Path, chunks: Iterable[bytes]) -> int:
        """What came of it is on the disk when this returns. What `chunks` raises goes through as it is."""
        size = 0
        with self._as_store_failed():
            file = draft.open("wb", buffering=0)
        with file:
            for chunk in chunks:
                with self._as_store_failed():
                    view = memoryview(chunk)
                    while view:
                        view = view[file.write(view) or 0 :]
                size += len(chunk)
            with self._as_store_failed():
                os.fsync(file.fileno())
        return size

    def _make_folder(self, folder: Path) -> None:
        for each in reversed([folder, *folder.parents]):
            each.mkdir(mode=0o700, exist_ok=True)  # with parents=True they would be open to others

    @contextmanager
    def _as_store_failed(self) -> Iterator[None]:
        """What the operating system has against it, as a refusal in our words."""
        try:
            yield
        except OSError as error:
            raise StoreFailed(f"The store {self.name} failed: {error.strerror}.") from None


def _files(top: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Every file below, drafts and notes too; what is removed meanwhile is left out. Raises OSError: a folder that
    cannot be looked into is not an empty one."""
    for folder, folders, names in os.walk(top, onerror=_unless_gone):
        folders[:] = [name for name in folders if not name.startswith(".")]  # those of the file system, none of ours
        for name in names:
            path = Path(folder, name)
            with suppress(FileNotFoundError):
                yield path, path.stat()


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _note_of(place: Path) -> Path:
    return place.with_name(f".{place.name}.kept")


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

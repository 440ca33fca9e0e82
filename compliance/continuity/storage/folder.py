"""A store in a folder: another disk, a mounted volume. Files and folders are readable by the program's account alone.

An object is written to a draft file, flushed to disk (fsync) and renamed. Its retention is the ISO time in a file
beside it (".<name>.kept"); only this program respects that: the administrator of the machine can delete everything.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from clinchat.lib import clock
from compliance.continuity.refusals import Absent, Retained, StoreFailed, StoreMissing
from compliance.continuity.storage.stores import CHUNK_BYTES, Entry, valid_name

_DRAFT = ".draft-"


class Folder:
    """`location` is its path. The first `put` creates it, parent folders included."""

    def __init__(self, location: str) -> None:
        self.name = location
        self._root = Path(location)

    @property
    def enforces_retention(self) -> bool:
        return False

    def put(self, name: str, chunks: Iterable[bytes], *, keep_until: datetime | None = None) -> int:
        path = self._path(name)
        self._require_not_retained(name)
        with self._as_store_failed():
            self._make_folder(path.parent)
        with self._draft(path) as draft:
            size = self._write(draft, chunks)
            with self._as_store_failed():
                if keep_until is not None:
                    self._write_retention(path, keep_until)
                draft.replace(path)
                _sync(path.parent)
        return size

    def retain(self, name: str, until: datetime) -> None:
        path = self._path(name)
        with self._as_store_failed():
            if not path.is_file():
                raise Absent(f"{name} is not in {self.name}.")
            current = self._retained_until(name)
            if current is None or current < until:
                self._write_retention(path, until)

    def open(self, name: str) -> Iterator[bytes]:
        with self._as_store_failed():
            try:
                file = self._path(name).open("rb")
            except FileNotFoundError:
                raise Absent(f"{name} is not in {self.name}.") from None
            with file:
                while chunk := file.read(CHUNK_BYTES):
                    yield chunk

    def list(self, prefix: str = "") -> Iterator[Entry]:
        self._require_root()
        with self._as_store_failed():
            found = [
                Entry(name, state.st_size, datetime.fromtimestamp(state.st_mtime, UTC))
                for path, state in _files(self._root / prefix.rpartition("/")[0])
                if (name := path.relative_to(self._root).as_posix()).startswith(prefix) and path.name[0] != "."
            ]
        yield from sorted(found, key=lambda entry: entry.name)

    def delete(self, name: str) -> None:
        path = self._path(name)
        self._require_not_retained(name)
        with self._as_store_failed():
            path.unlink(missing_ok=True)
            _retention_file(path).unlink(missing_ok=True)
        for folder in path.parents:
            if self._root in {
                folder,
                folder.parent,
            }:  # top-level folders stay: another process may be writing into them
                break
            with suppress(OSError):  # it is not empty
                folder.rmdir()

    def remove_unfinished(self, before: datetime) -> int:
        removed = 0
        with self._as_store_failed():
            for path, state in _files(self._root):
                if path.name.startswith(_DRAFT) and state.st_mtime < before.timestamp():
                    path.unlink(missing_ok=True)
                    removed += 1
        return removed

    def _path(self, name: str) -> Path:
        return self._root / valid_name(name)

    def _require_root(self) -> None:
        """Raises StoreMissing where the folder is missing: an unmounted disk must not look like an empty store."""
        if not self._root.exists():
            raise StoreMissing(f"The store {self.name} is not there. Is its disk mounted? The first backup makes it.")

    def _require_not_retained(self, name: str) -> None:
        """Raises Retained while the object is under retention."""
        until = self._retained_until(name)
        if until is not None and until > clock.now() and self._path(name).exists():
            raise Retained(f"{name} in {self.name} is kept until {until:%Y-%m-%d %H:%M} UTC.")

    def _retained_until(self, name: str) -> datetime | None:
        with self._as_store_failed():
            try:
                return datetime.fromisoformat(_retention_file(self._path(name)).read_text(encoding="ascii"))
            except FileNotFoundError:
                return None
            except ValueError:
                raise StoreFailed(f"It cannot be read until when {name} in {self.name} is kept.") from None

    def _write_retention(self, path: Path, until: datetime) -> None:
        with self._draft(path) as draft:
            self._write(draft, [until.isoformat().encode("ascii")])
            draft.replace(_retention_file(path))
        _sync(path.parent)

    @contextmanager
    def _draft(self, path: Path) -> Iterator[Path]:
        """A new draft file beside `path`; removed at the end, unless it was renamed."""
        draft = path.with_name(f"{_DRAFT}{secrets.token_hex(8)}")
        try:
            with self._as_store_failed():
                draft.touch(mode=0o600, exist_ok=False)
            yield draft
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)

    def _write(self, draft: Path, chunks: Iterable[bytes]) -> int:
        """Write and fsync; returns the size in bytes. An exception of `chunks` propagates unchanged."""
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
        for path in reversed([folder, *folder.parents]):
            path.mkdir(mode=0o700, exist_ok=True)  # mkdir(parents=True) would ignore the mode for the parents

    @contextmanager
    def _as_store_failed(self) -> Iterator[None]:
        """Turn OSError into StoreFailed."""
        try:
            yield
        except OSError as error:
            raise StoreFailed(f"The store {self.name} failed: {error.strerror}.") from None


def _files(top: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Every file below `top`, drafts and retention files included; what is removed meanwhile is skipped.

    Raises OSError where a folder cannot be read: it must not look empty.
    """
    for folder, folders, names in os.walk(top, onerror=_ignore_vanished):
        folders[:] = [name for name in folders if not name.startswith(".")]  # such as .snapshot: the file system's
        for name in names:
            path = Path(folder, name)
            with suppress(FileNotFoundError):
                yield path, path.stat()


def _ignore_vanished(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _retention_file(path: Path) -> Path:
    return path.with_name(f".{path.name}.kept")


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

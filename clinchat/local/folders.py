"""Folders under var/, and what the disk or the permissions have against them, in the operator's words."""

from __future__ import annotations

import errno
import fcntl
import os
import pwd
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clinchat.local.paths import LocalError

FULL = {errno.ENOSPC, errno.EDQUOT}
LEAST_FREE = 16 * 2**20


def open_var(var: Path) -> None:
    """Create the folder that holds all the others. Other accounts can pass root's, but not list it."""
    with storage_errors(var):
        if not var.is_dir():
            var.parent.mkdir(parents=True, exist_ok=True)
            _make(var, passage())


def passage() -> int:
    """The mode of a folder on the way to PostgreSQL's files: when root starts it, they are another's."""
    return 0o711 if os.geteuid() == 0 else 0o700


def private_folder(path: Path, *, mode: int = 0o700) -> None:
    """Create `path`, or raise LocalError when it is somebody else's."""
    with storage_errors(path):
        if not path.is_dir():
            _make(path, mode)
    # Not where it leads: in /tmp anybody can put a link of this name to one of our own folders.
    owner = path.lstat().st_uid
    if owner != os.geteuid():
        raise LocalError(
            f"{path} belongs to {account_name(owner)}; you are {account_name(os.geteuid())}. "
            "Start ClinChat as that user, or set CLINCHAT_VAR to another folder."
        )


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn what the system refuses (a full disk, a missing permission) into one line that names the place."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise disk_full(path) from None
        me = account_name(os.geteuid())
        raise LocalError(f"{me} cannot use {error.filename or path}: {error.strerror}.") from None


@contextmanager
def locked(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold the folder's lock, which the system drops when its holder dies. Raises BlockingIOError, or waits."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(handle)


def require_room(var: Path) -> None:
    """Refuse to start anything on a full disk, where every service would fail in its own obscure way."""
    if free_bytes(var) < LEAST_FREE:
        raise disk_full(var)


def free_bytes(path: Path) -> int:
    """Free space of the disk that holds `path`, which need not exist yet."""
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    return shutil.disk_usage(existing).free


def disk_full(path: Path) -> LocalError:
    return LocalError(
        f"The disk is full: {free_bytes(path) // 2**20} MB free in {path}. Free some space and start again."
    )


def account_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _make(path: Path, mode: int) -> None:
    path.mkdir(exist_ok=True)
    path.chmod(mode)  # whatever the umask says

"""Files that commands write: for the owner's eyes only, and whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from django.core.management.base import CommandError


def check_place(path: Path, *, force: bool, instead: str = "") -> None:
    """Raises CommandError where no file may be written; `instead` says what to do where none can be replaced."""
    if path.is_dir():
        raise CommandError(f"{path} is a folder; name a file in it.")
    if path.exists() and not path.is_file():
        raise CommandError(f"{path} is not a file that can be replaced. {instead}".strip())
    if path.exists() and not force:
        raise CommandError(f"{path} exists already. Choose another name, or replace it with --force.")
    if not path.absolute().parent.is_dir():
        raise CommandError(f"There is no folder {path.absolute().parent}.")
    if not os.access(path.absolute().parent, os.W_OK):
        raise CommandError(f"Nothing can be written to the folder {path.absolute().parent}.")


@contextmanager
def beside(path: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """A file under a temporary name beside its place, synced to the disk at the end. The caller moves or removes it."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.absolute().parent)
    with os.fdopen(descriptor, "w+b") as file:
        yield file, Path(name)
        file.flush()
        os.fsync(descriptor)

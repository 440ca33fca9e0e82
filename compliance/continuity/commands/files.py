"""manage.py backup files"""

from __future__ import annotations

import shutil
import tarfile
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

from compliance.continuity.backup import reading
from compliance.continuity.backup.contents import CONFIGURATION, FILES
from compliance.continuity.commands import DONE, Console, add_json_option, add_store_option, chosen_store, require_known
from compliance.continuity.point_in_time.base import ChunkReader
from compliance.continuity.refusals import ContinuityError
from compliance.models import Backup

HELP = (
    "Take the files that are in a full backup out of it, into a new folder: checkpoints and public keys of the audit "
    "trail, training content, and configuration.json, which says how the installation was set up. The whole backup is "
    "read and authenticated before. Nothing in use is changed: copy what was lost to its place. Exit code 3: it is "
    "not what was put into the store."
)


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("key", help="The backup's key, as `backup list` shows it.")
    parser.add_argument("folder", type=Path, help="A folder that does not exist yet.")
    add_store_option(parser)
    add_json_option(parser)


def run(options: dict[str, Any], console: Console) -> int:
    store = chosen_store(options)
    key, folder = options["key"], options["folder"].absolute()
    if folder.exists():
        raise ContinuityError(f"{folder} exists. Name a folder that does not: nothing is overwritten.")
    require_known(store, key)
    if reading.read_manifest(store, key).kind != Backup.Kind.FULL:
        raise ContinuityError("Only full backups have such files: this is a copy of the database server's.")
    reading.check(store, key)
    with _created_atomically(folder) as draft:
        chunks = reading.extract(store, key, FILES)
        with tarfile.open(fileobj=ChunkReader(chunks), mode="r|") as tar:
            tar.extractall(draft, filter="data")  # nosemgrep: archive-unpacked  # authenticated, and the filter refuses
        for _ in chunks:  # read to the end: the last frame authenticates the whole
            pass
        (draft / CONFIGURATION).write_bytes(b"".join(reading.extract(store, key, CONFIGURATION)))
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    if options["json"]:
        console.json({"key": key, "store": store.name, "folder": str(folder), "files": found})
    else:
        console.out("\n".join([*found, f"{len(found)} files of {key} are in {folder}"]))
    return DONE


@contextmanager
def _created_atomically(folder: Path) -> Iterator[Path]:
    """A draft folder, for this account alone, that is renamed to `folder` at the end of the block, or else removed."""
    draft = folder.with_name(f".{folder.name}-{token_hex(4)}")
    try:
        draft.mkdir(mode=0o700)
        yield draft
        draft.rename(folder)
    except OSError as error:
        raise ContinuityError(f"{folder} cannot be written: {error.strerror}.") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)

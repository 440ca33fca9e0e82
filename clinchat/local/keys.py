"""The two keys of an embedded installation."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

from clinchat.local.folders import open_var, private_folder, storage_errors
from clinchat.local.paths import paths

# The sealing key is an AES-256 key; Django asks for 50 characters or more.
_BYTES = {"secret_key": 48, "sealing_key": 32}


def ensure_keys() -> None:
    """Create the key files that are missing (0600, in a folder 0700); one that exists is never touched."""
    place = paths()
    keys = place.keys
    with storage_errors(keys):
        missing = [name for name in _BYTES if not (keys / name).exists()]
        if not missing:
            return
        open_var(place.var)
        private_folder(keys)
        for name in missing:
            _create(keys / name, base64.b64encode(secrets.token_bytes(_BYTES[name])))


def _create(path: Path, value: bytes) -> None:
    # A hard link appears whole or not at all and never replaces: two first starts agree on one key.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(value + b"\n")
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()

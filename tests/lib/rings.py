"""Key-encryption keys of a test's own."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

from clinchat import env


def new_line() -> str:
    return base64.b64encode(os.urandom(32)).decode() + "\n"


def use_file(settings: Any, path: Path, *lines: str) -> Path:
    """Keys in the file `path` from here on: `lines`, or one new key."""
    path.write_text("".join(lines or [new_line()]))
    path.chmod(0o600)
    settings.CLINCHAT_KEYS = "file"
    settings.SEALING_KEY_PATH = path
    settings.SEALING_KEYS = lambda: env.keys("A_KEY_OF_NO_NAME", file=path)
    return path


def wrapped_by(blob: bytes) -> str:
    """The id of the key-encryption key a sealed value needs: it stands behind the version and its own length."""
    assert blob[:1] == b"\x02"
    return blob[2 : 2 + blob[1]].decode()

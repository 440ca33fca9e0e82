"""The weights that `make setup` writes to chat/llm/built/ (chat/llm/build), checked before they are used."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from chat.llm.encoders import Failed

HERE = Path(__file__).parent
BUILT = HERE / "built"
MANIFEST = HERE / "built.sha256"


class Unbuilt(Failed):
    """A file of the models is missing or not the one of this version; the message says what to run."""


def checked(name: str) -> Path:
    """The path of a built file, once its content is the one the manifest names. Raises Unbuilt."""
    return same(BUILT / name, _manifest().get(name, ""))


def same(path: Path, sha256: str) -> Path:
    """The path, if the file's SHA-256 is that. Raises Unbuilt."""
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        found = None
    if found != sha256:
        raise Unbuilt(f"{path.name} is not the file ClinChat was tested with. Build the models anew: make setup")
    return path


def verify() -> None:
    """Raises Unbuilt unless every file of the manifest is there and right."""
    for name in _manifest():
        checked(name)


@cache
def _manifest() -> dict[str, str]:
    lines = MANIFEST.read_text(encoding="ascii").splitlines()
    return {name: digest for digest, name in (line.split("  ") for line in lines)}

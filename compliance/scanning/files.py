"""Which files a scan is about, and the digest that says which build it was. Needs no git: an image has none."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from compliance.scanning.types import Unusable

SHIPPED: Final = (
    *("manage.py", "LICENSE", "NOTICE"),
    *("deploy/gunicorn.conf.py", "deploy/healthcheck.py", "deploy/make_secrets.py"),
    *("requirements/prod.txt", "requirements/lexicons.txt", "requirements/models.txt"),
    *("clinchat", "chat", "compliance", "training", "templates", "static"),
)
"""What deploy/Dockerfile copies into the image: files, and folders with all that is in them."""
BUILT: Final = ("compliance/phi/built", "chat/llm/built")
"""Made from pinned packages at installation, and held to their own manifests of hashes."""
BESIDE: Final = frozenset(("var", "node_modules"))
"""Folders of a checkout that hold data or packages. Inside of what ships nothing is left out by its name."""


def shipped(tree: Path, *endings: str) -> list[Path]:
    """Files that a build carries, in a stable order, relative to the tree; with `endings`, only those."""
    found: set[Path] = set()
    for name in SHIPPED:
        place = tree / name
        found.update(_below(tree, place) if place.is_dir() else {Path(name)} if place.is_file() else ())
    if not found:
        raise Unusable("the folder is no tree of ClinChat")
    return sorted((path for path in found if not endings or path.suffix in endings), key=Path.as_posix)


def everything(tree: Path) -> list[Path]:
    """Every file of the checkout that is neither data, nor a tool, nor made from another."""
    found: set[Path] = set()
    for place in tree.iterdir():
        if place.is_file():
            found.add(place.relative_to(tree))
        elif place.name not in BESIDE and (not place.name.startswith(".") or place.name in {".ci", ".github"}):
            found.update(_below(tree, place))
    return sorted(found, key=Path.as_posix)


def _below(tree: Path, top: Path) -> Iterator[Path]:
    for folder, inner, names in os.walk(top):
        here = Path(folder)
        inner[:] = [name for name in inner if (here / name).relative_to(tree).as_posix() not in BUILT]
        if any((here / name).is_symlink() for name in inner):
            raise Unusable("a folder of the tree is a link, and what is behind it would not be read")
        for name in names:
            if ".pyc" not in name and (here / name).is_file():
                yield (here / name).relative_to(tree)


def build_digest(tree: Path) -> str:
    """SHA-256 over names and contents of what ships: two builds with the same digest run the same source."""
    digest = hashlib.sha256(b"clinchat build 1")
    for path in shipped(tree):
        content = hashlib.sha256((tree / path).read_bytes()).digest()
        name = path.as_posix().encode()
        digest.update(len(name).to_bytes(4) + name + content)
    return digest.hexdigest()

"""How the oldest record of a class is opened and verified, named by the apps that keep such records."""

from __future__ import annotations

from collections.abc import Callable, Mapping

_readers: dict[str, Callable[[], bool | None]] = {}


def register(name: str, reads: Callable[[], bool | None]) -> None:
    """`reads` says whether the oldest record of a class opens and verifies; None where there is none yet."""
    _readers[name] = reads


def readers() -> Mapping[str, Callable[[], bool | None]]:
    return dict(_readers)

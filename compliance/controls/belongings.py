"""What is one person's and nobody else's, named by the apps that keep it: a check makes one of each and lets a
stranger ask for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from compliance.models import User


@dataclass(frozen=True, slots=True)
class Belonging:
    """`make` stores one thing of the person, in a transaction that is undone, and returns its address.

    `open_to_owner`: the person themselves reads it there. `emergency`: it can be opened in an emergency.
    """

    kind: str
    make: Callable[[User], str]
    open_to_owner: bool = True
    emergency: bool = False


_kinds: dict[str, Belonging] = {}


def register(belonging: Belonging) -> None:
    """Called when an app is ready."""
    _kinds[belonging.kind] = belonging


def kinds() -> tuple[Belonging, ...]:
    return tuple(_kinds.values())

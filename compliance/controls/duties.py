"""What takes two people, named by the apps that ask for it, so that one check can look at all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Duty:
    """One such act that was completed. `done_by`: who carried it out, where that is not who approved it.

    `proved_at`: when who approved it had shown both factors, where the act keeps that itself; otherwise the audit
    trail has to say it. `together`: acts of one kind with the same value need a different approver each.
    """

    kind: str
    id: str
    requester: UUID | None
    approver: UUID | None
    at: datetime
    about: UUID | None = None
    done_by: UUID | None = None
    proved_at: datetime | None = None
    together: str = ""


Duties = Callable[[], Iterable[Duty]]
_kinds: dict[str, Duties] = {}


def register(name: str, duties: Duties) -> None:
    """`duties` yields every completed act of this kind there ever was. Called when an app is ready."""
    _kinds[name] = duties


def kinds() -> dict[str, Duties]:
    return dict(_kinds)

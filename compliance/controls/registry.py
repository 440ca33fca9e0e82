"""Which function makes which check. Each app registers those of what it owns, in AppConfig.ready()."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

JSON: TypeAlias = "str | int | float | bool | Sequence[JSON] | Mapping[str, JSON] | None"

USUAL_SECONDS: Final = 15


@dataclass(frozen=True, slots=True)
class Found:
    """What a check saw. `subjects`: how many things it looked at; `failing`: names or ids of those that are wrong.

    No word in it comes from a patient or from somebody's free text: ids, counts, names of settings and of code.
    """

    ok: bool
    observed: str
    subjects: int
    failing: Sequence[str] = ()
    evidence: Mapping[str, JSON] = field(default_factory=dict)


class CannotLook(Exception):
    """What is to be looked at cannot be reached here; `words` say why, in ours."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


Look = Callable[[], Found]


@dataclass(frozen=True, slots=True)
class Registered:
    """`zero_ok`: having nothing to look at is right. `missing`: why there is no such check yet.

    `keeper`: only the process that has the backup key can look.
    """

    key: str
    look: Look | None
    zero_ok: bool = False
    seconds: int = USUAL_SECONDS
    snapshot: bool = False
    missing: str = ""
    keeper: bool = False


_checks: dict[str, Registered] = {}


class AlreadyRegistered(ValueError):
    """Two functions claim one check."""


def check(
    key: str,
    *,
    zero_ok: bool = False,
    seconds: int = USUAL_SECONDS,
    snapshot: bool = False,
    keeper: bool = False,
) -> Callable[[Look], Look]:
    """The function makes this check of the catalogue, in at most so many seconds.

    It runs in a transaction that is always rolled back, as nobody in particular; it raises CannotLook, or anything
    else, where it cannot tell. With `snapshot` all it reads is of one moment: for what only reads, and compares rows
    that others are writing.
    """

    def keep(look: Look) -> Look:
        _register(Registered(key, look, zero_ok, seconds, snapshot, keeper=keeper))
        return look

    return keep


def missing(key: str, reason: str) -> None:
    """There is no such check yet, and this is why. It counts as an error: what nobody looks at is not in order."""
    _register(Registered(key, None, missing=reason))


def _register(one: Registered) -> None:
    known = _checks.get(one.key)
    if known is not None and not _same(known, one):
        raise AlreadyRegistered(one.key)
    _checks[one.key] = one


def _same(a: Registered, b: Registered) -> bool:
    """Whether it is one function whose module was loaded twice."""

    def name(one: Registered) -> tuple[str, str]:
        return (one.look.__module__, one.look.__qualname__) if one.look else ("", one.missing)

    return name(a) == name(b)


def registered() -> Mapping[str, Registered]:
    return dict(_checks)

"""The exceptions of continuity. Each has `words` for the person who asked; none contains bytes of a store."""

from __future__ import annotations

MANIFEST = "manifest.json"


class ContinuityError(Exception):
    """Base class: what was asked for cannot be done. `words` say why, and what to do about it."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class NoKey(ContinuityError):
    """This process has no valid backup key."""


class StoreFailed(ContinuityError):
    """A store does not answer, is full, or refuses."""


class StoreMissing(StoreFailed):
    """The folder that a store is does not exist."""


class StoreEmptied(StoreFailed):
    """A store holds nothing of what was put there: its disk is not mounted, or it is another store."""


class Absent(ContinuityError):
    """The store has no object of that name."""


class Retained(ContinuityError):
    """The object is under retention: it must not be deleted or replaced yet."""


class Refused(ContinuityError):
    """An object failed its verification; nothing of it is used. `part` names the object, or part of a backup."""

    template = "{part} is not what was written."

    def __init__(self, part: str = MANIFEST) -> None:
        super().__init__(self.template.format(part=part))
        self.part = part


class Unsigned(Refused):
    template = "{part} bears no signature of ours."


class WrongKey(Refused):
    template = "{part} was made with a key that this process does not have."


class Altered(Refused):
    template = "{part} was altered."


class Truncated(Refused):
    template = "{part} ends too early."


class Missing(Refused):
    template = "{part} is not there."


class Replayed(Refused):
    template = "{part} belongs to another backup, or to an earlier state of this one."


class TooNew(Refused):
    template = "{part} is of a form that this version does not know."

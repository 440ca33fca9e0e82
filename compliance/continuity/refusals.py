"""Why a backup is not read. Each has `words` for whoever asked; none of them shows a byte of what was found."""

from __future__ import annotations

MANIFEST = "manifest.json"


class ContinuityError(Exception):
    """Something about backups that cannot be done now; `words` say what, and what to do."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class NoKey(ContinuityError):
    """This process has no backup key, or one that is none."""


class StoreFailed(ContinuityError):
    """A store does not answer, is full, or refuses."""


class Absent(ContinuityError):
    """The store has no object of that name."""


class Retained(ContinuityError):
    """The object is under retention: it must not be deleted or replaced yet."""


class Refused(ContinuityError):
    """What is in the store is not what was put there. Nothing of it is used. `part` is what was found so."""

    says = "{part} is not what was written."

    def __init__(self, part: str = MANIFEST) -> None:
        super().__init__(self.says.format(part=part))
        self.part = part


class Unsigned(Refused):
    says = "{part} bears no signature of ours."


class WrongKey(Refused):
    says = "{part} was made with a key that this process does not have."


class Altered(Refused):
    says = "{part} was altered."


class Truncated(Refused):
    says = "{part} ends too early."


class Missing(Refused):
    says = "{part} is not there."


class Replayed(Refused):
    says = "{part} belongs to another backup, or to an earlier state of this one."


class TooNew(Refused):
    says = "{part} is of a form that this version does not know."

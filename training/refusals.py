"""What the services of training raise, in words: the same on pages and in the API."""

from __future__ import annotations

from typing import Final

from clinchat.lib import ui_tags
from training import attempts, certificates, enrolments

WORDS: Final[dict[type[Exception], str]] = {
    attempts.NoneLeft: "No attempt is left. Your department head or a compliance manager can unlock one.",
    attempts.Over: "This attempt is over. Nothing more is saved in it.",
    attempts.NotAttested: "Confirm that these answers are your own. Nothing was submitted.",
    attempts.Oneself: "This is about you, so somebody else has to do it.",
    attempts.OutOfReach: "This person is of another department.",
    attempts.NothingToUnlock: "Nothing was changed: an attempt is left, or the module is passed.",
    certificates.Oneself: "This is your own certificate, so somebody else has to revoke it.",
    certificates.AlreadyRevoked: "Somebody else was faster. It is revoked.",
}
REFUSED: Final[tuple[type[Exception], ...]] = (*WORDS, attempts.CoolingOff, enrolments.NothingToDo)
"""Everything that `words` knows, for `except`."""


def words(refused: Exception) -> str:
    """What to tell whoever tried."""
    match refused:
        case attempts.CoolingOff():
            return f"The next attempt opens {ui_tags.at(refused.until)}."
        case enrolments.NothingToDo():
            return f"You have passed this module. It counts until {ui_tags.day(refused.until)}."
    return WORDS[type(refused)]

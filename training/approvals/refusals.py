"""Why a step is refused: one exception for each rule, and the words of each for whoever tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from training.approvals.transitions import Why


class Refused(Exception):
    """Nothing was changed."""


class Stale(Refused):
    """Somebody was faster: the request is not as it was when the page was opened."""


class NotFromHere(Refused):
    """The step cannot be done in this stage."""


class NotOnesOwn(Refused):
    """Nobody decides on their own request, and nobody sends in somebody else's."""


class NotYours(Refused):
    """Their roles, or the delegation, do not allow the step."""


class AlreadyApproved(Refused):
    """They, or for whom they decide, approved another stage of this round."""


class NotCertified(Refused):
    """Who decides needs valid certificates of all six modules themselves."""


class NotProved(Refused):
    """Both factors have to be shown within ten minutes before."""


class AccountClosed(Refused):
    """The account of the applicant, or of who decides, is closed."""


class DelegationOver(Refused):
    """The delegation has ended, or is somebody else's."""


class NoReason(Refused):
    """This step needs a reason."""


class NoLicense(Refused):
    """Kind, issuer and last day of the license are needed, and the day lies ahead."""


class Incomplete(Refused):
    """Something is still to be done before it can be sent in: `missing` says what, in order."""

    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__()
        self.missing = missing


class TrainingLapsed(Incomplete):
    """What the applicant had completed when they sent it in has lapsed since."""


RULES: Final[dict[Why, type[Refused]]] = {
    Why.STAGE: NotFromHere,
    Why.NOT_ONES_OWN: NotOnesOwn,
    Why.ROLE: NotYours,
    Why.TWICE: AlreadyApproved,
}
ON_RECORD: Final = (NotOnesOwn, NotYours, AlreadyApproved, NotCertified, NotProved, DelegationOver)
"""Tries that a rule forbids to this person; the others are mishaps."""
WORDS: Final[dict[type[Refused], str]] = {
    Stale: "The request has changed since you opened it. Nothing was decided. Read it again.",
    NotFromHere: "That cannot be done with the request as it is now. Nothing was changed.",
    NotOnesOwn: "Nobody decides on their own request. Nothing was changed.",
    NotYours: "Your roles do not include this decision. Nothing was changed.",
    AlreadyApproved: "You, or the person you decide for, approved another stage of this request. Each stage takes "
    "somebody else.",
    NotCertified: "Finish your own training first: whoever decides holds valid certificates of all six modules.",
    NotProved: "Show your password and code again: a decision takes both within the last ten minutes.",
    AccountClosed: "The account is closed. Nothing was changed.",
    DelegationOver: "The delegation has ended, or is not yours. Nothing was changed.",
    NoReason: "Say why. Nothing was changed.",
    NoLicense: "Enter the kind of license, who issued it, and its last day, which lies ahead. Nothing was changed.",
    TrainingLapsed: "Training or policies of the applicant have lapsed since it was sent in. Return it, or wait.",
    Incomplete: "Something is still missing. Nothing was sent in.",
}


def words(refused: Refused) -> str:
    """What to tell whoever tried."""
    return WORDS[type(refused)]

"""What the services of the knowledge base raise, as problem documents; and those documents for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers

from chat import drafts, releases, uploads
from chat.api.shown import Comparison, comparison
from compliance import phi
from compliance.api.answers import Problem, answers
from compliance.api.bodies import NOT_CHECKED
from compliance.api.problems import Refused

CONFLICT, UNPROCESSABLE = HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY

Answer = tuple[int, str]
REFUSALS: dict[type[Exception], Answer] = {
    phi.PhiUnavailable: (HTTPStatus.SERVICE_UNAVAILABLE, NOT_CHECKED),
    uploads.Unscanned: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The malware scanner does not answer, so nothing was taken. Try again in a minute.",
    ),
    uploads.Malware: (UNPROCESSABLE, "The malware scanner knows this file. Nothing of it was kept."),
    uploads.TooLarge: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The file is too large. Send at most 25 MB."),
    drafts.NotDraft: (CONFLICT, "It is no draft any more: it is in review, decided or discarded."),
    drafts.NotInReview: (CONFLICT, "It waits for no decision."),
    drafts.NotOpen: (CONFLICT, "It is searched or was searched, or is discarded. A release changes that."),
    drafts.OwnWork: (CONFLICT, "You brought it in or sent it to review. Somebody else must review it."),
    drafts.Taken: (
        CONFLICT,
        "Another document of the collection has this external id, or other versions know the document by its own.",
    ),
    releases.Over: (CONFLICT, "There is nothing to change: it was done already."),
}


class Conflict(Problem):
    """A problem document (RFC 9457) that says what stands in the way."""

    revision = serializers.IntegerField(required=False, help_text="Of the draft now: somebody changed it.")
    missing = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="What its description lacks."
    )
    unsettled = serializers.IntegerField(required=False, help_text="Findings nobody has looked at.")
    waiting = serializers.IntegerField(required=False, help_text="Passages that are not embedded yet.")


class Fallen(Problem):
    """A problem document (RFC 9457) with the figures that fell."""

    comparison = Comparison()


@contextmanager
def refusing() -> Iterator[None]:
    """What a service raises leaves as a refusal."""
    try:
        yield
    except drafts.Stale as stale:
        words = "Somebody changed the draft. Get it again, then repeat your change."
        raise Refused(CONFLICT, words, members={"revision": stale.current.revision}) from None
    except drafts.Incomplete as lacking:
        words = "The description is not complete."
        raise Refused(CONFLICT, words, members={"missing": list(lacking.fields)}) from None
    except drafts.Unsettled as left:
        words = "Findings of the draft must be looked at first."
        raise Refused(CONFLICT, words, members={"unsettled": left.count}) from None
    except releases.NotReady as early:
        words = "Passages are still being embedded. Try again in a minute."
        raise Refused(CONFLICT, words, members={"waiting": early.waiting}) from None
    except releases.Fallen as fallen:
        words = "The labeled questions are answered worse than before, so nothing was published."
        raise Refused(UNPROCESSABLE, words, members={"comparison": comparison(fallen.evaluation)}) from None
    except tuple(REFUSALS) as refused:
        raise Refused(*next(answer for kind, answer in REFUSALS.items() if isinstance(refused, kind))) from None


def conflict(words: str) -> dict[tuple[int, str], OpenApiResponse]:
    """For extend_schema: 409, with what stands in the way."""
    return answers(CONFLICT, words, holds=Conflict)

"""What the services of training raise, as problem documents; and those documents for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from django.http import Http404
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers

from compliance import policies
from compliance.api.answers import Problem, answers
from compliance.api.problems import Refused
from training import attempts, certificates, enrolments, learning
from training.approvals import refusals
from training.bank.answers import NotAnAnswer
from training.refusals import REFUSED, words

CONFLICT, FORBIDDEN, UNPROCESSABLE = HTTPStatus.CONFLICT, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY

NEWER = "There is a newer version. Nothing was accepted: read that one."
STATUS: Final[dict[type[Exception], int]] = {
    attempts.NotAttested: UNPROCESSABLE,
    attempts.Oneself: FORBIDDEN,
    attempts.OutOfReach: FORBIDDEN,
    certificates.Oneself: FORBIDDEN,
}
"""The status of what training.refusals has words for; of any other it is 409."""
DECIDING: Final[dict[type[refusals.Refused], int]] = {
    refusals.NotOnesOwn: FORBIDDEN,
    refusals.NotYours: FORBIDDEN,
    refusals.AlreadyApproved: FORBIDDEN,
    refusals.NotCertified: FORBIDDEN,
    refusals.NotProved: FORBIDDEN,
    refusals.DelegationOver: FORBIDDEN,
    refusals.NoReason: UNPROCESSABLE,
    refusals.NoLicense: UNPROCESSABLE,
}
"""The status of a step that a rule forbids to this person, or that lacks something; of any other it is 409."""


class TrainingConflict(Problem):
    """A problem document (RFC 9457) that says what stands in the way."""

    until = serializers.DateTimeField(
        required=False, help_text="When the next attempt opens, or until when the module counts as passed."
    )
    missing = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="What has to be done first, in order."
    )
    lessons = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="Keys of the lessons that have to be read first."
    )
    revision = serializers.IntegerField(required=False, help_text="Of the answer now: another window has saved it.")


@contextmanager
def refusing() -> Iterator[None]:
    """What a service raises leaves as a refusal; a module or lesson that does not exist as Http404."""
    try:
        yield
    except (enrolments.UnknownModule, learning.UnknownLesson):
        raise Http404 from None
    except (enrolments.NothingToDo, attempts.CoolingOff) as early:
        raise Refused(CONFLICT, words(early), members={"until": early.until}) from None
    except learning.Changed:
        raise Refused(CONFLICT, "This lesson has changed since you got it. Read it again, then mark it.") from None
    except policies.NotInForce:
        raise Refused(CONFLICT, NEWER) from None
    except attempts.LessonsUnread as unread:
        members = {
            "missing": [lesson.title for lesson in unread.lessons],
            "lessons": [lesson.key for lesson in unread.lessons],
        }
        raise Refused(CONFLICT, "Read these lessons first.", members=members) from None
    except attempts.Newer as newer:
        told = "Another window has saved another answer to this question. Get the attempt again."
        raise Refused(CONFLICT, told, members={"revision": newer.answer.revision}) from None
    except NotAnAnswer as wrong:
        raise Refused(UNPROCESSABLE, wrong.words) from None
    except refusals.Refused as refused:
        raise _undecided(refused) from None
    except REFUSED as refused:
        raise Refused(STATUS.get(type(refused), CONFLICT), words(refused)) from None


def _undecided(refused: refusals.Refused) -> Refused:
    members = {"missing": list(refused.missing)} if isinstance(refused, refusals.Incomplete) else {}
    return Refused(DECIDING.get(type(refused), CONFLICT), refusals.words(refused), members=members)


def conflict(when: str) -> dict[tuple[int, str], OpenApiResponse]:
    """For extend_schema: 409, with what stands in the way."""
    return answers(CONFLICT, when, holds=TrainingConflict)


def unprocessable(when: str) -> dict[tuple[int, str], OpenApiResponse]:
    """For extend_schema: 422, with what is wrong."""
    return answers(UNPROCESSABLE, when)

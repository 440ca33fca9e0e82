"""What people did, told to a learning record store as Experience API 1.0.3 statements, where one is configured.

A statement is written in the transaction of what it tells; training.tasks sends it. It names a person by the
id of their account alone. Verbs and activity types are those ADL publishes, and "earned" of the TinCan registry:

| what | verb | object |
| --- | --- | --- |
| a lesson marked as read | completed | the lesson |
| an attempt begun | attempted | the assessment |
| an attempt graded | passed or failed, with score and duration | the assessment |
| a certificate issued | earned | the module, or all of the training |

The context holds the version of the content as revision and the turn through the module as registration.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.db import transaction
from django.db.models import F

from clinchat.lib import clock
from training.models import Attempt, Certificate, Enrolment, ModuleVersion, Statement

if TYPE_CHECKING:
    import requests

logger = logging.getLogger(__name__)

VERSION: Final = "1.0.3"
ADL: Final = "http://adlnet.gov/expapi"
COMPLETED, ATTEMPTED, PASSED, FAILED = (
    f"{ADL}/verbs/{verb}" for verb in ("completed", "attempted", "passed", "failed")
)
EARNED: Final = "http://id.tincanapi.com/verb/earned"
LESSON, ASSESSMENT, MODULE, COURSE = (
    f"{ADL}/activities/{kind}" for kind in ("lesson", "assessment", "module", "course")
)
BATCH: Final = 50
SECONDS: Final = 10
MOST_BYTES: Final = 100_000
LEASE: Final = timedelta(minutes=5)
"""So long a statement that is being sent is left alone by other workers."""
LONGEST_PAUSE: Final = timedelta(hours=6)
OURS: Final = frozenset({401, 403, 404, 407, 408, 425, 429})
"""Answers that speak of our settings or of haste and not of a statement: it is tried again."""


class Unreachable(Exception):
    """The store gave no answer that one could use."""


# ── Said ───────────────────────────────────────────────────────────────────────────────────────────────────────


def lesson_read(enrolment: Enrolment, version: ModuleVersion, lesson: str) -> None:
    """In the caller's transaction, as all of these."""
    title = next((one.title for one in version.module.lessons if one.key == lesson), lesson)
    _say(
        person=enrolment.person_id,
        verb=COMPLETED,
        activity=_activity(f"{version.slug}/{lesson}/", LESSON, title),
        at=clock.now(),
        context=_context(version, enrolment),
        result={"completion": True},
    )


def attempted(attempt: Attempt) -> None:
    version = _version(attempt)
    _say(
        person=attempt.enrolment.person_id,
        verb=ATTEMPTED,
        activity=_assessment(version),
        at=attempt.started_at or clock.now(),
        context=_context(version, attempt.enrolment),
    )


def graded(attempt: Attempt) -> None:
    version = _version(attempt)
    if attempt.points is None or not attempt.most or attempt.submitted_at is None or attempt.started_at is None:
        raise ValueError("the attempt is not graded")
    raw, most = float(attempt.points), attempt.most
    _say(
        person=attempt.enrolment.person_id,
        verb=PASSED if attempt.passed else FAILED,
        activity=_assessment(version),
        at=attempt.submitted_at,
        context=_context(version, attempt.enrolment),
        result={
            "score": {"scaled": round(raw / most, 4), "raw": round(raw, 4), "min": 0, "max": most},
            "success": bool(attempt.passed),
            "completion": True,
            "duration": f"PT{max(0.0, (attempt.submitted_at - attempt.started_at).total_seconds()):.2f}S",
        },
    )


def certified(certificate: Certificate) -> None:
    kind, place = (MODULE, f"{certificate.slug}/") if certificate.slug else (COURSE, "")
    context: dict[str, Any] = {"platform": "ClinChat", "revision": certificate.version, "language": "en-US"}
    if certificate.enrolment_id:
        context["registration"] = str(certificate.enrolment_id)
    _say(
        person=certificate.person_id,
        verb=EARNED,
        activity=_activity(place, kind, certificate.title),
        at=certificate.issued_at,
        context=context,
    )


def _version(attempt: Attempt) -> ModuleVersion:
    if attempt.version is None:
        raise ValueError("the attempt was not started")
    return attempt.version


def _assessment(version: ModuleVersion) -> dict[str, Any]:
    return _activity(f"{version.slug}/assessment/", ASSESSMENT, f"Assessment: {version.title}")


def _context(version: ModuleVersion, enrolment: Enrolment) -> dict[str, Any]:
    return {
        "registration": str(enrolment.pk),
        "revision": version.version,
        "platform": "ClinChat",
        "language": "en-US",
        "contextActivities": {"parent": [_activity(f"{version.slug}/", MODULE, version.title)]},
    }


def _activity(place: str, kind: str, name: str) -> dict[str, Any]:
    return {
        "objectType": "Activity",
        "id": f"{_home()}/training/{place}",
        "definition": {"type": kind, "name": {"en-US": name}},
    }


def _home() -> str:
    return settings.PORTAL_URL.rstrip("/")


def _say(
    *,
    person: uuid.UUID,
    verb: str,
    activity: dict[str, Any],
    at: datetime,
    context: dict[str, Any],
    result: dict[str, Any] | None = None,
) -> None:
    """Keep one statement for the worker; nothing where no store is configured."""
    if not settings.XAPI_URL:
        return
    pk = uuid.uuid4()
    content = {
        "id": str(pk),
        "actor": {"objectType": "Agent", "account": {"homePage": _home(), "name": str(person)}},
        "verb": {"id": verb, "display": {"en-US": verb.rpartition("/")[2]}},
        "object": activity,
        "context": context,
        "timestamp": at.isoformat(),
        **({"result": result} if result else {}),
    }
    Statement.objects.create(pk=pk, content=content)


# ── Sent ───────────────────────────────────────────────────────────────────────────────────────────────────────


def send_waiting() -> int:
    """Send what is due in batches until a batch fails; returns how many statements the store has taken.

    No transaction is open while it answers: a batch is leased first. One that is sent twice is stored once, by its id.
    """
    taken = 0
    if not settings.XAPI_URL:
        return taken
    with _session() as session:
        while batch := _lease():
            done = _send(session, batch)
            taken += done
            if done < len(batch):
                break
    return taken


@transaction.atomic
def _lease() -> list[Statement]:
    due = Statement.objects.waiting().filter(next_try_at__lte=clock.now()).order_by("made_at")
    batch = list(due.select_for_update(skip_locked=True)[:BATCH])
    again = clock.now() + LEASE
    Statement.objects.filter(pk__in=[one.pk for one in batch]).update(next_try_at=again, tries=F("tries") + 1)
    return batch


def _send(session: requests.Session, batch: Sequence[Statement]) -> int:
    """How many the store has, or will never take. One that it refuses is found by sending each alone."""
    status = _post(session, batch)
    if status is None or status >= 500 or status in OURS or 300 <= status < 400:
        for one in batch:
            pause = min(timedelta(minutes=2 ** min(one.tries, 10)), LONGEST_PAUSE)
            Statement.objects.filter(pk=one.pk).update(next_try_at=clock.now() + pause)
        logger.warning("%d statements not taken: %s", len(batch), status or "no answer")
        return 0
    if status >= 400 and len(batch) > 1:
        return sum(_send(session, [one]) for one in batch)
    refused = status >= 400 and status != 409  # 409: it has one with this id already
    end = {"refused_at": clock.now()} if refused else {"sent_at": clock.now()}
    Statement.objects.filter(pk__in=[one.pk for one in batch]).update(**end)
    if refused:
        logger.error("a statement was refused with status %d", status, extra={"code": "XAPI_REFUSED"})
    return len(batch)


def _post(session: requests.Session, batch: Sequence[Statement]) -> int | None:
    import requests

    try:
        with session.post(
            f"{settings.XAPI_URL.rstrip('/')}/statements",
            json=[one.content for one in batch],
            timeout=SECONDS,
            allow_redirects=False,
            stream=True,  # what it says beside the status is not read, however much that is
        ) as answer:
            return answer.status_code
    except (requests.RequestException, OSError):
        return None


def reach() -> str:
    """Whether the store speaks our version (xAPI 1.0.3, part three, 2.8). Raises Unreachable."""
    import requests
    import urllib3

    about = f"{settings.XAPI_URL.rstrip('/')}/about"
    try:
        with _session() as session, session.get(about, timeout=3, allow_redirects=False, stream=True) as answer:
            spoken = json.loads(answer.raw.read(MOST_BYTES, decode_content=True))["version"] if answer.ok else []
        if VERSION in spoken:
            return f"speaks {VERSION}"
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError, KeyError, TypeError):
        pass
    raise Unreachable


def _session() -> requests.Session:
    import requests

    session = requests.Session()
    session.trust_env = False  # no proxy and no .netrc come between
    session.auth = (settings.XAPI_USER, settings.XAPI_PASSWORD)
    session.headers["X-Experience-API-Version"] = VERSION
    return session

"""Whether the data fits together: what check_data_integrity() finds in the database, and what apps look at besides.

The SQL is in migration 0011 and in a migration of each app that has some: every function named integrity_… is asked.
A look only reads, is of one moment and changes nothing. One that could not be taken is never in order.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from django.db import connection, transaction

from compliance import audit, metrics, notices
from compliance.access import Role
from compliance.logs.faults import kind
from compliance.models import IntegrityRun, Notice

logger = logging.getLogger("clinchat.continuity")

SECONDS: Final = 900
"""After which PostgreSQL gives the look up. One at 40,000 passages takes three."""
SOUND: Final = "clinchat_data_integrity_sound"
LAST: Final = "clinchat_data_integrity_last_run"
State = IntegrityRun.State


@dataclass(frozen=True, slots=True)
class Looked:
    """What one check looked at, how much of it, and what is wrong: names and ids, never a text.

    Without a number of problems it could not look, and `subject` says why: that is no problem, and not in order either.
    """

    key: str
    subject: str
    looked: int
    problems: int | None
    sample: Sequence[str] = ()


Check = Callable[[], Looked]
_checks: list[Check] = []


def register(check: Check) -> Check:
    """Ask this as well: for what SQL cannot know. It may raise; then the whole look counts as not taken."""
    if check not in _checks:
        _checks.append(check)
    return check


def look() -> list[Looked]:
    """Every check now; nothing is kept. Raises whatever keeps it from looking."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{SECONDS}s"])
        cursor.execute("SELECT * FROM check_data_integrity()")
        found = [
            Looked(key, subject, number, wrong, tuple(sample or ()))
            for key, subject, number, wrong, sample in cursor.fetchall()
        ]
        return found + [check() for check in _checks]


def run() -> IntegrityRun:
    """Look, keep what was seen, and say aloud what is wrong. Raises what the database raises when it cannot keep it."""
    began = time.monotonic()
    before = IntegrityRun.objects.first()
    found, why = _looked()
    if why:
        state, wrong = State.ERROR, [Looked("not_looked", why, 0, 0)]
    else:
        wrong = [one for one in found if one.problems]
        state = State.FINDINGS if wrong else State.SOUND
    seen = IntegrityRun.objects.create(
        state=state,
        seconds=round(time.monotonic() - began, 2),
        looked={one.key: None if one.problems is None else one.looked for one in found},
        findings=[
            {"key": one.key, "subject": one.subject, "count": one.problems, "sample": [*one.sample]} for one in wrong
        ],
    )
    _say(seen, before)
    return seen


def open_condition() -> IntegrityRun | None:
    """What is still wrong: the newest look that found something, or could not be taken, since the last sound one."""
    sound = IntegrityRun.objects.filter(state=State.SOUND).first()
    since = IntegrityRun.objects.exclude(state=State.SOUND)
    if sound is not None:
        since = since.filter(ran_at__gt=sound.ran_at)
    return since.filter(state=State.FINDINGS).first() or since.first()


def not_available(seen: IntegrityRun) -> list[str]:
    """The checks that this installation has no means for. Nothing is known of what they would look at."""
    return sorted(key for key, number in seen.looked.items() if number is None)


def _looked() -> tuple[list[Looked], str]:
    """What was found, and why it could not be looked at."""
    try:
        return look(), ""
    except Exception as error:  # noqa: BLE001  # whatever kept it from looking: it is not in order
        return [], kind(error)


# ── Said ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _say(seen: IntegrityRun, before: IntegrityRun | None) -> None:
    keys = sorted({one["key"] for one in seen.findings})
    if seen.state == State.SOUND:
        return
    if seen.state == State.ERROR:
        logger.error(
            "the data could not be checked: %s", seen.findings[0]["subject"], extra={"code": "DATA_NOT_CHECKED"}
        )
    else:
        logger.error("the data does not fit together: %s", ", ".join(keys), extra={"code": "DATA_UNSOUND"})
        audit.record(
            code=audit.Code.SYS_INTEGRITY_FAIL,
            action=audit.Crude.READ,
            outcome=audit.Outcome.FAILURE,
            object_type="compliance.IntegrityRun",
            object_id=str(seen.pk),
            detail={"problems": sum(one["count"] for one in seen.findings), "kinds": keys},
        )
    known = {one["key"] for one in before.findings} if before else set()
    if not known.issuperset(keys):
        _tell(seen)


def _tell(seen: IntegrityRun) -> None:
    found = seen.state == State.FINDINGS
    notices.tell(
        notices.holders(Role.OPERATOR, Role.SECURITY_OFFICER, Role.COMPLIANCE_MANAGER),
        title="The data does not fit together" if found else "The data could not be checked",
        text="The check of the database found rows, texts or vectors that do not belong together. Nothing was changed."
        if found
        else "The check of the database could not be made, so nothing is known. See the log for the reason.",
        url="/compliance/continuity/",
        level=Notice.Level.CRITICAL if found else Notice.Level.WARNING,
        mail=True,
    )


# ── Numbers for Prometheus ─────────────────────────────────────────────────────────────────────────────────────────


def register_gauges() -> None:
    metrics.register(SOUND, metrics.Gauge("1 if the last check of the data found it in order, else 0", _sound))
    metrics.register(LAST, metrics.Gauge("When the data was checked last, in seconds since 1970", _last))


def _sound() -> float | None:
    last = IntegrityRun.objects.first()
    return float(last.state == State.SOUND) if last else None


def _last() -> float | None:
    last = IntegrityRun.objects.first()
    return last.ran_at.timestamp() if last else None

"""Integrity checks of the data: the database function check_data_integrity(), and checks that apps register.

check_data_integrity() calls every SQL function named integrity_…; they are in migration 0011 and in migrations of the
apps. A run reads one snapshot and changes nothing. A run that could not be completed counts as not in order.
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

TIMEOUT_SECONDS: Final = 900
"""statement_timeout of a run. A run with 40,000 passages takes three seconds."""
SOUND_GAUGE: Final = "clinchat_data_integrity_sound"
LAST_RUN_GAUGE: Final = "clinchat_data_integrity_last_run"
State = IntegrityRun.State


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check. `sample` names some of the problems by names and ids, never by a text.

    `problems` None: the check is not available on this installation, and `subject` says why.
    """

    key: str
    subject: str
    examined: int
    problems: int | None
    sample: Sequence[str] = ()


Check = Callable[[], CheckResult]
_checks: list[Check] = []


def register(check: Check) -> Check:
    """Add a check, for what SQL cannot know. Where it raises, the whole run is an error."""
    if check not in _checks:
        _checks.append(check)
    return check


def run_checks() -> list[CheckResult]:
    """Run all checks without recording anything. Raises whatever a check raises."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{TIMEOUT_SECONDS}s"])
        cursor.execute("SELECT * FROM check_data_integrity()")
        found = [
            CheckResult(key, subject, examined, problems, tuple(sample or ()))
            for key, subject, examined, problems, sample in cursor.fetchall()
        ]
        return found + [check() for check in _checks]


def run() -> IntegrityRun:
    """Run all checks, record the result, and report problems. Raises where the database cannot record it."""
    started = time.monotonic()
    previous = IntegrityRun.objects.first()
    found, error = _run_checks_safely()
    if error:
        state, problems = State.ERROR, [CheckResult("not_looked", error, 0, 0)]
    else:
        problems = [result for result in found if result.problems]
        state = State.FINDINGS if problems else State.SOUND
    record = IntegrityRun.objects.create(
        state=state,
        seconds=round(time.monotonic() - started, 2),
        looked={result.key: None if result.problems is None else result.examined for result in found},
        findings=[
            {"key": result.key, "subject": result.subject, "count": result.problems, "sample": [*result.sample]}
            for result in problems
        ],
    )
    _report(record, previous)
    return record


def open_condition() -> IntegrityRun | None:
    """What still stands: since the last sound run the newest one with findings, or else the newest with an error."""
    sound = IntegrityRun.objects.filter(state=State.SOUND).first()
    since = IntegrityRun.objects.exclude(state=State.SOUND)
    if sound is not None:
        since = since.filter(ran_at__gt=sound.ran_at)
    return since.filter(state=State.FINDINGS).first() or since.first()


def unavailable_checks(run: IntegrityRun) -> list[str]:
    """Keys of the checks that could not be made on this installation: nothing is known of what they cover."""
    return sorted(key for key, number in run.looked.items() if number is None)


def _run_checks_safely() -> tuple[list[CheckResult], str]:
    """The results of all checks, and the kind of the exception that ended them; empty: none."""
    try:
        return run_checks(), ""
    except Exception as error:  # noqa: BLE001  # whatever it was, the run is an error
        return [], kind(error)


# ── Reporting ────────────────────────────────────────────────────────────────────────────────────────────────────


def _report(run: IntegrityRun, previous: IntegrityRun | None) -> None:
    """Log problems, record findings in the audit trail, and notify people of kinds that the last run did not find."""
    keys = sorted({finding["key"] for finding in run.findings})
    if run.state == State.SOUND:
        return
    if run.state == State.ERROR:
        logger.error(
            "the data could not be checked: %s", run.findings[0]["subject"], extra={"code": "DATA_NOT_CHECKED"}
        )
    else:
        logger.error("the data does not fit together: %s", ", ".join(keys), extra={"code": "DATA_UNSOUND"})
        audit.record(
            code=audit.Code.SYS_INTEGRITY_FAIL,
            action=audit.Crude.READ,
            outcome=audit.Outcome.FAILURE,
            object_type="compliance.IntegrityRun",
            object_id=str(run.pk),
            detail={"problems": sum(finding["count"] for finding in run.findings), "kinds": keys},
        )
    known = {finding["key"] for finding in previous.findings} if previous else set()
    if not known.issuperset(keys):
        _notify(run)


def _notify(run: IntegrityRun) -> None:
    found = run.state == State.FINDINGS
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
    metrics.register(SOUND_GAUGE, metrics.Gauge("1 if the last check of the data found it in order, else 0", _sound))
    metrics.register(LAST_RUN_GAUGE, metrics.Gauge("When the data was checked last, in seconds since 1970", _last))


def _sound() -> float | None:
    last = IntegrityRun.objects.first()
    return float(last.state == State.SOUND) if last else None


def _last() -> float | None:
    last = IntegrityRun.objects.first()
    return last.ran_at.timestamp() if last else None

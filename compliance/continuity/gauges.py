"""Prometheus gauges of backups and drills, on /metrics."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from clinchat.lib import clock
from compliance import metrics
from compliance.models import Backup, Drill, WalShipping

BACKUP_AGE: Final = "clinchat_backup_verified_age_seconds"
LOG_LAG: Final = "clinchat_wal_lag_seconds"
DRILL_AGE: Final = "clinchat_drill_age_seconds"
DRILL_PASSED: Final = "clinchat_drill_passed"
DRILL_RTO: Final = "clinchat_drill_rto_seconds"
DRILL_RPO: Final = "clinchat_drill_rpo_seconds"


def register() -> None:
    gauge = metrics.Gauge
    metrics.register(BACKUP_AGE, gauge("Age of the newest backup that was read back and found whole", _backup_age))
    metrics.register(LOG_LAG, gauge("How far the shipped log is behind the database", _log_lag))
    metrics.register(DRILL_AGE, gauge("Since the last drill", _drill_age))
    metrics.register(DRILL_PASSED, gauge("1: the last drill passed; 0: it failed or could not run", _drill_passed))
    metrics.register(DRILL_RTO, gauge("How long the last drill took to be back", lambda: _drill_took("rto_seconds")))
    metrics.register(DRILL_RPO, gauge("How much the last drill would have lost", lambda: _drill_took("rpo_seconds")))


def age(moment: datetime) -> float:
    """Seconds since that moment."""
    return (clock.now() - moment).total_seconds()


def _backup_age() -> float | None:
    found = Backup.objects.verified(Backup.Kind.FULL).first()
    return age(found.as_of) if found and found.as_of else None


def _log_lag() -> float | None:
    moment = WalShipping.objects.values_list("as_of", flat=True).first()
    return age(moment) if moment else None


def _drill_age() -> float | None:
    moment = Drill.objects.values_list("started_at", flat=True).first()
    return age(moment) if moment else None


def _drill_took(column: str) -> float | None:
    seconds: float | None = Drill.objects.values_list(column, flat=True).first()
    return seconds


def _drill_passed() -> float | None:
    state = Drill.objects.values_list("state", flat=True).first()
    return None if state is None else float(state == Drill.State.PASSED)

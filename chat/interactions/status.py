"""How the interaction table is doing: for operators, for Prometheus and for readers who must know its limits."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from django.db.models import Max

from chat import days
from chat.interactions import backup, current, release, selftest
from chat.interactions.backup import Copy
from chat.interactions.current import Current, Unavailable
from chat.interactions.release import Damaged, Release
from chat.interactions.table import Table
from chat.models import DrugTable, LocalInteraction
from clinchat.lib import clock
from compliance import health, metrics

OLD_YEARS: Final = 5
"""A source older than that is named as ageing."""
SOON: Final = 30
"""Days. A local change that ends within them is counted by itself."""
OLD_COPY: Final = timedelta(minutes=5)
"""What may be lost of the hospital's changes when the database goes away: the recovery point of this part."""

PROBLEMS: Final = (
    "no_sound_table",
    "self_test",
    "checksums",
    "image",
    "expansion",
    "database",
    "backup_missing",
    "backup_old",
    "backup_differs",
)

BACKUP_AGE = "clinchat_drug_table_backup_age_seconds"
SOUND = "clinchat_drug_table_sound"
PAIRS = "clinchat_drug_table_pairs"
EXPIRING = "clinchat_drug_table_local_changes_expiring"


def register() -> None:
    health.register("interactions", "Drug interactions", can_check, needed=False)
    for name, words, read in (
        (BACKUP_AGE, "Age of the copy of the interaction table that is used when the database is away", _backup_age),
        (SOUND, "1 if a table passes its self-test, so that interactions can be checked, else 0", _sound),
        (EXPIRING, "Local changes of the table that end within 30 days", _expiring),
    ):
        metrics.register(name, metrics.Gauge(words, read))
    metrics.register(PAIRS, metrics.Gauge("Pairs of the interaction table in use, by severity", _pairs, "severity"))


def can_check() -> bool:
    """Whether a list could be checked now."""
    try:
        current.current()
    except Unavailable:
        return False
    return True


# ── Parts ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Aged:
    """A source of the table, its date as it is known, and its age in full years."""

    name: str
    dated: str
    years: int

    @property
    def old(self) -> bool:
        return self.years > OLD_YEARS


def sources(table: Table) -> tuple[Aged, ...]:
    """The sources of the table with their age; of a span of years the last one counts."""
    dates: Mapping[str, str] = table.release.manifest.get("source_dates", {})
    return tuple(Aged(name, said.split(" (")[0], _years(said)) for name, said in dates.items())


def _years(said: str) -> int:
    """“2020-10” is a month, “2011-2025 (see there)” a span whose end counts, “2014” that year's end."""
    first, _, last = said.split(maxsplit=1)[0].partition("-")
    year, month = (last, 12) if len(last) == len("2025") else (first, int(last or 12))
    today = days.today()
    return max(0, today.year - int(year) - (today.month < month))


def without_data(table: Table) -> tuple[str, ...]:
    """Medicines in common use that the sources of the table do not speak of."""
    return tuple(
        sorted((drug.name for drug in table.drugs.values() if drug.common and not drug.covered), key=str.lower)
    )


def kept_copy() -> Copy | None:
    """The copy for when the database is away, if it can be used."""
    return backup.read(current.folder())


@cache
def _expands(table: Table) -> bool:
    return selftest.same_pairs(table)


# ── Numbers for Prometheus ───────────────────────────────────────────────────────────────────────────────────────


def _backup_age() -> float | None:
    copy = kept_copy()
    return (clock.now() - copy.at).total_seconds() if copy else None


def _sound() -> float:
    return float(can_check())


def _expiring() -> float | None:
    try:
        return float(_local(current.current())["expiring"])
    except Unavailable:
        return None


def _pairs() -> dict[str, float] | None:
    try:
        found = current.current().table.severities
    except Unavailable:
        return None
    return {severity.value: float(number) for severity, number in found.items()}


# ── All of it ────────────────────────────────────────────────────────────────────────────────────────────────────


def status() -> dict[str, Any]:
    """Everything there is to say, as plain values. Where no table is sound there is little."""
    try:
        state = current.current()
    except Unavailable:
        return {"status": "degraded", "problems": ["no_sound_table"], "table": None, "backup": _backup(None)}
    table = state.table
    failed, files, copy = selftest.failures(table), _files(table.release), _backup(state)
    problems = {
        "self_test": bool(failed),
        "checksums": not all(one["matches"] for one in files),
        "image": not _image_sound(),
        "expansion": not _expands(table),
        "database": state.from_backup,
        "backup_missing": not copy["sound"],
        "backup_old": copy["sound"] and copy["age_seconds"] > OLD_COPY.total_seconds(),
        "backup_differs": copy["sound"] and not copy["same"],
    }
    return {
        "status": "degraded" if any(problems.values()) else "ok",
        "problems": [name for name, wrong in problems.items() if wrong],
        "table": _table(table),
        "files": files,
        "self_test": {"ok": not failed, "failures": list(failed), "expansion": not problems["expansion"]},
        "sources": [
            {"name": one.name, "dated": one.dated, "years": one.years, "old": one.old} for one in sources(table)
        ],
        "from_backup": state.from_backup,
        "last_update": None if state.from_backup else _last_update(),
        "local_changes": _local(state),
        "backup": copy,
        "limits": {"common_without_data": list(without_data(table)), "reviewed_by_pharmacist": False},
    }


def _table(table: Table) -> dict[str, Any]:
    covered = sum(drug.covered for drug in table.drugs.values())
    return {
        "version": table.version,
        "sha256": table.release.sha256,
        "medicines": len(table.drugs),
        "covered": covered,
        "not_covered": len(table.drugs) - covered,
        "classes": len(table.classes),
        "combinations": len(table.release.files["combinations.jsonl"].splitlines()),
        "pairs": table.pairs,
        "by_severity": {severity.value: number for severity, number in table.severities.items()},
        "onc_pairs": sum(1 for _ in table.onc_pairs()),
    }


def _files(used: Release) -> list[dict[str, Any]]:
    """The files of the release in use, as this process holds them."""
    found = []
    for name in release.FILES:
        digest = hashlib.sha256(used.files[name]).hexdigest()
        listed = used.manifest["files"][name]["sha256"]
        found.append({"name": name, "sha256": digest, "matches": digest == listed})
    return found


def _image_sound() -> bool:
    """Whether the release in the image is still what its manifest says, read from the disk now."""
    try:
        release.read(release.SHIPPED)
    except Damaged:
        return False
    return True


def _last_update() -> datetime | None:
    """When a release came into use or a change of the hospital began or ended; None: as in the image."""
    used = DrugTable.objects.filter(in_use=True).aggregate(at=Max("applied_at"))["at"]
    local = LocalInteraction.objects.aggregate(decided=Max("decided_at"), ended=Max("ended_at"))
    moments = [at for at in (used, local["decided"], local["ended"]) if at]
    return max(moments, default=None)


def _local(state: Current) -> dict[str, int]:
    left = [(change.local.expires - days.today()).days for change in state.changes.values()]
    return {"in_force": sum(n >= 0 for n in left), "expiring": sum(0 <= n <= SOON for n in left)}


def _backup(state: Current | None) -> dict[str, Any]:
    copy = kept_copy()
    if copy is None:
        return {"sound": False, "at": None, "age_seconds": 0.0, "changes": 0, "same": False}
    return {
        "sound": True,
        "at": copy.at,
        "age_seconds": round((clock.now() - copy.at).total_seconds(), 1),
        "changes": len(copy.changes),
        "same": state is not None and copy.version == state.version,
    }

"""Keeps what scanners found: each run, and each finding from when it was first found until it is found no more."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction

from clinchat.lib import clock
from compliance import models
from compliance.scanning.types import Finding, Scan

_LOCK: Final = 7_204_118_559_301_662
_PLACE: Final = 300
AGAIN: Final = timedelta(days=30)
"""What comes back within this was never mended."""


def store(scans: Sequence[Scan], *, build: str) -> list[models.ScanRun]:
    """Store the runs, open what is new and close what is gone; all of it or nothing.

    What is still found keeps the day it was found on. A scanner that could not run closes nothing.
    """
    now = clock.now()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])  # two scans at once would open a finding twice
        for scan in scans:
            if scan.state != "error":
                _follow(scan)
        return models.ScanRun.objects.bulk_create(
            models.ScanRun(
                scanner=scan.scanner,
                state=scan.state,
                version=scan.version,
                source=scan.source,
                source_date=scan.source_date,
                proved=scan.proved,
                found=len(scan.findings),
                reason=scan.reason,
                build=build,
                started_at=now - timedelta(seconds=scan.seconds),
                seconds=scan.seconds,
            )
            for scan in scans
        )


def fingerprints(findings: Iterable[Finding]) -> dict[str, Finding]:
    """Each finding under a digest that stays the same when lines move or a package gets another version.

    Several of one rule in one file are told apart by their order.
    """
    seen: Counter[tuple[str, str, str]] = Counter()
    found = {}
    for one in sorted(findings, key=_position):
        what = (one.scanner, one.rule, _where(one))
        text = "\0".join((*what, str(seen[what])))
        found[hashlib.sha256(text.encode()).hexdigest()] = one
        seen[what] += 1
    return found


def _follow(scan: Scan) -> None:
    """Bring the open findings of this scanner in line with what it found."""
    found = fingerprints(scan.findings)
    still = {one.fingerprint: one for one in models.Finding.objects.filter(scanner=scan.scanner, closed_at=None)}
    now = clock.now()
    for fingerprint, stored in still.items():
        if fingerprint not in found:
            models.Finding.objects.filter(pk=stored.pk).update(closed_at=now)
        elif (said := _columns(found[fingerprint])) != {name: getattr(stored, name) for name in said}:
            models.Finding.objects.filter(pk=stored.pk).update(**said)
    before = _first_found(fingerprint for fingerprint in found if fingerprint not in still)
    models.Finding.objects.bulk_create(
        models.Finding(
            fingerprint=fingerprint,
            scanner=one.scanner,
            rule=one.rule,
            found_at=before.get(fingerprint, now),
            **_columns(one),
        )
        for fingerprint, one in found.items()
        if fingerprint not in still
    )


def _first_found(fingerprints: Iterable[str]) -> dict[str, datetime]:
    """When those were first found that were gone for less than AGAIN: one scan without them gives them no new days."""
    closed = models.Finding.objects.filter(fingerprint__in=list(fingerprints), closed_at__gte=clock.now() - AGAIN)
    return dict(closed.order_by("-found_at").values_list("fingerprint", "found_at"))


def _columns(one: Finding) -> dict[str, str]:
    """What may change of a finding that stays the same."""
    return {"severity": one.severity, "place": one.place[:_PLACE], "title": one.title}


def _where(one: Finding) -> str:
    """The file or the package, without line and version."""
    return one.place.partition("==")[0] if "==" in one.place else one.place.rpartition(":")[0]


def _position(one: Finding) -> tuple[str, int]:
    line = one.place.rpartition(":")[2]
    return _where(one), int(line) if line.isdigit() else 0

"""Whether the code that runs was scanned, and what was found is mended in time (45 CFR 164.308(a)(1)(ii)(B))."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.conf import settings

from clinchat.lib import clock
from compliance.controls.registry import Found, check
from compliance.models import Finding, ScanRun
from compliance.scanning import SCANNERS
from compliance.scanning.files import build_digest

Severity = Finding.Severity
DAYS: Final = {Severity.CRITICAL: 15, Severity.HIGH: 30}
"""A finding may be open for so many days."""
OLDEST_SOURCE: Final = timedelta(days=30)
"""Of advisories; rules of our own come with the release and have no age."""


@check("vuln.sla", zero_ok=True)
def in_time() -> Found:
    """No open finding is older than its severity allows."""
    now = clock.now()
    serious = list(Finding.objects.filter(closed_at=None, severity__in=DAYS))
    late = [one for one in serious if one.found_at < now - timedelta(days=DAYS[Severity(one.severity)])]
    return Found(
        ok=not late,
        observed=f"{len(late)} of {len(serious)} open critical and high findings are past their days",
        subjects=len(serious),
        failing=[str(one.pk) for one in late],
        evidence={"days": {str(name): days for name, days in DAYS.items()}},
    )


@check("scan.ran_with_source")
def ran() -> Found:
    """Each scanner ran on the build that runs, proved itself, had a source of its day, and nothing serious is open.

    What could not run is no clean scan: the newest run of a scanner counts, whatever it says.
    """
    build = build_digest(settings.BASE_DIR)
    newest = {one.scanner: one for one in ScanRun.objects.order_by("scanner", "-started_at").distinct("scanner")}
    wrong = [f"{name}: {why}" for name in SCANNERS if (why := _wrong(newest.get(name), build))]
    serious = Finding.objects.filter(closed_at=None, severity__in=DAYS).count()
    return Found(
        ok=not wrong and not serious,
        observed=f"{len(SCANNERS) - len(wrong)} of {len(SCANNERS)} scanners ran on this build and proved themselves; "
        f"{serious} critical and high findings are open",
        subjects=len(SCANNERS) + serious,
        failing=[*wrong, *(["open findings"] if serious else [])],
        evidence={
            "build": build,
            "sources": {
                name: one.source_date.isoformat() if one.source_date else "of the release"
                for name, one in newest.items()
            },
        },
    )


def _wrong(run: ScanRun | None, build: str) -> str:
    """Why the newest run of a scanner does not count; empty when it does."""
    if run is None:
        return "never ran"
    if run.state == ScanRun.State.ERROR:
        return "could not run"
    if not run.proved:
        return "did not prove itself"
    if run.build != build:
        return "ran on another build"
    if run.source_date is not None and run.source_date < clock.now().date() - OLDEST_SOURCE:
        return "went by an old source"
    return ""

"""Findings are kept from when they were first found until they are found no more."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from clinchat.lib import clock
from compliance.models import Finding as Stored
from compliance.models import ScanRun
from compliance.scanning.storing import fingerprints, store
from compliance.scanning.types import Finding, Scan

pytestmark = pytest.mark.django_db
BUILD = "ab" * 32


def finding(place: str = "clinchat/one.py:7", rule: str = "B608", **other: Any) -> Finding:
    return Finding(
        **{"scanner": "bandit", "rule": rule, "severity": "medium", "place": place, "title": "Built.", **other}
    )


def scan(*findings: Finding, **other: Any) -> Scan:
    state = "findings" if findings else "clean"
    given = {
        "scanner": "bandit",
        "state": state,
        "version": "1.9.4",
        "source": "itself",
        "proved": True,
        "seconds": 2.5,
    }
    return Scan(**{**given, "findings": findings, **other})


def open_places() -> list[str]:
    return sorted(Stored.objects.filter(closed_at=None).values_list("place", flat=True))


def age(days: int) -> None:
    """Everything stored so far was found that long ago."""
    Stored.objects.update(found_at=clock.now() - timedelta(days=days))


def test_a_run_is_kept_with_its_build() -> None:
    error = Scan("pip-audit", "error", reason="the advisory source could not be reached", seconds=1.0)
    store([scan(finding(), source_date=date(2026, 11, 22)), error], build=BUILD)
    good, bad = ScanRun.objects.order_by("scanner")
    assert (good.scanner, good.state, good.proved, good.found, good.build) == ("bandit", "findings", True, 1, BUILD)
    assert (good.version, good.source, good.source_date, good.seconds) == ("1.9.4", "itself", date(2026, 11, 22), 2.5)
    assert (bad.state, bad.proved, bad.found) == ("error", False, 0)
    assert bad.reason == "the advisory source could not be reached"
    assert good.started_at < clock.now() - timedelta(seconds=2)


def test_what_is_found_again_keeps_its_day() -> None:
    store([scan(finding())], build=BUILD)
    age(10)
    store([scan(finding("clinchat/one.py:90", severity="high"))], build=BUILD)
    (kept,) = Stored.objects.all()
    assert (kept.place, kept.severity, kept.closed_at) == ("clinchat/one.py:90", "high", None)
    assert clock.now() - kept.found_at > timedelta(days=9)


def test_another_version_of_a_package_keeps_the_day_of_its_advisory() -> None:
    for version in ("5.2.19", "5.2.20"):
        told = finding(f"django=={version}", "PYSEC-2026-1", scanner="pip-audit")
        store([scan(told, scanner="pip-audit")], build=BUILD)
        age(3)
    (kept,) = Stored.objects.all()
    assert (kept.place, kept.closed_at) == ("django==5.2.20", None)


def test_what_is_gone_is_closed_and_opens_anew() -> None:
    store([scan(finding(), finding("chat/two.py:3"))], build=BUILD)
    store([scan(finding("chat/two.py:3"))], build=BUILD)
    assert open_places() == ["chat/two.py:3"]
    store([scan(finding(), finding("chat/two.py:3"))], build=BUILD)
    assert open_places() == ["chat/two.py:3", "clinchat/one.py:7"]
    assert Stored.objects.filter(place="clinchat/one.py:7").count() == 2


def test_one_scan_without_it_gives_a_finding_no_new_days() -> None:
    store([scan(finding())], build=BUILD)
    age(40)
    store([scan()], build=BUILD)
    store([scan(finding())], build=BUILD)
    again = Stored.objects.get(closed_at=None)
    assert clock.now() - again.found_at > timedelta(days=39)
    store([scan()], build=BUILD)
    Stored.objects.update(closed_at=clock.now() - timedelta(days=31))
    store([scan(finding())], build=BUILD)
    assert clock.now() - Stored.objects.get(closed_at=None).found_at < timedelta(days=1)


def test_a_scanner_that_could_not_run_closes_nothing() -> None:
    store([scan(finding())], build=BUILD)
    store([Scan("bandit", "error", reason="did not end within 600 seconds")], build=BUILD)
    assert open_places() == ["clinchat/one.py:7"]


def test_a_scanner_closes_only_its_own() -> None:
    store([scan(finding()), scan(finding(scanner="semgrep"), scanner="semgrep")], build=BUILD)
    store([scan()], build=BUILD)
    assert list(Stored.objects.filter(closed_at=None).values_list("scanner", flat=True)) == ["semgrep"]


def test_two_of_one_rule_in_one_file_are_two() -> None:
    first, second = finding("clinchat/one.py:9"), finding("clinchat/one.py:10")
    found = fingerprints([second, first])
    assert list(found.values()) == [first, second]
    store([scan(first, second)], build=BUILD)
    store([scan(first)], build=BUILD)
    assert open_places() == ["clinchat/one.py:9"]


def test_all_of_it_or_nothing() -> None:
    from django.db import DataError

    store([scan(finding())], build=BUILD)
    with pytest.raises(DataError):
        store([scan(), scan(scanner="x" * 31)], build=BUILD)


def test_what_is_stored_is_on_record() -> None:
    from compliance.models import AuditEvent

    store([scan(finding())], build=BUILD)
    assert {"compliance.ScanRun", "compliance.Finding"} <= set(
        AuditEvent.objects.values_list("object_type", flat=True).distinct()
    )

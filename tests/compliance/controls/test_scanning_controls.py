"""The scans of the running build: all of them, proved, with a source of their day; findings mended in time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.conf import settings

from clinchat.lib import clock
from compliance.models import Finding, ScanRun
from compliance.scanning import SCANNERS
from compliance.scanning.files import build_digest
from tests.proving import State, look, proven

pytestmark = pytest.mark.django_db


def finding(*, severity: str, days: int) -> Finding:
    return Finding.objects.create(
        fingerprint=f"{severity}{days}",
        scanner="bandit",
        rule="B608",
        severity=severity,
        place="chat/search.py:1",
        title="SQL built from text",
        found_at=clock.now() - timedelta(days=days),
    )


@contextmanager
def found(*, severity: str, days: int) -> Iterator[None]:
    one = finding(severity=severity, days=days)
    yield
    one.closed_at = clock.now()
    one.save()


@contextmanager
def ran(scanner: str, **changed: object) -> Iterator[None]:
    """The newest run of one scanner is another; afterwards it runs well again."""
    scan(scanner, **changed)
    yield
    scan(scanner)


def scan(scanner: str, **changed: object) -> None:
    good = {
        "state": "clean",
        "version": "1",
        "source": "rules",
        "proved": True,
        "build": build_digest(settings.BASE_DIR),
    }
    ScanRun.objects.create(scanner=scanner, **good | changed)


@pytest.fixture
def scanned() -> None:
    for name in SCANNERS:
        scan(name)


@pytest.mark.parametrize(("severity", "days"), [("critical", 16), ("high", 31)])
def test_an_old_finding_is_noticed(severity: str, days: int) -> None:
    finding(severity=severity, days=days - 2)
    proven("vuln.sla", found(severity=severity, days=days))


def test_a_young_finding_and_a_small_one_are_no_breach() -> None:
    finding(severity="critical", days=14)
    finding(severity="medium", days=400)
    assert look("vuln.sla").state == State.PASS


def test_an_auditor_without_a_source_is_noticed(scanned: None) -> None:
    proven("scan.ran_with_source", ran("pip-audit", state="error", proved=False, reason="the source was not reached"))


@pytest.mark.parametrize(
    "changed",
    [
        {"proved": False, "state": "findings", "found": 1},
        {"build": "0" * 64},
        {"source_date": clock.now().date() - timedelta(days=31)},
    ],
    ids=["fault not found", "another build", "old advisories"],
)
def test_fault_scan_that_does_not_count(scanned: None, changed: dict[str, object]) -> None:
    with ran("semgrep", **changed):
        broken = look("scan.ran_with_source")
    assert broken.state == State.FAIL
    assert broken.failing[0].startswith("semgrep: ")


def test_fault_open_finding(scanned: None) -> None:
    with found(severity="high", days=1):
        assert look("scan.ran_with_source").state == State.FAIL


def test_a_scanner_that_never_ran_is_noticed() -> None:
    assert look("scan.ran_with_source").failing_count == len(SCANNERS)

"""The checks about the checks: the schedule lives, and each check was turned red in the code that runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from clinchat.lib import clock
from compliance import metrics
from compliance.controls import catalogue, proofs, registry, results
from compliance.controls.registry import Found, registered
from compliance.models import CatalogueVersion, ControlResult
from compliance.reports import monthly
from tests.breaking import instead
from tests.proving import State, look, proven

pytestmark = pytest.mark.django_db


@pytest.fixture
def turning() -> None:
    metrics.count(metrics.CHECK_TURNS)


def test_beat_that_stopped_is_noticed(turning: None) -> None:
    now = clock.now()
    proven("compliance.scheduler_alive", instead(clock, "now", lambda: now + timedelta(minutes=11)))


@contextmanager
def stale(key: str) -> Iterator[None]:
    """The last result of a daily check is three days old; afterwards there is a new one."""
    keep(key, ago=timedelta(days=3))
    yield
    keep(key, ago=timedelta())


def keep(key: str, *, ago: timedelta) -> ControlResult:
    at = clock.now() - ago
    return results.keep(key=key, state=State.PASS, observed="so", subjects=1, started_at=at, duration_ms=1)


def test_fault_one_check_is_made_no_longer(turning: None) -> None:
    with stale("risk.covers_assets"):
        broken = look("compliance.scheduler_alive")
    assert broken.state == State.FAIL
    assert broken.failing == ["risk.covers_assets"]


def test_fault_the_schedule_never_had_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "last_at", lambda _name: None)
    assert look("compliance.scheduler_alive").failing == ["schedule"]


def test_fault_a_month_without_a_report(turning: None, monkeypatch: pytest.MonkeyPatch) -> None:
    last = monthly.last_month()
    made = keep("risk.covers_assets", ago=clock.now() - last.start)
    gap = f"report of {last.month:%Y-%m}"
    monkeypatch.setattr(clock, "now", lambda: last.end + timedelta(hours=23))
    assert gap not in look("compliance.scheduler_alive").failing
    monkeypatch.setattr(clock, "now", lambda: last.end + timedelta(hours=25))
    assert gap in look("compliance.scheduler_alive").failing
    monthly.make(made.started_at.date(), None)
    assert gap not in look("compliance.scheduler_alive").failing


def test_without_redis_it_could_not_look(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_name: str) -> None:
        raise metrics.Unavailable

    monkeypatch.setattr(metrics, "last_at", away)
    assert look("compliance.scheduler_alive").state == State.ERROR


# ── Checks that can fail ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A record of a run that turned all of them red."""
    monkeypatch.setattr(proofs, "FILE", tmp_path / "proven.json")
    proofs.write(registered())
    return proofs.FILE


def neutered() -> Found:
    return Found(ok=True, observed="fine", subjects=1)


def test_a_neutered_check_is_noticed(recorded: Path) -> None:
    whatever = registry.Registered("audit.grants", neutered)
    broken = proven("compliance.checks_can_fail", instead(registry._checks, "audit.grants", whatever))
    assert broken.failing == ["audit.grants"]


def test_fault_a_check_that_was_never_turned_red(recorded: Path) -> None:
    kept = json.loads(recorded.read_text())
    del kept["checks"]["mfa.enrolled"]
    recorded.write_text(json.dumps(kept))
    assert look("compliance.checks_can_fail").failing == ["mfa.enrolled"]


@pytest.mark.parametrize("text", ["", "[]", "{}", "null"])
def test_without_a_usable_record_it_could_not_look(recorded: Path, text: str) -> None:
    recorded.write_text(text)
    assert look("compliance.checks_can_fail").state == State.ERROR


def test_every_check_exists_or_says_why_not() -> None:
    known = registered()
    assert set(known) == set(catalogue.current().checks)
    assert all(one.look or one.missing for one in known.values())
    assert sum(one.look is None for one in known.values()) == 13


def test_the_catalogue_that_results_name_is_kept() -> None:
    look("compliance.checks_can_fail")
    assert CatalogueVersion.objects.get().sha256 == catalogue.current().sha256

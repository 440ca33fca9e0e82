"""A demo comes with registers to look at, marked as examples, and their checks say what is so."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from compliance.models import Asset, AuditReview, Exercise, Official, Risk, RiskApproval, Vendor
from compliance.registers import assets, examples
from tests.proving import State, look

pytestmark = pytest.mark.django_db
MODELS = (Asset, Risk, RiskApproval, Official, Vendor, Exercise, AuditReview)
IN_ORDER = (
    "risk.register_current",
    "risk.covers_assets",
    "risk.no_overdue_treatment",
    "review.weekly_signed",
    "review.alerts_closed",
    "baa.expiry",
    "incident.drill",
    "disclosure.report",
    "amendment.linked",
)


def counts() -> list[int]:
    return [model._default_manager.count() for model in MODELS]


def test_a_demo_has_full_registers_and_a_second_loading_changes_nothing(settings: Settings, tmp_path: Path) -> None:
    settings.CLINCHAT_DEMO, settings.VAR = True, tmp_path
    call_command("load_demo", stdout=io.StringIO())
    made = counts()
    assert all(made)
    assert len(examples.RISKS) == Risk.objects.count()
    assert not [line for line in assets.side_by_side() if line.declared is None]
    assert {one.treatment != "" and examples.MARK in one.threat for one in Risk.objects.all()} == {True}
    call_command("load_demo", stdout=io.StringIO())
    assert counts() == made
    for key in IN_ORDER:
        found = look(key)
        assert found.state == State.PASS, f"{key}: {found.observed} {found.failing}"
    assert look("dr.gameday_current").state == State.FAIL  # there are no backups, so its action stays open

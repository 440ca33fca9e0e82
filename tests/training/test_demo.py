"""The demo people finish training and are approved by the same services as anybody; a second time nothing happens."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from clinchat.lib import clock
from compliance.models import Clearance, User
from tests.training import certified
from training import learning, standing
from training.models import Attempt, Certificate, StageDecision
from training.models.approvals import APPROVALS

pytestmark = pytest.mark.django_db


def person(key: str) -> User:
    return User.objects.get(email=f"{key}@clinchat.example")


def test_who_is_cleared_went_the_whole_way(settings: Settings, tmp_path: Path) -> None:
    settings.CLINCHAT_DEMO, settings.VAR = True, tmp_path
    certified.load_content()
    call_command("load_demo", stdout=io.StringIO())
    live = Clearance.objects.live(clock.now())
    assert {(one.user, one.basis) for one in live} == {(person(key), "onboarding") for key in ("alice", "bob", "dora")}
    for clearance in live:
        steps = StageDecision.objects.filter(applicant=clearance.user, step__in=APPROVALS)
        assert steps.values("by").distinct().count() == 4
    for key in ("pat", "sam", "carol", "ada"):
        assert standing.holds_certificates(person(key))
    assert learning.overview(person("nadia")).passed == 3

    made = [model._default_manager.count() for model in (Attempt, Certificate, StageDecision, Clearance)]
    call_command("load_demo", stdout=io.StringIO())
    assert made == [model._default_manager.count() for model in (Attempt, Certificate, StageDecision, Clearance)]

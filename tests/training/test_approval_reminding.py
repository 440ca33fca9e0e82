"""Requests nobody decides on are brought up again, then higher up; access nobody confirms is announced. Each once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from clinchat.celery import app
from clinchat.lib import clock
from compliance.models import Notice, User
from tests import cast
from tests.training.making_approvals import reached, take
from training.approvals import reminding
from training.models import AccessRequest, ApprovalReminder
from training.models.approvals import Stage, Step

pytestmark = pytest.mark.django_db


def told(title: str) -> set[User]:
    return {notice.user for notice in Notice.objects.filter(title=title).select_related("user")}


def waited(request: AccessRequest, hours: int) -> None:
    AccessRequest.objects.filter(pk=request.pk).update(entered_at=clock.now() - timedelta(hours=hours, minutes=1))
    Notice.objects.all().delete()


@pytest.mark.parametrize(("hours", "due"), [(23, None), (24, 24), (50, 48), (72, 72)])
def test_who_can_decide_is_reminded_once(hours: int, due: int | None) -> None:
    request = reached(Stage.HEAD)
    waited(request, hours)
    assert reminding.remind() == (due is not None)
    assert reminding.remind() == 0
    assert told("A request for access still waits for you") == ({cast.pat()} if due else set())
    assert list(ApprovalReminder.objects.values_list("hours", flat=True)) == ([due] if due else [])


def test_after_four_days_it_goes_higher_up() -> None:
    request = reached(Stage.HEAD)
    cast.ada()
    waited(request, 96)
    reminding.remind()
    assert told("A request for access is stuck") == {cast.carol(), cast.ada()}
    assert ApprovalReminder.objects.get().escalated


def test_the_next_stage_has_its_own_clock() -> None:
    request = reached(Stage.HEAD)
    waited(request, 24)
    reminding.remind()
    take(request, Step.PRIVACY, cast.pat())
    assert reminding.remind() == 0
    waited(request, 24)
    assert reminding.remind() == 1
    assert told("A request for access still waits for you") == {cast.sam()}


@pytest.mark.parametrize(("days", "due"), [(15, None), (14, 14), (6, 7), (1, 1)])
def test_access_that_is_to_be_confirmed_is_announced(days: int, due: int | None) -> None:
    request = reached(Stage.CLEARED)
    AccessRequest.objects.filter(pk=request.pk).update(recertify_by=clock.now() + timedelta(days=days))
    assert reminding.remind() == (due is not None)
    assert reminding.remind() == 0
    assert told("Your own access is to be confirmed") == ({cast.nadia()} if due else set())
    assert told("Access is to be confirmed") == ({cast.dora()} if due else set())


def test_beat_finds_the_tasks() -> None:
    app.loader.import_default_modules()
    for name in ("remind_of_requests", "keep_clearances", "keep_all_clearances"):
        app.tasks[f"training.tasks.{name}"]()

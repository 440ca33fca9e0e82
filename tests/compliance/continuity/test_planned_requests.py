"""Planning a maintenance on the page and through the API, and the strip that everybody sees before it begins."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from clinchat.lib import clock
from compliance.access import epoch
from compliance.continuity import maintenance, planned
from compliance.models import Maintenance, PlannedMaintenance
from tests import cast
from tests.api.documented import signed_in

pytestmark = pytest.mark.django_db
PAGE = "/compliance/continuity/maintenance/"
WHY = "The database moves."
TIMES = {"starts_at": "2031-01-02T18:00", "until": "2031-01-02T20:00"}
SENT = {"from": "2031-01-02T18:00:00Z", "until": "2031-01-02T20:00:00Z"}
STRIP = 'aria-label="Planned maintenance"'


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(epoch, "FRESH_SECONDS", 0.0)
    maintenance.forget()
    yield
    maintenance.forget()


@pytest.fixture
def otto() -> Client:
    return cast.sign_in(Client(), cast.otto())


def words(answer: Any) -> str:
    return " ".join(str(answer.content.decode()).split())


def plan(begins: timedelta) -> PlannedMaintenance:
    at = clock.now() + begins
    return planned.plan(starts_at=at, until=at + timedelta(hours=1), reason=WHY)


# ── The page ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_page_plans_moves_and_cancels(otto: Client) -> None:
    assert "Nothing is planned" in words(otto.get(PAGE))
    assert otto.post(f"{PAGE}plan/", TIMES | {"reason": "Moved with MRN: 12345678."}).status_code == 302
    one = PlannedMaintenance.objects.get()
    assert "12345678" not in one.reason
    assert one.planned_by == cast.otto()
    page = words(otto.get(PAGE))
    assert "begins by itself on Jan 2, 2031 at 18:00 and is expected to end on Jan 2, 2031 at 20:00" in page
    assert "Everybody is told 48 h and 1 h before." in page
    moved = {"starts_at": "2031-01-03T18:00", "until": "2031-01-03T20:00"}
    assert otto.post(f"{PAGE}plans/{one.pk}/move/", moved).status_code == 302
    assert 'value="2031-01-03T18:00"' in words(otto.get(PAGE))
    assert otto.post(f"{PAGE}plans/{one.pk}/cancel/").status_code == 302
    page = words(otto.get(PAGE))
    assert "Nothing is planned" in page
    assert "Planned for Jan 3, 2031, 18:00:00. Canceled" in page
    for gone in ("move/", "cancel/"):
        assert "not planned any more" in words(otto.post(f"{PAGE}plans/{one.pk}/{gone}", moved, follow=True))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"reason": ""}, "Say why."),
        ({"starts_at": ""}, "Enter a day and a time"),
        ({"until": ""}, "Enter a day and a time"),
        ({"starts_at": "tomorrow"}, "Enter a day and a time"),
        ({"starts_at": "2001-01-02T18:00"}, "Name a start in the future."),
        ({"until": "2031-01-02T18:00"}, "The expected end must be after the start."),
    ],
)
def test_what_is_wrong_is_said_beside_it(changes: dict[str, str], said: str, otto: Client) -> None:
    page = words(otto.post(f"{PAGE}plan/", TIMES | {"reason": WHY} | changes))
    assert said in page
    assert page.count('aria-invalid="true"') == 1
    assert not PlannedMaintenance.objects.exists()


def test_a_move_that_is_wrong_changes_nothing(otto: Client) -> None:
    one = plan(timedelta(days=9))
    page = words(otto.post(f"{PAGE}plans/{one.pk}/move/", TIMES | {"until": "2031-01-02T17:00"}))
    assert "The expected end must be after the start." in page
    assert '<details class="mt-4" open>' in page
    assert "planned already" in words(otto.post(f"{PAGE}plan/", TIMES | {"reason": WHY}, follow=True))
    assert PlannedMaintenance.objects.get().starts_at == one.starts_at


def test_times_are_those_of_the_hospital(otto: Client, settings: Any) -> None:
    settings.TIME_ZONE = "America/New_York"
    assert "America/New_York time" in words(otto.get(PAGE))
    assert otto.post(f"{PAGE}plan/", TIMES | {"reason": WHY}).status_code == 302
    assert PlannedMaintenance.objects.get().starts_at == datetime(2031, 1, 2, 23, tzinfo=UTC)
    assert 'value="2031-01-02T18:00"' in words(otto.get(PAGE))


@pytest.mark.parametrize("at", ["2031-03-09T02:30", "2031-11-02T01:30"])
def test_a_time_that_clocks_skip_or_show_twice_is_refused(at: str, otto: Client, settings: Any) -> None:
    settings.TIME_ZONE = "America/New_York"
    page = words(otto.post(f"{PAGE}plan/", {"starts_at": at, "until": "2031-12-01T00:00", "reason": WHY}))
    assert "it may be ambiguous or it may not exist" in page
    assert not PlannedMaintenance.objects.exists()


def test_who_may_not_switch_it_plans_nothing_and_reads_what_is_planned() -> None:
    plan(timedelta(days=9))
    audra = cast.sign_in(Client(), cast.audra())
    page = words(audra.get(PAGE))
    assert WHY in page
    assert "Cancel it" not in page
    assert audra.post(f"{PAGE}plan/", TIMES | {"reason": WHY}).status_code == 403


def test_it_is_canceled_while_clinchat_is_read_only(otto: Client) -> None:
    one = plan(timedelta(days=9))
    maintenance.start(reason="By hand.")
    assert "Cancel it" in words(otto.get(PAGE))
    otto.post(f"{PAGE}plans/{one.pk}/cancel/")
    assert planned.current() is None


def test_the_page_says_that_it_began_as_planned(otto: Client) -> None:
    plan(timedelta(days=9))
    PlannedMaintenance.objects.update(starts_at=clock.now() - timedelta(hours=1), planned_by=cast.ada())
    planned.follow()
    assert "as planned by Ada" in words(otto.get(PAGE))


# ── The strip ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_everybody_sees_it_from_twelve_hours_before() -> None:
    alice = cast.sign_in(Client(), cast.alice())
    one = plan(maintenance.SHOWN_BEFORE - timedelta(minutes=1))
    for client, address in ((alice, "/settings/"), (Client(), "/signin/"), (Client(), "/status/")):
        page = words(client.get(address))
        assert STRIP in page
        assert WHY in page
    later = clock.now() + maintenance.SHOWN_BEFORE + timedelta(minutes=1)
    planned.move(starts_at=later, until=later + timedelta(hours=1))
    assert STRIP not in words(alice.get("/settings/"))
    planned.move(starts_at=one.starts_at, until=one.until)
    assert STRIP in words(alice.get("/settings/"))
    planned.cancel()
    assert STRIP not in words(alice.get("/settings/"))


def test_it_gives_way_to_the_mode_when_it_begins() -> None:
    plan(timedelta(hours=1))
    PlannedMaintenance.objects.update(starts_at=clock.now())
    planned.follow()
    page = words(Client().get("/status/"))
    assert STRIP not in page
    assert 'aria-label="Read-only mode"' in page


def test_admin_pages_say_it_too() -> None:
    plan(timedelta(hours=1))
    assert STRIP in words(cast.sign_in(Client(), cast.ada()).get("/admin/"))


# ── The API, held to the OpenAPI document ─────────────────────────────────────────────────────────────────────


def test_the_api_plans_moves_and_cancels() -> None:
    api = signed_in(cast.otto())
    answer = api.post("config/maintenance", {"enabled": True, "reason": "Of MRN: 12345678.", **SENT})
    assert answer.status_code == 200
    found = answer.json()
    assert not found["enabled"]
    assert found["planned"] | {"reason": ""} == {**SENT, "reason": "", "told": None}
    assert "12345678" not in found["planned"]["reason"]
    assert api.post("config/maintenance", {"enabled": True, "reason": WHY, **SENT}).status_code == 409
    moved = {"from": "2031-01-03T18:00:00Z", "until": "2031-01-03T20:00:00Z"}
    assert api.post("config/maintenance/move", moved).json()["planned"]["from"] == moved["from"]
    assert api.get("config/maintenance").json()["planned"]["until"] == moved["until"]
    assert api.post("config/maintenance/cancel").json() == {"enabled": False}
    assert api.post("config/maintenance/cancel").status_code == 409
    assert api.post("config/maintenance/move", moved).status_code == 409
    assert not Maintenance.objects.exists()


@pytest.mark.parametrize(
    ("body", "beside"),
    [
        ({"enabled": True, "reason": WHY, "from": SENT["from"]}, "until"),
        ({"enabled": True, **SENT}, "reason"),
        ({"enabled": False, **SENT}, "enabled"),
        ({"enabled": True, "reason": WHY, **SENT, "from": "2001-01-02T18:00:00Z"}, "from"),
        ({"enabled": True, "reason": WHY, **SENT, "until": SENT["from"]}, "until"),
        ({"enabled": True, "reason": WHY, **SENT, "starts_at": SENT["from"]}, "starts_at"),
    ],
)
def test_the_api_says_what_is_wrong(body: dict[str, Any], beside: str) -> None:
    answer = signed_in(cast.otto()).post("config/maintenance", body)
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == [beside]
    assert not PlannedMaintenance.objects.exists()


def test_the_api_is_for_those_who_switch_it() -> None:
    api = signed_in(cast.alice())
    for path, body in (("config/maintenance/move", SENT), ("config/maintenance/cancel", None)):
        assert api.post(path, body).status_code == 403


def test_it_is_canceled_through_the_api_while_clinchat_is_read_only() -> None:
    api = signed_in(cast.otto())
    plan(timedelta(days=9))
    maintenance.start(reason="By hand.")
    assert "planned" not in api.post("config/maintenance/cancel").json()

"""Alert load: how often an interaction interrupts, what people do with it, and why they override it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from chat.interactions import load
from chat.models import InteractionAlert, InteractionCheck
from clinchat.lib import clock
from compliance.models import User
from tests import cast
from tests.chat.test_interaction_changes import _table_of_this_test_alone, signed_in, text_of

__all__ = ["_table_of_this_test_alone"]  # a fixture
pytestmark = pytest.mark.django_db
PAGE = "/library/interactions/load/"


def checked(
    *alerts: dict[str, Any], where: str = "page", days_ago: int = 0, by: User | None = None, **counts: int
) -> InteractionCheck:
    at = clock.now() - timedelta(days=days_ago)
    made = InteractionCheck.objects.create(
        by=by,
        where=where,
        at=at,
        **({"table": "2026.11.21"} | counts),
    )
    for one in alerts:
        InteractionAlert.objects.create(
            check_made=made, **{"responded_at": at if one.get("response") else None, "a": "amiodarone"} | one
        )
    return made


def warfarin(response: str = "", **other: str) -> dict[str, str]:
    return {"b": "warfarin", "severity": "major", "response": response} | other


def overridden(reason: str, note: str = "") -> dict[str, str]:
    return warfarin("overridden", reason=reason, note=note)


def cells(page: str, row: str) -> list[str]:
    """The words of the cells of a row of a table, by its heading."""
    found = re.search(rf"<tr><th scope=\"row\">(?:(?!</th>).)*?{row}.*?</tr>", page, re.DOTALL)
    assert found, row
    plain = [re.sub(r"<[^>]+>", " ", cell) for cell in re.findall(r"<td.*?</td>", found[0], re.DOTALL)]
    return [" ".join(cell.split()) for cell in plain]


@pytest.fixture
def month(db: None) -> None:
    alice = cast.alice()
    checked(warfarin(), warfarin("acknowledged", a="aspirin"), by=alice, major=2, minor=3)
    checked(overridden("monitored", "INR every third day"), by=alice, where="question", major=1, moderate=4)
    checked(overridden("wrong"), where="question", by=alice, major=1)
    checked(overridden("monitored"), where="api", days_ago=20, major=1)
    checked(where="page", table="")  # type: ignore[arg-type]
    checked({"a": "clarithromycin", "b": "simvastatin", "severity": "contraindicated"}, days_ago=60, contraindicated=1)


def test_the_figures_of_a_period(month: None) -> None:
    found = load.load(days=30)
    assert (found.total.checks, found.total.unavailable, found.total.alerts) == (5, 1, 5)
    assert found.total.shown == {"contraindicated": 0, "major": 5, "moderate": 4, "minor": 3}
    [major] = found.severities
    assert (major.alerts, major.unanswered, major.acknowledged, major.overridden) == (5, 1, 1, 3)
    assert (major.share_unanswered, major.share_overridden) == ("20%", "60%")
    assert found.reasons == [("The patient is monitored for it", 2), ("The alert is wrong or does not apply", 1)]
    assert [(pair.names, pair.taken.alerts, pair.taken.overridden) for pair in found.pairs] == [
        (("amiodarone", "warfarin"), 4, 3),
        (("aspirin", "warfarin"), 1, 0),
    ]


@pytest.mark.parametrize(
    ("days", "where", "checks", "alerts"),
    [(7, "", 4, 4), (90, "", 6, 6), (30, "question", 2, 2), (30, "command", 0, 0), (90, "page", 3, 3)],
)
def test_a_period_and_a_place_are_chosen(month: None, days: int, where: str, checks: int, alerts: int) -> None:
    found = load.load(days=days, where=where)
    assert (found.total.checks, found.total.alerts) == (checks, alerts)
    assert found.taken.alerts == alerts


def test_the_page_shows_them(month: None) -> None:
    page = text_of(signed_in(cast.edith).get(PAGE, {"days": "30"}))
    assert cells(page, "All") == ["5", "1", "0", "5", "4", "3", "5", "125.0"]
    assert cells(page, "Major") == ["5", "1 (20%)", "1 (20%)", "3 (60%)"]
    assert cells(page, "amiodarone with warfarin")[1:] == ["4", "1 (25%)", "0 (0%)", "3 (75%)"]
    assert "INR every third day" in page
    assert "simvastatin" not in page


def test_it_does_not_say_who(month: None) -> None:
    page = text_of(signed_in(cast.edith).get(PAGE))
    assert cast.alice().name not in page
    assert cast.alice().email not in page


def test_reasons_are_kept_newest_first_and_paged(month: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.views.interaction_releases.ON_A_PAGE", 1)
    edith = signed_in(cast.edith)
    first, last = text_of(edith.get(PAGE)), text_of(edith.get(PAGE, {"page": "3", "days": "30"}))
    assert "Next page" in first
    assert "page=2" in first
    assert "Next page" not in last
    assert "API</span>" in last, "that of twenty days ago"


def test_nothing_yet_is_said(db: None) -> None:
    page = text_of(signed_in(cast.edith).get(PAGE))
    assert "Nothing was checked in this time." in page
    assert "No alert was overridden in this time." in page


@pytest.mark.parametrize("query", ["days=x", "days=12", "where=nowhere", "days=7&where=%00", "page=x"])
def test_what_cannot_be_read_counts_as_the_usual(month: None, query: str) -> None:
    answer = signed_in(cast.edith).get(f"{PAGE}?{query}")
    assert answer.status_code == 200
    assert '<option value="30" selected>' in text_of(answer)


@pytest.mark.parametrize("person", ["edith", "dora", "carol", "otto", "audra", "ada"])
def test_who_may_read_it(client: Client, person: str) -> None:
    assert cast.sign_in(client, getattr(cast, person)()).get(PAGE).status_code == 200


@pytest.mark.parametrize("person", ["alice", "pat", "sam", "mallory"])
def test_who_may_not(client: Client, person: str) -> None:
    assert cast.sign_in(client, getattr(cast, person)()).get(PAGE).status_code == 403


def test_a_medicine_that_the_table_no_longer_knows_goes_by_its_id(db: None) -> None:
    checked(warfarin(a="abandonib"), major=1)
    assert "abandonib with warfarin" in text_of(signed_in(cast.edith).get(PAGE))

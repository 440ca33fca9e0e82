"""A purge of the trail takes two people, and the page leads them through it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import date
from html import unescape

import pytest
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse

from compliance.audit import retention
from compliance.models import AuditPurge, User
from tests import cast

pytestmark = pytest.mark.django_db
PAGE = "/compliance/audit/retention/"
OLD = [retention.Month(date(2015, 12, 1), 1200, True), retention.Month(date(2016, 1, 1), 900, True)]
NEW = [retention.Month(date(2026, 11, 1), 50, False)]


@pytest.fixture(autouse=True)
def _months(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "months", lambda: OLD + NEW)


def signed_in(person: Callable[[], User]) -> Client:
    return cast.sign_in(Client(), person())


def ask(client: Client, **fields: str) -> str:
    sent = {"before": "2016-02-01", "reason": "Ten years have passed"} | fields
    return unescape(client.post(reverse("audit-retention-ask"), sent, follow=True).content.decode())


def decide(client: Client, name: str, purge: AuditPurge) -> str:
    page = client.post(reverse(f"audit-retention-{name}", args=[purge.pk]), follow=True)
    return unescape(page.content.decode())


def test_months_are_listed_with_what_is_due() -> None:
    text = signed_in(cast.carol).get(PAGE).content.decode()
    assert text.index("November 2026") < text.index("January 2016") < text.index("December 2015")
    assert "about 1,200" in text
    assert text.count("Older than 10 years") == 2
    assert '<option value="2016-01-01">December 2015</option>' in text


@pytest.mark.parametrize("person", [cast.audra, cast.ada])
def test_who_only_reads_sees_the_page_and_cannot_ask(person: Callable[[], User]) -> None:
    client = signed_in(person)
    assert "Ask for a purge" not in client.get(PAGE).content.decode()
    assert client.post(reverse("audit-retention-ask")).status_code == 403
    for name in ("approve", "cancel"):
        assert client.post(reverse(f"audit-retention-{name}", args=[uuid.uuid4()])).status_code == 403


def test_one_asks_and_another_approves(monkeypatch: pytest.MonkeyPatch) -> None:
    carol, pat = signed_in(cast.carol), signed_in(cast.pat)
    assert "The purge waits for a second person." in ask(carol)
    purge = AuditPurge.objects.get()
    assert (purge.before, purge.reason, purge.requested_by) == (date(2016, 2, 1), "Ten years have passed", cast.carol())
    assert "somebody else has to approve it" in carol.get(PAGE).content.decode()
    assert "You asked for this purge" in decide(carol, "approve", purge)
    assert "Approve and remove the events" in pat.get(PAGE).content.decode()

    assert "The events are removed." in decide(pat, "approve", purge)
    purge.refresh_from_db()
    assert (purge.status, purge.decided_by) == (AuditPurge.Status.DONE, cast.pat())
    assert "already decided" in decide(pat, "approve", purge)
    assert "decided by Pat Petrov" in pat.get(PAGE).content.decode()


def test_either_may_cancel() -> None:
    carol = signed_in(cast.carol)
    ask(carol)
    purge = AuditPurge.objects.get()
    assert "The purge is canceled." in decide(carol, "cancel", purge)
    purge.refresh_from_db()
    assert purge.status == AuditPurge.Status.CANCELLED
    assert "already decided" in decide(signed_in(cast.sam), "cancel", purge)


def test_a_second_wish_waits_for_the_first() -> None:
    carol = signed_in(cast.carol)
    ask(carol)
    assert "Another purge waits" in ask(carol)
    assert AuditPurge.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"before": "2026-12-01"}, "Choose one of the months"),
        ({"before": "soon"}, "Choose one of the months"),
        ({"before": ""}, "Choose one of the months"),
        ({"reason": "   "}, "Say why these events may go"),
        ({"reason": "x" * 501}, "Say why these events may go"),
    ],
)
def test_a_wish_without_month_or_reason_is_asked_again(fields: dict[str, str], words: str) -> None:
    text = ask(signed_in(cast.carol), **fields)
    assert words in text
    assert not AuditPurge.objects.exists()


def test_months_that_turn_out_too_young_or_unsealed_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_young(**_: object) -> None:
        raise retention.TooYoung

    def unsealed(**_: object) -> None:
        raise IntegrityError

    pat = signed_in(cast.pat)
    ask(signed_in(cast.carol))
    monkeypatch.setattr(retention, "approve", unsealed)
    assert "not sealed yet" in decide(pat, "approve", AuditPurge.objects.get())
    monkeypatch.setattr(retention, "request", too_young)
    assert "younger than ten years" in ask(pat)


def test_a_purge_that_does_not_exist() -> None:
    assert signed_in(cast.pat).post(reverse("audit-retention-approve", args=[uuid.uuid4()])).status_code == 404

"""What a person is told stands on every page until they put it away, and nobody else sees it."""

from __future__ import annotations

import uuid
from datetime import timedelta
from html import unescape

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from clinchat.lib import clock
from compliance import notices
from compliance.access import Role, people
from compliance.models import Notice, User
from tests import cast
from tests.factories import make_user

pytestmark = pytest.mark.django_db
Level = Notice.Level


def tell(user: User, title: str, level: Notice.Level = Level.INFO, url: str = "") -> Notice:
    notices.tell([user], title=title, text="Words about it.", level=level, url=url)
    return Notice.objects.get(user=user, title=title)


def text(client: Client, address: str = "/library/") -> str:
    return unescape(client.get(address).content.decode())


def test_it_stands_on_each_page_until_it_is_dismissed() -> None:
    alice = cast.alice()
    client = cast.sign_in(Client(), alice)
    told = tell(alice, "A thing happened", Level.WARNING, url="/library/")
    for address in ("/settings/", "/ask/", "/no-such-page/", "/library/"):
        page = text(client, address)
        assert "A thing happened" in page, address
        assert 'class="note warn"' in page
    assert '<a href="/library/" aria-label="Open the page of: A thing happened">' in page
    answer = client.post(f"/settings/notices/{told.pk}/dismiss/", {"next": "/library/?q=1"})
    assert answer["Location"] == "/library/?q=1"
    assert "A thing happened" not in text(client)
    assert "A thing happened" in text(client, "/settings/notices/"), "it can be read again there"


def test_it_is_shown_to_nobody_else_and_not_before_the_second_factor() -> None:
    alice = cast.alice()
    tell(alice, "A thing happened")
    assert "A thing happened" not in text(cast.sign_in(Client(), cast.bob()))
    half = Client()
    half.force_login(alice)
    assert "A thing happened" not in text(half, "/signin/")
    assert "A thing happened" not in text(half, "/status/")


def test_the_three_most_serious_stand_there_and_the_others_are_counted() -> None:
    alice = cast.alice()
    client = cast.sign_in(Client(), alice)
    for number, level in enumerate([Level.CRITICAL, Level.INFO, Level.WARNING, Level.INFO, Level.INFO]):
        told = tell(alice, f"Thing {number}", level)
        Notice.objects.filter(pk=told.pk).update(created_at=clock.now() - timedelta(minutes=9 - number))
    page = text(client)
    assert page.index("Thing 0") < page.index("Thing 2") < page.index("Thing 4")
    assert "Thing 1" not in page
    assert "and 2 more" in page
    own = text(client, "/settings/notices/")
    assert all(f"Thing {number}" in own for number in range(5))
    assert own.count("Thing 0</strong>") == 1, "the page that lists them has no bar as well"
    client.post("/settings/notices/dismiss/")
    assert "Thing" not in text(client)
    assert "You have no unread notices." in text(client, "/settings/notices/")


def test_nobody_dismisses_what_somebody_else_was_told() -> None:
    told = tell(cast.alice(), "A thing happened")
    bob = cast.sign_in(Client(), cast.bob())
    bob.post(f"/settings/notices/{told.pk}/dismiss/")
    bob.post(f"/settings/notices/{uuid.uuid4()}/dismiss/")
    bob.post("/settings/notices/dismiss/")
    told.refresh_from_db()
    assert told.read_at is None
    assert bob.get(f"/settings/notices/{told.pk}/dismiss/").status_code == 405


@pytest.mark.parametrize("target", ["https://elsewhere.test/", "//elsewhere.test/", "javascript:alert(1)", ""])
def test_dismissing_leads_to_no_other_site(target: str) -> None:
    alice = cast.alice()
    client = cast.sign_in(Client(), alice)
    answer = client.post(f"/settings/notices/{tell(alice, 'X').pk}/dismiss/", {"next": target})
    assert answer["Location"] == "/settings/notices/"


def test_what_it_says_is_text_and_nothing_else() -> None:
    alice = cast.alice()
    client = cast.sign_in(Client(), alice)
    tell(alice, "<script>alert(1)</script>")
    page = client.get("/settings/").content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_who_has_no_role_reads_it_and_has_no_button_that_would_be_refused() -> None:
    mallory = cast.mallory()
    tell(mallory, "A thing happened")
    page = text(cast.sign_in(Client(), mallory), "/settings/")
    assert "A thing happened" in page
    assert "Dismiss" not in page


def test_a_page_asks_for_them_once() -> None:
    alice = cast.alice()
    client = cast.sign_in(Client(), alice)
    tell(alice, "A thing happened")
    with CaptureQueriesContext(connection) as queries:
        client.get("/library/")
    assert len([q for q in queries if 'FROM "compliance_notice"' in q["sql"]]) == 1


def test_holders_are_people_who_hold_the_role_now() -> None:
    sam, closed, suspended = cast.sam(), make_user(roles=[Role.AUDITOR]), make_user(roles=[Role.AUDITOR])
    both = make_user(roles=[Role.AUDITOR, Role.OPERATOR])
    people.close(closed, because=User.Closed.SECURITY, by=sam)
    suspended.role_assignments.update(suspended_at=clock.now())
    assert notices.holders(Role.AUDITOR, Role.OPERATOR) == [both]
    assert notices.holders(Role.SECURITY_OFFICER) == [sam]


def test_one_notice_to_each_however_often_they_are_named() -> None:
    sam = cast.sam()
    notices.tell([sam, User.objects.get(pk=sam.pk)], title="Once", text="Words.")
    assert Notice.objects.filter(user=sam).count() == 1

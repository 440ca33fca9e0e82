"""Feedback is masked, sorted by who is in charge of it, answered once, and told to its author."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import Client

from compliance import remarks
from compliance.models import AuditEvent, Code, Notice, Remark, User
from tests import cast

pytestmark = pytest.mark.django_db
NEW, QUEUE = "/feedback/new/", "/compliance/feedback/"


def give(client: Client, **sent: str) -> Remark:
    answer = client.post(NEW, {"about": "page", "subject": "/library/", "category": "idea", "text": "Larger."} | sent)
    assert answer.status_code == 302, answer.content.decode()
    return Remark.objects.latest("at")


def page(client: Client, address: str) -> str:
    return client.get(address).content.decode()


def test_the_page_it_was_given_on_is_kept_and_what_names_a_patient_is_not() -> None:
    client = cast.sign_in(Client(), cast.alice())
    assert "/feedback/new/?about=page&amp;subject=/library/" in page(client, "/library/")
    given = give(client, text="Mr. Delacroix, MRN 88231904, got the wrong dose text.")
    assert (given.about, given.subject) == ("page", "/library/")
    assert "Delacroix" not in given.text
    assert "88231904" not in given.text
    own = page(client, "/feedback/")
    assert "got the wrong dose text" in own
    assert "got the wrong dose text" not in page(cast.sign_in(Client(), cast.bob()), "/feedback/")


@pytest.mark.parametrize(
    ("about", "subject", "kept"),
    [
        ("lesson", "hipaa/03-who-may-know", True),
        ("item", "hipaa-001", True),
        ("answer", str(uuid.UUID(int=7)), True),
        ("page", "/ask/?q=Delacroix", False),
        ("page", "//elsewhere.test/", False),
        ("page", "/Delacroix.MRN.88231904/", False),
        ("page", "https://elsewhere.test/", False),
        ("lesson", "../../etc", False),
        ("answer", "Delacroix", False),
        ("nothing", "/library/", False),
        ("item", "x" * 300, False),
    ],
)
def test_an_unknown_subject_is_dropped(about: str, subject: str, kept: bool) -> None:
    assert remarks.subject_of(about, subject) == ((about, subject) if kept else ("page", ""))
    given = give(cast.sign_in(Client(), cast.alice()), about=about, subject=subject)
    assert (given.about, given.subject) == ((about, subject) if kept else ("page", ""))


def test_privacy_concerns_are_for_privacy_and_compliance_alone_and_told_at_once(settings: Any) -> None:
    settings.MAIL_URL = "smtp://127.0.0.1:1"
    pat, carol, edith = cast.pat(), cast.carol(), cast.edith()
    privacy = give(cast.sign_in(Client(), cast.alice()), category="privacy", text="A chart was open.")
    told = {notice.user for notice in Notice.objects.filter(url=privacy.get_absolute_url(), mail="waiting")}
    assert told == {pat, carol}
    safety = give(cast.sign_in(Client(), cast.alice()), category="safety", text="A dose is wrong.")
    assert Notice.objects.filter(url=safety.get_absolute_url()).count() == 3
    for person, sees in ((pat, True), (carol, True), (edith, False)):
        client = cast.sign_in(Client(), person)
        assert ("A chart was open." in page(client, QUEUE)) is sees, person.name
        assert client.get(privacy.get_absolute_url()).status_code == (200 if sees else 404)
        assert "A dose is wrong." in page(client, QUEUE)
    refused = AuditEvent.objects.filter(code=Code.AUTHZ_FAIL, actor=edith)
    assert refused.get().object_id == str(privacy.pk)


def test_who_does_not_triage_sees_no_queue() -> None:
    given = give(cast.sign_in(Client(), cast.alice()))
    for person in (cast.alice(), cast.dora(), cast.audra()):
        client = cast.sign_in(Client(), person)
        assert client.get(QUEUE).status_code == 403
        assert client.get(given.get_absolute_url()).status_code == 403
    assert cast.sign_in(Client(), cast.mallory()).get(NEW).status_code == 403


def handle(person: User, remark: Remark, **sent: str) -> str:
    form = {"revision": str(remark.revision), "status": "settled", "reply": "It is larger now."} | sent
    return cast.sign_in(Client(), person).post(remark.get_absolute_url(), form, follow=True).content.decode()


def test_a_reply_reaches_its_author_and_a_stale_form_does_not() -> None:
    alice = cast.alice()
    given = give(cast.sign_in(Client(), alice))
    assert "Write a reply" in handle(cast.carol(), given, reply="")
    assert "Saved." in handle(cast.carol(), given, reply="Ask Mr. Delacroix, MRN 88231904.")
    assert "Somebody else changed it" in handle(cast.pat(), given)
    given.refresh_from_db()
    assert (given.status, given.handled_by, given.revision) == ("settled", cast.carol(), 1)
    assert "Delacroix" not in given.reply
    assert Notice.objects.get(user=alice).url == "/feedback/"
    assert "Settled" in page(cast.sign_in(Client(), alice), "/feedback/")
    assert given.text not in page(cast.sign_in(Client(), cast.carol()), QUEUE), "only open ones stand in the queue"
    assert given.text in page(cast.sign_in(Client(), cast.carol()), f"{QUEUE}?status=settled&about=page")

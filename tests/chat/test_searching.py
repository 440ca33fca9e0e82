"""What is searched for goes by form; only words without identifiers come back in the address."""

from __future__ import annotations

from html import unescape
from urllib.parse import unquote_plus

import pytest
from django.test import Client
from django.urls import reverse

from chat import searching
from chat.models import Collection, Conversation
from compliance import phi
from compliance.models import AuditEvent
from tests import cast

TYPED = "Mrs. Quenbroth, MRN 48213907: iodinated contrast"
VALUES = ("Quenbroth", "48213907")
FORMS = ("library", "question-search")


@pytest.fixture
def no_masker(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise phi.PhiUnavailable

    monkeypatch.setattr(phi, "mask", broken)


@pytest.mark.parametrize("form", FORMS)
def test_an_address_holds_no_identifier(form: str, alice: Client, library: Collection) -> None:
    sent = alice.post(reverse(form), {"q": TYPED})
    assert sent.status_code == 302
    words = unquote_plus(sent["Location"])
    assert words.endswith("iodinated contrast")
    assert not any(value in words for value in VALUES)
    page = alice.get(sent["Location"])
    text = unescape(page.content.decode())
    assert (page.status_code, searching.LEFT_OUT in text) == (200, True)
    assert not any(value in text for value in VALUES)
    for event in AuditEvent.objects.all():
        assert not any(value in str((event.detail, event.changes, event.object_id)) for value in VALUES)


@pytest.mark.parametrize("form", FORMS)
def test_words_without_identifiers_stay_as_they_are(form: str, alice: Client, library: Collection) -> None:
    sent = alice.post(reverse(form), {"q": " metformin  & 50 % contrast? "})
    assert unquote_plus(sent["Location"]).endswith("?q=metformin  & 50 % contrast?")
    assert searching.LEFT_OUT not in unescape(alice.get(sent["Location"]).content.decode())


@pytest.mark.parametrize("form", FORMS)
def test_nothing_to_search_for(form: str, alice: Client, library: Collection) -> None:
    for typed in ("", "   ", "Mrs. Quenbroth"):
        assert "Quenbroth" not in alice.post(reverse(form), {"q": typed})["Location"]


def test_the_library_finds_what_the_rest_of_the_words_find(alice: Client, library: Collection) -> None:
    text = unescape(alice.post(reverse("library"), {"q": TYPED}, follow=True).content.decode())
    assert "Metformin" in text


def test_an_address_that_names_somebody_is_left_at_once(alice: Client, library: Collection) -> None:
    """Typed by hand, or kept from before."""
    sent = alice.get(reverse("library"), {"q": TYPED})
    assert sent.status_code == 302
    assert "Quenbroth" not in sent["Location"]


def test_without_a_masker_nothing_is_searched_and_the_words_stay_in_the_box(
    alice: Client, library: Collection, no_masker: None
) -> None:
    for answer in (alice.post(reverse("library"), {"q": TYPED}), alice.get(reverse("library"), {"q": TYPED})):
        text = unescape(answer.content.decode())
        assert (answer.status_code, searching.NOT_SEARCHED in text, TYPED in text) == (503, True, True)
    back = alice.post(reverse("question-search"), {"q": TYPED}, follow=True)
    assert searching.NOT_SEARCHED in unescape(back.content.decode())
    assert "Quenbroth" not in str(back.redirect_chain)


def test_searching_from_a_conversation_leads_back_to_it(alice: Client) -> None:
    own = Conversation.objects.create(author=cast.alice(), title="Warfarin and [NAME-1]")
    Conversation.objects.create(author=cast.alice(), title="Metformin")
    sent = alice.post(reverse("question-search"), {"q": "warfarin", "conversation": str(own.pk)})
    assert sent["Location"] == f"{own.get_absolute_url()}?q=warfarin"
    page = alice.get(sent["Location"]).content.decode()
    assert "Warfarin and [NAME-1]" in page
    assert ">Metformin<" not in page
    assert alice.post(reverse("question-search"), {"q": "x", "conversation": "nonsense"})["Location"] == "/ask/?q=x"

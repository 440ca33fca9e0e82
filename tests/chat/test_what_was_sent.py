"""Every question shows what was sent in its place: to its author beside the values, and to nobody else."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.test import Client
from django.utils.html import strip_tags

from chat import services
from chat.models import Turn
from compliance import vault
from tests import cast
from tests.chat.making import QUESTION, make_turn

NAMED = "Mr. Delacroix, MRN 88231904, had surgery on 3/2/2024 and bled on 3/14/2024. Heparin?"


def page_of(client: Client, turn: Turn) -> str:
    return client.get(turn.conversation.get_absolute_url()).content.decode()


def bar_of(page: str) -> str:
    return page[page.index('<details class="phi-bar') : page.index('<div class="a">')]


def sent(page: str) -> str:
    found = re.search(r'<p class="sent[^>]*>(.*?)</p>', page, re.DOTALL)
    assert found is not None
    return unescape(found[1])


def words(html: str) -> str:
    return " ".join(unescape(strip_tags(html.replace("<", " <"))).split())


def test_the_table_the_days_and_the_whole_text(alice: Client) -> None:
    turn = make_turn(author=cast.alice(), text=NAMED)
    page = page_of(alice, turn)
    told = words(bar_of(page))
    assert "4 identifiers masked before the search" in told
    assert "You wrote Sent as Found by" in told
    assert "Delacroix [NAME-1] Name" in told
    assert "88231904 [MRN-1] Record number" in told
    assert "Days between the masked dates: [DATE-2] is 12 days after [DATE-1]." in told
    assert sent(page) == turn.question
    assert "[NAME-1]" in turn.question
    assert "Report a missed or wrong mask" in told


def test_a_question_without_identifiers_says_so(alice: Client) -> None:
    page = page_of(alice, make_turn(author=cast.alice()))
    told = words(bar_of(page))
    assert "No identifiers found in this question" in told
    assert "Report a missed mask" in told
    assert "You wrote" not in told
    assert "Purple values" not in told
    assert sent(page) == QUESTION


@pytest.mark.parametrize("text", ['Mr. Delacroix <b>x</b> & "heparin"?', "Mr. Delacroix:\n\n  heparin\n\tor not?"])
def test_what_was_sent_stands_there_to_the_letter(alice: Client, text: str) -> None:
    turn = make_turn(author=cast.alice(), text=text)
    page = page_of(alice, turn)
    assert sent(page) == turn.question == text.replace("Delacroix", "[NAME-1]")
    assert "<b>x</b>" not in page


def test_a_later_question_shows_what_was_written_in_it(alice: Client) -> None:
    first = make_turn(author=cast.alice(), text="Mrs. Ines Delacroix fell.")
    services.stop(turn=first)
    second = make_turn(author=cast.alice(), text="Is DELACROIX on warfarin?", conversation=first.conversation)
    page = page_of(alice, second)
    assert "Ines Delacroix [NAME-1] Name" in words(bar_of(page))
    assert "DELACROIX [NAME-1] Name" in words(page[page.rindex('<details class="phi-bar') :])


def test_values_that_are_kept_no_longer_are_told_apart(alice: Client) -> None:
    turn = make_turn(author=cast.alice(), text=NAMED)
    services.stop(turn=turn)
    vault.erase([turn.conversation_id])
    page = page_of(alice, turn)
    told = words(bar_of(page))
    assert "Delacroix" not in page
    assert "No longer kept [NAME-1] Name" in told
    assert "4 identifiers masked" in told
    assert "That time is over, so it was erased." in told
    assert "Purple values" not in told
    assert sent(page) == turn.question
    assert "[NAME-1], MRN [MRN-1]" in words(page[: page.index('<details class="phi-bar')])


def test_another_clinician_sees_neither_the_text_nor_the_tokens(alice: Client, bob: Client) -> None:
    turn = make_turn(author=cast.alice(), text=NAMED)
    answer = bob.get(turn.conversation.get_absolute_url())
    assert answer.status_code == 404
    assert b"[NAME-1]" not in answer.content

"""What was searched besides the words of a question, and what no document holds: on the page and in the stream."""

from __future__ import annotations

from html import unescape
from typing import Any

from django.test import Client
from django.urls import reverse

from chat import presentation
from chat.models import Collection, Turn
from chat.pipeline.record import forget
from chat.pipeline.run import run
from tests import cast
from tests.chat.making import make_turn

MISSPELLED = "Which INR is the target of warfarn?"


def told(turn: Turn) -> list[tuple[str, Any]]:
    """What the stream tells while the turn is answered."""
    events: list[tuple[str, Any]] = []
    run(turn.pk, publish=lambda event, data: events.append((event, data)))
    turn.refresh_from_db()
    return events


def page(client: Client, turn: Turn) -> str:
    return unescape(client.get(turn.conversation.get_absolute_url()).content.decode()).split("<main")[1]


def test_a_corrected_word_is_shown_while_it_is_answered_and_after(alice: Client, library: Collection) -> None:
    turn = make_turn(author=cast.alice(), text=MISSPELLED)
    said = {"also": ["warfarin (for warfarn)"]}
    assert ("understood", said) in told(turn)
    assert ("understood", said) in list(presentation.ending_events(turn))
    text = page(alice, turn)
    assert "warfarin (for warfarn)" in text
    assert "data-also>" in text, "shown"


def test_a_question_that_was_searched_as_it_is_says_nothing_of_it(alice: Client, library: Collection) -> None:
    turn = make_turn(author=cast.alice(), text="Which INR is the target of warfarin?")
    assert "understood" not in dict(told(turn))
    assert "data-also hidden>" in page(alice, turn)


def test_what_is_forgotten_of_a_question_is_not_told_by_what_was_searched(library: Collection) -> None:
    turn = make_turn(author=cast.alice(), text=MISSPELLED)
    told(turn)
    forget(turn)
    assert turn.evidence["searched_also"] == []


def test_without_an_answer_the_page_names_what_no_document_holds(alice: Client, library: Collection) -> None:
    turn = make_turn(author=cast.alice(), text="Which dose of zebrafloxacin treats quixwort poisoning?")
    ending = dict(told(turn)) | dict(presentation.ending_events(turn))
    assert turn.status == Turn.Status.ABSTAINED
    assert {"zebrafloxacin", "quixwort"} <= set(ending["abstain"]["unknown"])
    text = page(alice, turn)
    assert "No document here contains: <strong data-words>zebrafloxacin" in text
    assert "data-unknown>" in text


def test_the_search_of_the_library_says_it_too(alice: Client, library: Collection) -> None:
    text = unescape(alice.get(reverse("library"), {"q": "warfarn bleeding"}).content.decode())
    assert "Searched also: warfarin (for warfarn)" in text
    assert "<h2><a" in text

"""Questions that cannot be masked: refused in words, kept in the box, on record, and nothing of them goes anywhere."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from chat import services
from chat.forms import LONGEST_QUESTION, MOST_IN_THE_BOX
from chat.models import Conversation, Turn
from compliance import audit_words
from compliance.access import counters
from compliance.models import AuditEvent, Code, Outcome, VaultEntry
from compliance.phi import engine
from tests import cast
from tests.chat.making import QUESTION, make_turn
from tests.chat.test_worker import together

SECRET = "Mr. Delacroix, MRN 88231904: heparin?"
REFUSED = "We could not mask this safely, so nothing was sent"


class Box(HTMLParser):
    """What the question box of a page holds, as a browser reads it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self._inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = (tag, ("id", "question")) == ("textarea", next((a for a in attrs if a[0] == "id"), None))

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        self.text += data if self._inside else ""


def in_the_box(page: str) -> str:
    return Box(page).text.removeprefix("\n")  # a browser drops the first line break of a box


def events() -> list[tuple[dict[str, Any], str]]:
    found = AuditEvent.objects.filter(code=Code.INPUT_VALIDATION_FAIL)
    return list(found.values_list("detail", "outcome"))


def assert_nothing_is_kept(secret: str = "Delacroix|88231904") -> None:
    assert not Turn.objects.exists()
    assert not Conversation.objects.exists()
    assert not VaultEntry.objects.exists()
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text ~ %s', [secret])
            assert cursor.fetchone() == (0,), f"the text is readable in {table}"


def raises(text: str) -> list[Any]:
    raise RuntimeError(text)


@pytest.fixture
def hangs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    free = threading.Event()

    def wait(text: str) -> list[Any]:
        free.wait()
        return []

    monkeypatch.setattr(engine, "_scans", [wait])
    monkeypatch.setattr(engine._state, "deadline_seconds", 0.2)
    yield
    free.set()


@pytest.fixture
def down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_scans", [raises])


@pytest.fixture(params=["down", "hangs"])
def broken(request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(request.param)


def test_a_masker_that_fails_or_hangs_refuses_the_question(alice: Client, broken: None, caplog: Any) -> None:
    response = alice.post(reverse("ask"), {"question": SECRET})
    page = response.content.decode()
    assert (response.status_code, response["Retry-After"]) == (503, "60")
    assert REFUSED in page
    assert "Send it again in a minute." in page
    assert in_the_box(page) == SECRET
    assert events() == [({"step": "masking", "where": "question"}, Outcome.FAILURE)]
    event = AuditEvent.objects.get(code=Code.INPUT_VALIDATION_FAIL)
    assert event.correlation_id is not None
    assert f"E-{event.correlation_id.hex[:8].upper()}" in page
    assert event.actor_id == cast.alice().pk
    assert audit_words.what(event) == "A text could not be masked"
    assert "Delacroix" not in caplog.text
    assert_nothing_is_kept()


def test_the_same_on_the_page_of_a_conversation(alice: Client, request: pytest.FixtureRequest) -> None:
    turn = make_turn(author=cast.alice())
    services.stop(turn=turn)
    request.getfixturevalue("down")
    response = alice.post(turn.conversation.get_absolute_url(), {"question": SECRET})
    page = response.content.decode()
    assert (response.status_code, response["Retry-After"]) == (503, "60")
    assert REFUSED in page
    assert QUESTION in page, "the conversation itself can still be read"
    assert in_the_box(page) == SECRET
    assert Turn.objects.count() == 1


def in_redis(words: bytes) -> bool:
    """Whether anything Redis holds, as it holds it, has these words."""
    redis: Any = counters.client()
    return any(words in key + (redis.dump(key) or b"") for key in redis.scan_iter())


def test_nothing_is_queued(alice: Client, broken: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.tasks.answer_turn.delay", lambda *_: pytest.fail("queued"))
    alice.post(reverse("ask"), {"question": SECRET})
    assert not in_redis(b"Delacroix")


@pytest.mark.parametrize(
    ("typed", "kept", "told", "step"),
    [
        pytest.param(f"{SECRET}\x00", f"{SECRET}\x00", "not text", "not_text", id="NUL"),
        pytest.param(f"{SECRET} \ufffd", f"{SECRET} \ufffd", "not text", "not_text", id="broken text, shown as such"),
        pytest.param("[NAME-[MRN-1]] on heparin", None, "brackets inside", "nested", id="nested tokens"),
        pytest.param("[[Name 1]] on heparin", None, "brackets inside", "nested", id="a token in brackets"),
        pytest.param(SECRET + "x" * LONGEST_QUESTION, None, "Shorten the question", "max_length", id="too long"),
        pytest.param(SECRET + "x" * 900_000, None, "Shorten the question", "max_length", id="900 kB"),
        pytest.param("  <b>\n" + SECRET + "\x00", None, "not text", "not_text", id="spaces and markup"),
    ],
)
def test_text_that_cannot_be_masked_says_what_to_do(
    alice: Client, typed: str, kept: str | None, told: str, step: str
) -> None:
    began = time.process_time()
    response = alice.post(reverse("ask"), {"question": typed})
    assert time.process_time() - began < 5
    page = response.content.decode()
    assert response.status_code == 200
    assert REFUSED in page
    assert told in page
    assert in_the_box(page) == (kept or typed)
    assert events() == [({"step": step}, Outcome.DENIED)]
    assert audit_words.what(AuditEvent.objects.get(code=Code.INPUT_VALIDATION_FAIL)).startswith("Sent a question")
    assert_nothing_is_kept()


@pytest.mark.parametrize(
    "raw",
    [b"%ED%A0%80", b"%00%01%02%FF%FE", b"%89PNG%0D%0A%1A%0A%00%00", b"%ED%B0%80%ED%A0%80"],
    ids=["half of a pair", "binary", "a picture", "a pair the wrong way around"],
)
def test_bytes_that_are_no_text_are_refused(alice: Client, raw: bytes) -> None:
    body = b"question=Mr.+Delacroix+" + raw
    response = alice.generic("POST", reverse("ask"), body, "application/x-www-form-urlencoded")
    page = response.content.decode()
    assert response.status_code == 200
    assert REFUSED in page
    assert "Remove the characters that are not text" in page
    assert "Mr. Delacroix" in in_the_box(page)
    assert events() == [({"step": "not_text"}, Outcome.DENIED)]
    assert_nothing_is_kept()


def test_more_than_a_request_may_hold_is_refused_unread(alice: Client) -> None:
    began = time.process_time()
    response = alice.post(reverse("ask"), {"question": SECRET + "x" * 1_100_000})
    assert time.process_time() - began < 5
    assert response.status_code == 413
    assert "nothing of this was stored" in response.content.decode()
    assert events() == [({"step": "too large"}, Outcome.DENIED)]
    assert_nothing_is_kept()


@pytest.mark.parametrize("character", ["x", "字", "🙂"])
def test_what_the_box_takes_a_request_carries(alice: Client, character: str) -> None:
    typed = character * (MOST_IN_THE_BOX // (2 if character == "🙂" else 1))  # a browser counts UTF-16
    response = alice.generic("POST", reverse("ask"), f"question={_quoted(typed)}", "application/x-www-form-urlencoded")
    assert response.status_code == 200
    assert in_the_box(response.content.decode()) == typed


def _quoted(text: str) -> str:
    from urllib.parse import quote_plus

    return quote_plus(text)


def test_the_box_says_how_much_it_takes(alice: Client) -> None:
    page = alice.get(reverse("ask")).content.decode()
    assert f'data-longest="{LONGEST_QUESTION}"' in page
    assert f'maxlength="{MOST_IN_THE_BOX}"' in page
    assert f"Write up to {LONGEST_QUESTION} characters." in page


@pytest.mark.parametrize(
    "text", ["Is [1] or [see note [2]] right on warfarin?", "Use [NAME-1] or [MRN-2] on warfarin?"]
)
def test_other_brackets_are_taken(alice: Client, text: str) -> None:
    assert alice.post(reverse("ask"), {"question": text}).status_code == 302
    page = alice.get(Turn.objects.get().conversation.get_absolute_url()).content.decode()
    assert text.rsplit(maxsplit=1)[-1] in page


def test_refusals_that_repeat_themselves_are_told_once_a_minute(alice: Client) -> None:
    for _ in range(3):
        alice.post(reverse("ask"), {"question": "x" * 5000})
    assert events() == [({"step": "max_length"}, Outcome.DENIED)]


@pytest.mark.django_db(transaction=True)
def test_sent_twice_at_once_it_is_refused_twice(down: None) -> None:
    alice = cast.alice()
    clients = [cast.sign_in(Client(), alice) for _ in range(2)]
    sent = {"question": SECRET, "submission": str(uuid.uuid4())}
    assert together(lambda n: clients[n].post(reverse("ask"), sent).status_code, 2) == [503, 503]
    assert len(events()) == 2
    assert_nothing_is_kept()

"""An embedding endpoint by configuration: a real server on this machine, which can be told to misbehave."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.urls import reverse

from chat import releases
from chat.corpus import ingest, vectors
from chat.llm import encoders, endpoint
from chat.llm.endpoint import Busy, Endpoint, EndpointError, Refused, Unreachable, WrongAnswer
from chat.models import Chunk, Listing, Turn
from chat.pipeline.run import run
from clinchat import embedding
from tests import cast
from tests.chat import shelf
from tests.chat.making import answered

KEY = "a key of the tests"
SIZE = 8
Answer = dict[str, Any]


def numbers(text: str) -> list[float]:
    """Not at unit length, and another for each text."""
    return [float(len(text)), *(float(ord(letter)) for letter in text[: SIZE - 1].ljust(SIZE - 1))]


class Server:
    """`replies` are given in their turn, then the right answer: a status, or a function of the right answer."""

    def __init__(self) -> None:
        server = self
        self.asked: list[Answer] = []
        self.headers: list[dict[str, str]] = []
        self.replies: list[int | Callable[[Answer], Any]] = []
        self.pause = 0.0
        self.size = SIZE

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                server.asked.append({"path": self.path, **json.loads(body)})
                server.headers.append(dict(self.headers))
                time.sleep(server.pause)
                reply = server.replies.pop(0) if server.replies else (lambda right: right)
                content = b"MRN 88231904 is what you asked" if isinstance(reply, int) else server.answer(reply)
                self.send_response(reply if isinstance(reply, int) else 200)
                self.send_header("Content-Length", str(len(content)))
                if reply == 429:
                    self.send_header("Retry-After", "3")
                if reply == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:
                """Who asked has gone, as some tests want it."""

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, change: Callable[[Answer], Any]) -> bytes:
        texts = self.asked[-1]["input"]
        rows = [
            {"index": i, "embedding": [*numbers(text), *[0.0] * (self.size - SIZE)]} for i, text in enumerate(texts)
        ]
        changed = change({"object": "list", "data": rows[::-1], "model": "any"})
        return changed if isinstance(changed, bytes) else json.dumps(changed).encode()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def encoder(server: Server) -> Endpoint:
    return Endpoint(url=server.url, model="bge-m3", dimensions=SIZE, key=KEY, query_prefix="query:")


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr(endpoint, "sleep", found.append)
    return found


def test_passages_come_back_in_order_at_unit_length(server: Server, encoder: Endpoint) -> None:
    found = encoder.embed_passages(["first", "the second", "3"])
    for vector, text in zip(found, ["first", "the second", "3"], strict=True):
        length = math.hypot(*numbers(text))
        assert vector.tolist() == pytest.approx([number / length for number in numbers(text)], abs=1e-6)
    assert server.asked == [
        {
            "path": "/v1/embeddings",
            "model": "bge-m3",
            "input": ["first", "the second", "3"],
            "encoding_format": "float",
        }
    ]
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"


def test_a_question_goes_with_its_prefix(server: Server, encoder: Endpoint) -> None:
    assert math.hypot(*encoder.embed_query("Which dose?")) == pytest.approx(1)
    assert server.asked[0]["input"] == ["query: Which dose?"]


def test_many_passages_go_in_batches(server: Server, encoder: Endpoint) -> None:
    texts = [f"text {n}" for n in range(endpoint.BATCH * 2 + 1)]
    assert encoder.embed_passages(texts).shape == (len(texts), SIZE)
    assert [len(asked["input"]) for asked in server.asked] == [endpoint.BATCH, endpoint.BATCH, 1]
    assert encoder.embed_passages([]).shape == (0, SIZE)


def test_a_busy_server_is_asked_again_when_it_says(server: Server, encoder: Endpoint, slept: list[float]) -> None:
    server.replies = [429, 503]
    assert encoder.embed_passages(["text"]).shape == (1, SIZE)
    assert slept == [3.0, endpoint.PASSAGE_PAUSES[1]]


def test_one_that_stays_busy_is_given_up(server: Server, encoder: Endpoint, slept: list[float]) -> None:
    server.replies = [500] * 9
    with pytest.raises(Busy) as refused:
        encoder.embed_query("Which dose?")
    assert refused.value.status == 500
    assert len(server.asked) == len(endpoint.QUERY_PAUSES) + 1
    assert len(slept) == len(endpoint.QUERY_PAUSES)


@pytest.mark.parametrize("status", [400, 401, 404, 302])
def test_any_other_error_is_final(server: Server, encoder: Endpoint, slept: list[float], status: int) -> None:
    server.replies = [status]
    with pytest.raises(Refused, match=str(status)) as refused:
        encoder.embed_passages(["text"])
    assert "88231904" not in str(refused.value)
    assert (len(server.asked), slept) == (1, [])


def without(answer: Answer, change: Callable[[list[Any]], Any]) -> Answer:
    change(answer["data"])
    return answer


WRONG: dict[str, Callable[[Answer], Any]] = {
    "one too few": lambda right: without(right, lambda rows: rows.pop()),
    "one twice": lambda right: without(right, lambda rows: rows.append(rows[0])),
    "too short": lambda right: without(right, lambda rows: [row["embedding"].pop() for row in rows]),
    "of two lengths": lambda right: without(right, lambda rows: rows[0]["embedding"].pop()),
    "no direction": lambda right: without(right, lambda rows: rows[0].update(embedding=[0.0] * SIZE)),
    "not finite": lambda right: without(right, lambda rows: rows[0].update(embedding=[float("nan")] * SIZE)),
    "no numbers": lambda right: without(right, lambda rows: rows[0].update(embedding=["MRN 88231904"] * SIZE)),
    "no index": lambda right: without(right, lambda rows: rows[0].pop("index")),
    "no data": lambda _: {"error": "MRN 88231904"},
    "a list": lambda _: [1, 2],
    "a page": lambda _: b"<html>MRN 88231904</html>",
    "nothing": lambda _: b"",
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_wrong_answer_is_not_used(server: Server, encoder: Endpoint, change: Callable[[Answer], Any]) -> None:
    server.replies = [change]
    with pytest.raises(WrongAnswer) as wrong:
        encoder.embed_passages(["one", "two"])
    assert "88231904" not in f"{wrong.value}{wrong.value.__cause__}"
    assert len(server.asked) == 1


def test_an_endless_answer_is_cut(server: Server, encoder: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "LARGEST_ANSWER", 1000)
    server.replies = [lambda _: b" " * 100_000]
    with pytest.raises(WrongAnswer, match="too long"):
        encoder.embed_query("Which dose?")


def test_no_answer_in_time(server: Server, encoder: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "QUERY", 0.2)
    server.pause = 1.0
    with pytest.raises(Unreachable):
        encoder.embed_query("Which dose?")


def test_nobody_there(server: Server, encoder: Endpoint) -> None:
    server.close()
    with pytest.raises(Unreachable):
        encoder.embed_passages(["text"])


def test_the_key_is_in_no_description(encoder: Endpoint) -> None:
    assert KEY not in repr(encoder)
    assert issubclass(EndpointError, encoders.Failed)


# ── As configured ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def chosen(server: Server, settings: Any) -> None:
    """A new installation whose model is the endpoint's."""
    server.size = 384
    settings.EMBEDDING_ENDPOINT = {"url": server.url, "model": "bge-m3", "dimensions": 384}
    settings.CLINCHAT_EMBEDDING_MODEL = "endpoint:bge-m3"


@pytest.mark.usefixtures("chosen")
def test_it_can_be_chosen_by_its_name() -> None:
    assert encoders.configured().name == "endpoint:bge-m3"
    assert encoders.names()[0] == "endpoint:bge-m3"
    assert len(encoders.names()) == 3


@pytest.mark.usefixtures("chosen", "library")
def test_passages_and_masked_questions_are_all_it_gets(server: Server) -> None:
    assert vectors.active().model == "endpoint:bge-m3"
    assert len(server.asked) > 0
    before = len(server.asked)
    answered(author=cast.alice(), text="Mrs. Ines Delacroix, MRN 88231904, takes warfarin. INR target?")
    assert len(server.asked) > before
    assert "takes warfarin" in json.dumps(server.asked[before:])
    sent = json.dumps(server.asked)
    assert not any(part in sent for part in ("Delacroix", "Ines", "88231904"))


@pytest.mark.usefixtures("chosen", "library")
@pytest.mark.parametrize(
    "reply",
    [500, 302, lambda _: b"MRN 88231904", lambda right: right | {"data": [{"index": 0, "embedding": [1.0] * 3}]}],
    ids=["broken", "redirect", "garbage", "another dimension"],
)
def test_a_question_fails_in_a_sentence_and_is_answered_when_it_is_back(
    server: Server, alice: Client, reply: Any, caplog: pytest.LogCaptureFixture
) -> None:
    vectors.active()
    server.replies = [reply] * 5
    turn = answered(author=cast.alice(), text="Mrs. Ines Delacroix, MRN 88231904, takes warfarin. INR target?")
    assert (turn.status, turn.reason, turn.citations.count()) == (Turn.Status.FAILED, "Unavailable", 0)
    page = alice.get(turn.conversation.get_absolute_url()).content.decode()
    assert "The search service stopped responding. Your question is saved." in page
    assert not any(part in caplog.text for part in ("Delacroix", "88231904", "warfarin"))
    server.replies = []
    alice.post(reverse("answer-retry", args=[turn.pk]))
    assert run(turn.pk, publish=lambda *_: None)
    turn.refresh_from_db()
    assert turn.status in {Turn.Status.ANSWERED, Turn.Status.ABSTAINED}


@pytest.mark.usefixtures("chosen", "library")
def test_nothing_is_half_published_while_it_is_away(server: Server, slept: list[float]) -> None:
    vectors.active()
    collection = shelf.collection("notes")
    ingest.ingest(sources=[shelf.source("Heparin is reversed with protamine.")], collection=collection)
    server.replies = [500] * 5
    with pytest.raises(EndpointError):
        releases.embed_waiting()
    assert slept == list(endpoint.PASSAGE_PAUSES)
    assert not Listing.objects.filter(document__collection=collection).exists()
    assert not Chunk.objects.filter(collection=collection, live=True).exists()
    server.replies = []
    releases.embed_waiting()
    assert shelf.current().text == "Heparin is reversed with protamine."


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"CLINCHAT_EMBEDDING_URL": "http://models.hospital.example/v1"}, "https://"),
        ({"CLINCHAT_EMBEDDING_URL": "https://models.hospital.example/v1"}, "CLINCHAT_EMBEDDING_URL_MODEL"),
        (
            {"CLINCHAT_EMBEDDING_URL": "https://m.example", "CLINCHAT_EMBEDDING_URL_MODEL": "m" * 81},
            "at most 80 characters",
        ),
        (
            {"CLINCHAT_EMBEDDING_URL": "https://m.example", "CLINCHAT_EMBEDDING_DIMENSIONS": "5000"},
            "CLINCHAT_EMBEDDING_DIMENSIONS",
        ),
    ],
    ids=["not encrypted", "no model", "long model", "many dimensions"],
)
def test_half_a_configuration_stops_the_process(
    given: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=named):
        embedding.endpoint()

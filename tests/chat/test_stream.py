"""The event stream: live, resumed, rebuilt from the record, and only for the author."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from chat import services, streams
from chat.models import Collection, Turn
from chat.pipeline.run import run
from tests import cast
from tests.chat.making import answered, make_turn

Events = list[tuple[str, str, dict[str, Any]]]


@pytest.fixture(autouse=True)
def _keep_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's own transaction lives on the connection that a stream would give back."""
    monkeypatch.setattr("clinchat.lib.sse.connections.close_all", lambda: None)


def parse(text: str) -> Events:
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        if "event" in fields:
            found.append((fields.get("id", ""), fields["event"], json.loads(fields["data"])))
    return found


def watch(client: Client, turn: Turn, last_id: str = "") -> Events:
    headers = {"Last-Event-ID": last_id} if last_id else {}
    response = client.get(reverse("answer-events", args=[turn.pk]), headers=headers)
    assert response.status_code == 200
    assert response["Content-Type"] == "text/event-stream"
    assert response["Cache-Control"] == "no-store"
    assert response["X-Accel-Buffering"] == "no"
    return parse(b"".join(response.streaming_content).decode())  # type: ignore[attr-defined]


def streamed(turn: Turn) -> None:
    assert run(turn.pk, publish=streams.publisher(turn.pk))
    streams.publish_ending(turn.pk)


def test_stages_then_verified_statements_then_sources(alice: Client, library: Collection) -> None:
    turn = make_turn(author=cast.alice())
    streamed(turn)
    events = watch(alice, turn)
    names = [name for _, name, _ in events]
    assert names[0] == "step"
    assert names[-1] == "done"
    assert names.index("part") > max(i for i, n in enumerate(names) if n == "step")
    turn.refresh_from_db()
    assert [d["text"] for _, n, d in events if n == "part"] == [b["text"] for b in turn.blocks]
    (sources,) = [d["sources"] for _, n, d in events if n == "sources"]
    for source in sources:
        assert source["quote"] in [b["text"] for b in turn.blocks]
        assert source["words"] == len(source["quote"].split())


def test_a_dropped_connection_resumes_after_the_last_event(alice: Client, library: Collection) -> None:
    turn = make_turn(author=cast.alice())
    streamed(turn)
    events = watch(alice, turn)
    middle = events[3][0]
    assert watch(alice, turn, middle) == events[4:]


def test_an_expired_stream_is_built_again_from_the_record(alice: Client, library: Collection) -> None:
    turn = make_turn(author=cast.alice())
    streamed(turn)
    told = [(n, d) for _, n, d in watch(alice, turn) if n != "step"]
    live = [one for i, one in enumerate(told) if one not in told[:i]]  # that medicines were checked is told twice
    streams.forget(turn.pk)
    assert [(n, d) for _, n, d in watch(alice, turn)] == live


def test_without_redis_the_recorded_answer_is_streamed_and_shown(
    alice: Client, library: Collection, redis_gone: None
) -> None:
    turn = answered(author=cast.alice())
    names = [n for _, n, _ in watch(alice, turn)]
    assert names[-1] == "done"
    page = alice.get(turn.conversation.get_absolute_url())
    assert page.status_code == 200
    assert turn.blocks[0]["text"] in page.content.decode()


def test_abstained_failed_and_stopped_turns_say_so(alice: Client, library: Collection) -> None:
    author = cast.alice()
    abstained = answered(author=author, text="How tall is the Eiffel tower in Paris?")
    (_, name, data) = watch(alice, abstained)[-1]
    assert name == "abstain"
    assert data["closest"]
    failed = make_turn(author=author)
    services.fail(turn_id=failed.pk, reason="Lost")
    (_, name, data) = watch(alice, failed)[-1]
    assert (name, data["stopped"]) == ("failed", False)
    assert data["reference"].startswith("A-")
    stopped = make_turn(author=author)
    services.stop(turn=stopped)
    assert watch(alice, stopped)[-1][2]["stopped"] is True


def test_a_stranger_gets_no_stream(alice: Client, bob: Client, library: Collection) -> None:
    turn = answered(author=cast.alice())
    response = bob.get(reverse("answer-events", args=[turn.pk]))
    assert response.status_code == 404, f"turn {turn.pk} leaked to bob"


def test_no_identifier_is_in_redis(library: Collection) -> None:
    turn = make_turn(author=cast.alice(), text="Maria Lopez, MRN 00482913, on warfarin. Is TMP-SMX possible?")
    streamed(turn)
    stored = str(streams.client().xrange(f"turn:{turn.pk}:events"))
    assert "Lopez" not in stored
    assert "00482913" not in stored

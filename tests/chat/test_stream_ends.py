"""An open stream ends within five seconds when the right to it does, and costs the database nothing until then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.urls import reverse

from chat import streams
from chat.models import Turn
from clinchat.lib import sse
from compliance.access import epoch, networks, people, sessions
from compliance.access.roles import Role
from compliance.models import RoleAssignment, User
from tests import cast
from tests.chat.making import make_turn

pytestmark = pytest.mark.django_db

SIGNED_OUT = "event: signed-out\ndata: {}\n\n"
SOON = 4
"""Slices of time: three seconds, of the five it may take. Seconds of a machine that is busy would say less."""
OPENED: list[Any] = []
LOOKS: list[Any] = []
"""Each time a stream looks for something new, for which it waits a slice of time."""


@pytest.fixture(autouse=True)
def _unsent(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker runs: the turn stays unfinished."""
    monkeypatch.setattr("chat.services._dispatch", lambda *_a, **_k: None)


@pytest.fixture(autouse=True)
def _keep_connection(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The test's own transaction lives on the connection that a stream would give back."""
    if "transactional_db" not in request.fixturenames:
        monkeypatch.setattr("clinchat.lib.sse.connections.close_all", lambda: None)
    yield
    while OPENED:  # a stream that is left to the garbage collector would take another test's connection
        OPENED.pop().close()


@pytest.fixture(autouse=True)
def _count_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    LOOKS.clear()
    read = streams._read

    def counted(*given: Any) -> Any:
        LOOKS.append(given)
        return read(*given)

    monkeypatch.setattr(streams, "_read", counted)
    assert SOON * sse.SLICE_SECONDS <= 3


@pytest.fixture(autouse=True)
def _new_epoch() -> None:
    """The counter begins anew with every test; what an earlier one saw of it must not stand."""
    epoch._Seen.number, epoch._Seen.at = -1, float("-inf")  # there is no other way to forget


def opened(client: Client, turn: Turn, **extra: Any) -> Iterator[str]:
    """The stream of a turn that nobody answers, its first bytes read."""
    streams.publisher(turn.pk)("step", {"label": "Searching", "state": "active"})
    response = client.get(reverse("answer-events", args=[turn.pk]), **extra)
    assert response.status_code == 200
    OPENED.append(response)
    parts: Iterator[str] = (part.decode() for part in response.streaming_content)  # type: ignore[attr-defined]
    assert any("event: step" in part for part in parts)
    return parts


def ended_with(parts: Iterator[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What still comes of a stream, which ends soon."""
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.0)  # it says something at each look
    before = len(LOOKS)
    found = []
    for part in parts:
        found.append(part)
        assert len(LOOKS) - before <= SOON, "the stream goes on"
    return found


def goes_on(parts: Iterator[str], monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 1.0)
    started = time.monotonic()
    while time.monotonic() - started < 2.5:
        if next(parts, SIGNED_OUT) != sse.HEARTBEAT:
            return False
    return True


def sign_out(alice: User, client: Client) -> None:
    other_tab = Client()
    other_tab.cookies = client.cookies
    other_tab.post(reverse("signout"))


def end_hers(alice: User, client: Client) -> None:
    sessions.end_all(alice, reason="test")


def end_everyones(alice: User, client: Client) -> None:
    sessions.end_all(None, reason="test")


def close_account(alice: User, client: Client) -> None:
    people.close(alice, because=User.Closed.SECURITY, by=cast.sam())


def take_role(alice: User, client: Client) -> None:
    RoleAssignment.objects.filter(user=alice, role=Role.CLINICIAN).delete()
    epoch.bump()


def outlast(alice: User, client: Client) -> None:
    from django.db.models import F

    from compliance.models import Session

    Session.objects.update(expire_date=F("began_at"))
    sessions.expire_all()


def block(alice: User, client: Client) -> None:
    networks.block(network="203.0.113.0/24", reason="Test", by=cast.sam(), source="192.0.2.1")


@pytest.mark.parametrize("act", [sign_out, end_hers, end_everyones, close_account, take_role, outlast])
def test_it_ends_and_says_so(
    act: Callable[[User, Client], None], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = cast.alice()
    parts = opened(cast.sign_in(client, alice), make_turn(author=alice))
    act(alice, client)
    found = ended_with(parts, monkeypatch)
    assert found[-1] == SIGNED_OUT
    assert set(found[:-1]) <= {sse.HEARTBEAT}


def test_nothing_that_happens_later_is_sent(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = cast.alice()
    turn = make_turn(author=alice)
    parts = opened(cast.sign_in(client, alice), turn)
    epoch._Seen.at = float("-inf")  # as if a second had passed
    sessions.end_all(alice, reason="test")
    streams.publisher(turn.pk)("part", {"text": "Late words", "cites": [1]})
    assert "Late words" not in "".join(ended_with(parts, monkeypatch))


def test_only_the_streams_of_that_person_end(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    alice, bob = cast.alice(), cast.bob()
    hers = opened(cast.sign_in(client, alice), make_turn(author=alice))
    his = opened(cast.sign_in(Client(), bob), make_turn(author=bob))
    sessions.end_all(alice, reason="test")
    assert ended_with(hers, monkeypatch)[-1] == SIGNED_OUT
    assert goes_on(his, monkeypatch)


def test_a_new_key_is_no_end(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Showing both factors again in another tab changes the key; it is the same session."""
    alice = cast.alice()
    parts = opened(cast.sign_in(client, alice), make_turn(author=alice))
    other_tab = Client()
    other_tab.cookies = client.cookies
    session = other_tab.session
    session.cycle_key()
    epoch.bump()
    assert goes_on(parts, monkeypatch)


def test_a_session_that_ended_while_its_stream_opened(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = cast.alice()
    turn = make_turn(author=alice)
    cast.sign_in(client, alice)
    frames = streams.frames

    def ending_first(*args: Any, **kwargs: Any) -> Iterator[str]:
        sessions.end_all(alice, reason="test")
        epoch.current()
        return frames(*args, **kwargs)

    monkeypatch.setattr(streams, "frames", ending_first)
    response = client.get(reverse("answer-events", args=[turn.pk]))
    found = [part.decode() for part in response.streaming_content]  # type: ignore[attr-defined]
    assert found == [SIGNED_OUT]


def test_a_blocked_network_ends_its_streams(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = cast.alice()
    cast.sign_in(client, alice)
    inside = opened(client, make_turn(author=alice), REMOTE_ADDR="203.0.113.9")
    bob = cast.bob()
    outside = opened(cast.sign_in(Client(), bob), make_turn(author=bob), REMOTE_ADDR="198.51.100.9")
    block(alice, client)
    assert ended_with(inside, monkeypatch)[-1] == SIGNED_OUT
    assert goes_on(outside, monkeypatch)


def test_while_nothing_happens_it_holds_no_connection(
    transactional_db: None, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = cast.alice()
    parts = opened(cast.sign_in(client, alice), make_turn(author=alice))
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.0)
    for _ in range(3):
        assert next(parts) == sse.HEARTBEAT
        assert connection.connection is None
    sessions.end_all(alice, reason="test")
    assert ended_with(parts, monkeypatch)[-1] == SIGNED_OUT
    assert connection.connection is None


def test_without_the_database_it_ends_and_says_nothing(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can tell whether the person may still have it. The browser asks again, and is let in or not."""
    alice = cast.alice()
    parts = opened(cast.sign_in(client, alice), make_turn(author=alice))

    def lost() -> int:
        raise OperationalError

    monkeypatch.setattr(epoch, "current", lost)
    assert SIGNED_OUT not in ended_with(parts, monkeypatch)


def test_a_silent_stream_sends_a_heartbeat_and_the_last_id_counts(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = cast.alice()
    turn = make_turn(author=alice)
    cast.sign_in(client, alice)
    first = opened(client, turn)
    publish = streams.publisher(turn.pk)
    publish("step", {"label": "Reading", "state": "active"})
    second = next(part for part in first if part != sse.HEARTBEAT)
    last = second.splitlines()[0].removeprefix("id: ")
    publish("failed", {"reason": "Test", "stopped": False})
    again = client.get(reverse("answer-events", args=[turn.pk]), headers={"Last-Event-ID": last})
    text = b"".join(again.streaming_content).decode()  # type: ignore[attr-defined]
    assert "Reading" not in text
    assert "event: failed" in text

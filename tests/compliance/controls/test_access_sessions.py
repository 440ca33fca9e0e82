"""Checks of sessions and of what stands before them, each broken as the catalogue says and in other ways."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from compliance.access import controls_sessions, counters, epoch, limits, networks, origin, sessions, tokens, watch
from compliance.access.limits import Limit, TooMany
from compliance.access.session_store import SessionStore
from compliance.models import NetworkBlock
from tests import cast
from tests.breaking import instead, view
from tests.compliance.controls.test_access_signin import the_left_most
from tests.proving import State, look, proven

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is broken stays open: nobody waits five seconds to see it. An epoch is read anew after one."""
    monkeypatch.setattr(controls_sessions, "REVOKED_SECONDS", 1.5)


def test_idle() -> None:
    def renews(request: Any, _: Any) -> None:
        if request.session.row is not None and request.session.row.verified:
            request.session.touch()

    broken = proven("session.idle", instead(sessions, "renew", renews))
    assert {"renewed by session-left", "renewed by answer-events"} <= set(broken.failing)


def test_fault_one_poll_renews_the_session() -> None:
    def forgets(callback: Any) -> Any:
        def plain(request: Any, *args: Any, **kwargs: Any) -> Any:
            return callback(request, *args, **kwargs)

        vars(plain)["access_action"] = callback.access_action
        return plain

    with view("session-left", forgets):
        assert look("session.idle").failing == ["renewed by session-left"]


def test_fault_longer_limits(settings: Any) -> None:
    settings.SESSION_COOKIE_AGE = 30 * 60
    settings.CLINCHAT_SESSION_HOURS = 24
    failing = look("session.idle").failing
    assert {"CLINCHAT_SESSION_IDLE_MINUTES", "CLINCHAT_SESSION_HOURS"} <= set(failing)
    assert {"used when idle too long", "used when it lasted too long"} <= set(failing)


def test_fault_a_session_past_its_end_is_used() -> None:
    with instead(sessions, "why_over", lambda *_: ""):
        assert look("session.idle").failing == ["used when idle too long", "used when it lasted too long"]


def test_revocation() -> None:
    broken = proven("session.revocation", instead(watch, "_look_at", lambda *_: None))
    assert "streams stay open" in broken.failing


def test_fault_nobody_is_told_that_sessions_ended() -> None:
    with instead(epoch, "bump", lambda: None), instead(epoch, "current", lambda: 7):
        assert "streams stay open" in look("session.revocation").failing


def test_fault_programs_stay_signed_in() -> None:
    with instead(tokens, "end_families", lambda _: 0):
        assert look("session.revocation").failing == ["programs stay signed in"]


def test_rotation() -> None:
    broken = proven("session.rotation", instead(SessionStore, "cycle_key", lambda _: None))
    assert "the key stays at the second factor" in broken.failing


def test_fault_a_fourth_session() -> None:
    with instead(sessions, "end_oldest", lambda *_, **__: 0):
        assert look("session.rotation").failing == ["more than three at once"]


def test_fault_sessions_outlive_a_change_of_roles() -> None:
    from compliance.access import people

    with instead(people, "roles_changed", lambda _: None):
        assert look("session.rotation").failing == ["a session outlives a change of roles"]


def test_fault_nobody_can_end_their_sessions() -> None:
    from compliance.access import devices

    with instead(devices, "end", lambda *_: False):
        assert look("session.rotation").failing == ["a person cannot end one"]


class OfOneProcess:
    """A limit each process counts for itself."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()

    def __call__(self, *, keys: list[str], args: list[Any]) -> list[int]:
        self.counted[keys[0]] += 1
        return [1, 1000, 0] if self.counted[keys[0]] > args[0] else [0, 0, 0]


def test_block_and_limit() -> None:
    broken = proven("edge.block_and_limit", instead(limits, "_HIT", OfOneProcess()))
    assert "the limit is not shared" in broken.failing


def test_block_and_limit_behind_proxies(settings: Any) -> None:
    settings.PROXIES = 2
    assert look("edge.block_and_limit").state == State.PASS


def test_fault_a_forged_header_evades() -> None:
    with instead(origin, "route", the_left_most):
        failing = look("edge.block_and_limit").failing
    assert {"a forged header opens it", "a forged header is counted apart"} <= set(failing)


def test_fault_blocks_are_noticed_late() -> None:
    with instead(epoch, "FRESH_SECONDS", 30.0):
        epoch.current()
        assert "too late" in look("edge.block_and_limit").failing


def test_nothing_stays_blocked_and_nothing_is_remembered_of_it() -> None:
    look("edge.block_and_limit")
    assert not NetworkBlock.objects.exists()
    assert networks.blocked("203.0.113.40") is None
    assert not list(counters.client().scan_iter(match="abuse:apart:*"))


def test_what_is_counted_apart_counts_for_nobody_outside() -> None:
    person = str(cast.alice().pk)
    with counters.apart():
        for _ in range(limits.rule(Limit.EXPORT).number):
            limits.hit(Limit.EXPORT, person)
        with pytest.raises(TooMany):
            limits.hit(Limit.EXPORT, person)
    limits.hit(Limit.EXPORT, person)

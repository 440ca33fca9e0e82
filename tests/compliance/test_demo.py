"""The demo people and their sign-in codes."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from clinchat.lib import clock
from compliance import demo
from compliance.access import Action, allows, factors, people
from compliance.models import Authenticator, User
from tests import cast
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _demo(settings: Settings, tmp_path: Path) -> None:
    settings.CLINCHAT_DEMO = True
    settings.VAR = tmp_path


def run(command: str, *args: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command(command, *args, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def password(tmp_path: Path) -> str:
    return (tmp_path / "keys" / "demo_password").read_text().strip()


def test_loading_twice_makes_one_complete_cast(tmp_path: Path) -> None:
    run("load_demo")
    key = tmp_path / "keys" / "demo_password"
    first = key.read_text()
    assert key.stat().st_mode & 0o777 == 0o600
    assert len(first.strip()) >= 15
    run("load_demo")
    assert key.read_text() == first

    made = User.objects.filter(is_demo=True)
    assert {user.email for user in made} == {person.email for person in demo.CAST.values()}
    for user in made:
        assert user.roles == demo.CAST[user.email.partition("@")[0]].roles
        assert factors.has_app(user)
        assert factors.recovery_codes_left(user) == 10
    cleared = [user.email for user in made if user.clearances.live(clock.now()).exists()]
    assert cleared == []  # there is no training to finish: tests/training/test_demo.py


def test_loading_wakes_what_lay_unused_and_leaves_closed_what_somebody_closed() -> None:
    run("load_demo")
    alice, bob = (User.objects.get(email=f"{key}@clinchat.example") for key in ("alice", "bob"))
    people.close(alice, because=User.Closed.DORMANT, by=None)
    alice.role_assignments.update(suspended_at=clock.now())
    people.end_employment(bob, by=cast.sam())
    run("load_demo")
    alice, bob = (User.objects.get(pk=user.pk) for user in (alice, bob))
    assert (alice.is_active, alice.roles) == (True, demo.CAST["alice"].roles)
    assert (bob.is_active, bob.roles, bob.has_usable_password()) == (False, frozenset(), False)


def test_show_tells_how_to_sign_in(tmp_path: Path) -> None:
    shown, _ = run("load_demo", "--show")
    assert "alice@clinchat.example" in shown
    assert password(tmp_path) in shown
    assert "manage.py demo_code alice@clinchat.example" in shown
    assert run("load_demo")[0] == ""


def test_newcomer_signs_in_with_what_the_commands_print(client: Client, tmp_path: Path) -> None:
    run("load_demo")
    code = run("demo_code", "alice@clinchat.example")[0].split()[0]
    client.post("/signin/", {"email": "alice@clinchat.example", "password": password(tmp_path)})
    assert client.post("/signin/code/", {"code": code})["Location"] == "/"
    assert client.get("/settings/").status_code == 200


def test_used_code_is_not_printed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    alice = cast.alice()
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)
    Authenticator.objects.filter(user=alice).update(last_t=int(now.timestamp()) // 30)
    _, said = run("demo_code", alice.email)
    assert "The current code was used." in said
    assert 0 < slept[0] <= 30


def test_code_comes_with_its_remaining_seconds() -> None:
    printed, said = run("demo_code", cast.alice().email.upper())
    digits, seconds = printed.split()[:2]
    assert len(digits) == 6
    assert 1 <= int(seconds.strip("(")) <= 30
    assert said == ""


def test_real_person_keeps_their_account() -> None:
    real = make_user(email="bob@clinchat.example", password="a real password of bob")
    with pytest.raises(CommandError, match="Nothing was changed"):
        run("load_demo")
    assert not User.objects.filter(is_demo=True).exists()
    real.refresh_from_db()
    assert real.check_password("a real password of bob")


@pytest.mark.parametrize("email", ["nobody@clinchat.example", "real@hospital.test"])
def test_no_code_for_real_or_unknown_accounts(email: str) -> None:
    real = make_user(email="real@hospital.test")
    Authenticator.objects.create(user=real, name="phone", confirmed=True)
    with pytest.raises(CommandError, match="not a demo account"):
        run("demo_code", email)


@pytest.mark.parametrize("command", [("load_demo",), ("load_demo", "--show"), ("demo_code", "alice@clinchat.example")])
def test_refused_outside_a_demo(settings: Settings, tmp_path: Path, command: tuple[str, ...]) -> None:
    settings.CLINCHAT_DEMO = False
    with pytest.raises(CommandError, match="CLINCHAT_DEMO is off"):
        run(*command)
    assert not (tmp_path / "keys").exists()


def test_cast_signs_in_verified(client: Client) -> None:
    alice = cast.alice()
    assert cast.alice().pk == alice.pk
    assert not allows(alice, Action.ASK), "a person outside a request has shown no second factor"
    assert allows(cast.verified(alice), Action.ASK)
    assert cast.sign_in(client, alice).get("/settings/").status_code == 200

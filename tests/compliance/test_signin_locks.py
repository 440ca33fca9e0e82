"""Tries that are too many: nothing is judged, nothing is told, and it is the same for accounts that do not exist."""

from __future__ import annotations

import uuid
from contextlib import suppress

import pytest
from django.test import Client
from django.urls import reverse

from compliance.access import counters, limits, lockout, proof
from compliance.access.factors import Factor
from compliance.models import AuditEvent, Code
from tests import cast
from tests.compliance.waiting import from_its_beginning
from tests.factories import make_user

pytestmark = pytest.mark.django_db
HERE = "127.0.0.1"
LOCKED = "Too many tries. Wait 30 s, then try again."


def give_password(client: Client, email: str, password: str = cast.PASSWORD) -> list[str]:
    """Errors of the form; none when it was right."""
    answer = client.post(reverse("signin"), {"email": email, "password": password})
    errors = [] if answer.status_code == 302 else answer.context["form"].non_field_errors()
    return list(map(from_its_beginning, errors))


@pytest.mark.parametrize("email", ["alice@clinchat.example", "nobody@clinchat.example"])
def test_sixth_try_is_not_judged_even_if_it_is_right(client: Client, email: str) -> None:
    cast.alice()
    for _ in range(lockout.FREE):
        assert give_password(client, email, "wrong password") != [LOCKED]
    assert give_password(client, email) == [LOCKED]
    assert AuditEvent.objects.filter(code=Code.AUTHN_LOGIN_FAIL).count() == lockout.FREE
    refused = AuditEvent.objects.get(code=Code.AUTHN_LOGIN_LOCK, outcome="denied")
    assert (refused.detail["step"], refused.detail["wait"] > 25) == ("password", True)


def test_lock_is_for_one_account_from_one_address(client: Client) -> None:
    alice, bob = cast.alice(), cast.bob()
    for _ in range(lockout.FREE):
        give_password(client, alice.email, "wrong password")
    assert give_password(client, bob.email) == []
    assert give_password(Client(REMOTE_ADDR="198.51.100.7"), alice.email) == []


def test_right_password_forgives_no_wrong_codes(client: Client) -> None:
    """Else whoever has the password could try codes for ever, five at a time."""
    alice = cast.alice()
    for _ in range(lockout.FREE):
        lockout.failed(alice.email, HERE)
    assert give_password(client, alice.email) == [LOCKED]
    other = Client(REMOTE_ADDR="198.51.100.7")
    for _ in range(lockout.FREE - 1):
        lockout.failed(alice.email, "198.51.100.7")
    assert give_password(other, alice.email) == []
    other.post(reverse("signin-code"), {"code": "000000"})
    assert give_password(Client(REMOTE_ADDR="198.51.100.7"), alice.email) == [LOCKED]


def test_locked_code_is_neither_judged_nor_used_up(client: Client) -> None:
    alice = cast.alice()
    code = cast.code_of(alice)
    assert give_password(client, alice.email) == []
    for _ in range(lockout.FREE):
        lockout.failed(alice.email, HERE)
    answer = client.post(reverse("signin-code"), {"code": code})
    (said,) = answer.context["form"].errors["code"]
    assert from_its_beginning(said) == "Too many tries. Wait 30 s, then enter the newest code."
    assert cast.device_of(alice).last_t == -1
    assert client.get(reverse("settings")).status_code == 302
    assert AuditEvent.objects.get(code=Code.AUTHN_LOGIN_LOCK, outcome="denied").detail["step"] == "app"


def test_both_factors_forgive_what_failed_before(client: Client) -> None:
    alice = cast.alice()
    for _ in range(lockout.FREE - 1):
        lockout.failed(alice.email, HERE)
    assert give_password(client, alice.email) == []
    assert client.post(reverse("signin-code"), {"code": cast.code_of(alice)}).status_code == 302
    lockout.failed(alice.email, HERE)
    assert lockout.left(alice.email, HERE) == 0


def test_too_many_tries_from_one_address_are_answered_with_429(client: Client) -> None:
    email = "nobody@clinchat.example"
    tries = [{"email": f"{number}{email}", "password": "x"} for number in range(21)]
    answers = [client.post(reverse("signin"), fields).status_code for fields in tries]
    assert answers == [200] * 20 + [429]
    refused = client.post(reverse("signin"), {"email": email, "password": "x"})
    assert int(refused["Retry-After"]) > 0


def test_without_redis_nobody_signs_in(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    import redis

    nowhere = redis.Redis.from_url("redis://127.0.0.1:1/0", socket_connect_timeout=1)
    monkeypatch.setattr(counters, "client", lambda: nowhere)
    for script in (limits._HIT, lockout._WAIT, lockout._PASSED):
        monkeypatch.setattr(script, "_script", None)
    client.raise_request_exception = False
    alice = cast.alice()
    assert client.post(reverse("signin"), {"email": alice.email, "password": cast.PASSWORD}).status_code == 503
    assert "signin" not in client.session


def test_service_account_has_no_password_to_sign_in_with() -> None:
    program = make_user(password=cast.PASSWORD, is_service=True)
    assert proof.check_password(program.email, cast.PASSWORD) is None
    assert AuditEvent.objects.get(code=Code.AUTHN_LOGIN_FAIL).object_id == str(program.pk)


@pytest.mark.parametrize("email", ["a\x00@b.org", "half \ud800 a character", "", "x" * 5000])
@pytest.mark.parametrize("password", ["\x00", "\udfff", "x" * 10_000, ""])
def test_what_only_a_program_can_send_is_a_wrong_password(email: str, password: str) -> None:
    assert proof.check_password(email, password) is None
    assert proof.check_password(cast.alice().email, password) is None


def test_codes_are_judged_without_a_session() -> None:
    alice = cast.alice()
    code = cast.code_of(alice)
    wrong = proof.check_second(alice, f"{(int(code) + 500_000) % 1_000_000:06d}", Factor.APP)
    assert (wrong.device, wrong.tried) == (None, True)
    assert proof.check_second(alice, cast.code_of(alice), Factor.APP).device == cast.device_of(alice)
    assert proof.check_second(alice, code, Factor.APP).device is None, "a code is good once"


def test_unknown_account_is_named_nowhere() -> None:
    typed = f"my-password-{uuid.uuid4()}"
    for _ in range(lockout.FREE + 1):
        with suppress(proof.TooSoon):
            proof.check_password(typed, "x")
    assert typed not in "".join(str(vars(event)) for event in AuditEvent.objects.all())
    assert not list(counters.client().scan_iter("*my-password*"))

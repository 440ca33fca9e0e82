"""Failed sign-ins slow down the next: by account and address, shared by all processes, and never for good."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from compliance import audit_words
from compliance.access import counters, lockout
from compliance.models import AuditEvent, Code
from tests import cast

pytestmark = pytest.mark.django_db

EMAIL = "alice@clinchat.example"
HERE, THERE = "203.0.113.9", "198.51.100.7"


def redis() -> Any:
    return counters.client()


def pass_time(seconds: int) -> None:
    """As if that much time had gone by for every lock."""
    for key in [*redis().keys("abuse:lock:pair:*"), *redis().keys("abuse:lock:account:*")]:
        if redis().hexists(key, "until"):
            redis().hincrby(key, "until", -seconds * 1000)


def fail(times: int, *, account: str = EMAIL, source: str | None = HERE) -> list[int]:
    """Tries that wait as long as they are told to; the seconds after each."""
    waits = []
    for _ in range(times):
        pass_time(lockout.left(account, source))
        assert lockout.wait(account, source) == 0
        waits.append(lockout.failed(account, source))
    return waits


def locks(**found: Any) -> list[dict[str, Any]]:
    events = AuditEvent.objects.filter(code=Code.AUTHN_LOGIN_LOCK, **found).order_by("timestamp", "id")
    return list(events.values_list("detail", flat=True))


# ── The service ───────────────────────────────────────────────────────────────────────────────────────────────


def test_delays_grow_and_stop_growing() -> None:
    assert fail(14) == [0, 0, 0, 0, 30, 60, 120, 240, 480, 960, 1800, 1800, 1800, 1800]


def test_a_locked_try_is_not_judged() -> None:
    fail(5)
    assert 29 <= lockout.wait(EMAIL, HERE) <= 30
    assert lockout.wait(EMAIL.upper(), HERE) > 0, "the same account in other letters"
    assert lockout.wait(EMAIL, THERE) == 0
    assert lockout.wait("bob@clinchat.example", HERE) == 0


def test_success_forgives_the_account_from_there() -> None:
    fail(4)
    fail(4, source=THERE)
    lockout.succeeded(EMAIL, HERE)
    assert fail(4) == [0, 0, 0, 0]
    assert fail(1, source=THERE) == [30]


def test_a_right_password_alone_forgives_nothing() -> None:
    fail(4)
    assert lockout.wait(EMAIL, HERE) == 0
    lockout.passed(EMAIL, HERE)
    assert fail(1) == [30]


def test_an_hour_without_failures_forgets() -> None:
    fail(5)
    (pair,) = redis().keys("abuse:lock:pair:*")
    assert 3600 < redis().ttl(pair) <= 3600 + 30
    redis().expire(pair, 0)
    assert fail(1) == [0]


def test_all_addresses_together_slow_an_account_only_a_little() -> None:
    waits = [fail(1, source=f"203.0.113.{number}")[0] for number in range(40)]
    assert waits[:19] == [0] * 19
    assert waits[19:25] == [1, 2, 4, 8, 16, 30]
    assert set(waits[25:]) == {30}
    assert 0 < lockout.wait(EMAIL, THERE) <= 30
    assert [lock for lock in locks() if lock["of"] == "account"] == [{"of": "account", "failures": 20, "seconds": 1}]


def test_nobody_locks_somebody_out_of_the_place_they_sign_in_from() -> None:
    """An attacker who fails from everywhere, all the time, is no hindrance to the person at their desk."""
    lockout.succeeded(EMAIL, THERE)
    for number in range(40):
        fail(1, source=f"203.0.113.{number}")
    assert lockout.wait(EMAIL, "192.0.2.1") > 0
    assert lockout.wait(EMAIL, THERE) == 0
    lockout.passed(EMAIL, THERE)
    assert fail(5, source=THERE)[-1] == 30, "known or not, its own failures count"


def test_an_ipv6_household_is_one_address() -> None:
    for number in range(5):
        fail(1, source=f"2001:db8:1:2::{number}")
    assert lockout.wait(EMAIL, "2001:db8:1:2:ffff::") > 0
    assert lockout.wait(EMAIL, "2001:db8:1:3::1") == 0


def test_without_an_address_the_account_is_locked_all_the_same() -> None:
    assert fail(5, source=None)[-1] == 30
    assert lockout.wait(EMAIL, None) > 0


def test_tries_at_once_do_not_outrun_the_count() -> None:
    """Fifty passwords sent at the same moment: no more are judged than may fail one after the other."""
    with ThreadPoolExecutor(25) as pool:
        let_through = [wait for wait in pool.map(lambda _: lockout.wait(EMAIL, HERE), range(50)) if wait == 0]
    assert len(let_through) == lockout.FREE
    for _ in let_through:
        lockout.failed(EMAIL, HERE)
    assert 28 <= lockout.left(EMAIL, HERE) <= 30


def test_after_failures_tries_are_judged_one_at_a_time() -> None:
    fail(5)
    pass_time(31)
    assert [lockout.wait(EMAIL, HERE) for _ in range(3)] == [0, 1, 1]
    lockout.failed(EMAIL, HERE)
    pass_time(61)
    assert lockout.wait(EMAIL, HERE) == 0


def test_a_try_nobody_answers_for_is_forgotten() -> None:
    fail(4)
    assert lockout.wait(EMAIL, HERE) == 0  # a process that dies now
    assert lockout.wait(EMAIL, HERE) == 1
    (underway,) = redis().keys("abuse:lock:underway:*")
    assert 0 < redis().pttl(underway) <= lockout.UNDERWAY_SECONDS * 1000


def test_redis_holds_no_e_mail_and_no_address() -> None:
    fail(5)
    lockout.succeeded(EMAIL, HERE)
    held = b" ".join(redis().keys("*"))
    assert b"abuse:lock:known:" in held
    assert b"alice" not in held
    assert HERE.encode() not in held


def test_the_lock_is_on_record_when_it_begins() -> None:
    person = cast.alice()
    fail(6)
    recorded = locks(object_type="compliance.User", object_id=str(person.pk))
    assert recorded == [
        {"of": "account and address", "failures": 5, "seconds": 30},
        {"of": "account and address", "failures": 6, "seconds": 60},
    ]


def test_an_account_that_does_not_exist_is_locked_alike() -> None:
    assert fail(6, account="nobody@hospital.test") == fail(6)
    (event, *_) = AuditEvent.objects.filter(code=Code.AUTHN_LOGIN_LOCK, object_id="")
    assert "nobody" not in str(event.detail)
    assert audit_words.what(event) == "Sign-in locked for a while"


@pytest.mark.parametrize("typed", ["", "\x00", "x" * 10_000, "\uff41lice@h", "a@b\ud800"])
def test_whatever_is_typed_can_be_counted(typed: str) -> None:
    assert fail(5, account=typed)[-1] == 30


def test_without_redis_nobody_is_judged(settings: Any) -> None:
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    for ask in (lockout.wait, lockout.left, lockout.failed, lockout.passed, lockout.succeeded):
        with pytest.raises(lockout.Unavailable):
            ask(EMAIL, HERE)
    with pytest.raises(lockout.Unavailable):
        lockout.alert()


# ── Signing in ────────────────────────────────────────────────────────────────────────────────────────────────


def sign_in(client: Client, password: str, *, email: str = EMAIL, **extra: Any) -> Any:
    return client.post(reverse("signin"), {"email": email, "password": password}, **extra)


@pytest.mark.parametrize("exists", [True, False], ids=["an account", "no account"])
def test_five_wrong_passwords_lock_the_page(client: Client, exists: bool) -> None:
    person = cast.alice()
    email = person.email if exists else "nobody@hospital.test"
    pages = [sign_in(client, "wrong wrong wrong", email=email) for _ in range(5)]
    locked = sign_in(client, cast.PASSWORD, email=email)
    assert "_auth_user_id" not in client.session
    assert "signin" not in client.session, "the right password was judged"
    assert locked.status_code in {200, 429}
    assert "Too many tries" in locked.content.decode()
    assert "Too many tries" not in pages[0].content.decode()


def test_another_address_in_a_header_opens_no_lock(client: Client) -> None:
    person = cast.alice()
    for number in range(5):
        sign_in(client, "wrong wrong wrong", email=person.email, headers={"X-Forwarded-For": f"192.0.2.{number}"})
    locked = sign_in(client, cast.PASSWORD, email=person.email, headers={"X-Forwarded-For": "192.0.2.99"})
    assert "Too many tries" in locked.content.decode()


def test_behind_our_proxy_each_client_has_its_own_lock(client: Client, settings: Any) -> None:
    settings.PROXIES = 1
    person = cast.alice()
    for claimed in range(5):
        sign_in(client, "wrong", email=person.email, headers={"X-Forwarded-For": f"192.0.2.{claimed}, {HERE}"})
    locked = sign_in(client, cast.PASSWORD, email=person.email, headers={"X-Forwarded-For": f"192.0.2.9, {HERE}"})
    assert "Too many tries" in locked.content.decode()
    elsewhere = sign_in(client, cast.PASSWORD, email=person.email, headers={"X-Forwarded-For": THERE})
    assert elsewhere.status_code == 302

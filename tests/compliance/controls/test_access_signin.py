"""Checks of signing in, each broken as the catalogue says and in other ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.test import override_settings

from compliance import audit, notices
from compliance.access import counters, lockout, origin, passwords, proof
from compliance.controls import visits
from compliance.models import AuditEvent, Authenticator, Code, Notice, User
from tests import cast
from tests.breaking import doing, instead
from tests.proving import State, look, proven

pytestmark = pytest.mark.django_db
ARGON = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
MD5 = "django.contrib.auth.hashers.MD5PasswordHasher"


def the_left_most(request: Any) -> tuple[str | None, tuple[str, ...]]:
    """As by somebody who believes what the browser says of itself."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    return origin.plain(forwarded.split(",")[0].strip() or request.META["REMOTE_ADDR"]), ()


def test_lockout() -> None:
    broken = proven("authn.lockout_canary", instead(origin, "route", the_left_most))
    assert "a forged header has a count of its own" in broken.failing
    assert "a right password opened a locked account" in broken.failing


def test_lockout_behind_proxies(settings: Any) -> None:
    settings.PROXIES = 2
    assert look("authn.lockout_canary").state == State.PASS


def test_fault_nothing_locks() -> None:
    with instead(lockout, "FREE", 100):
        assert "no authn_login_lock" in look("authn.lockout_canary").failing


def test_fault_failures_are_forgotten_soon() -> None:
    with instead(lockout, "FORGET_SECONDS", 10):
        assert look("authn.lockout_canary").failing == ["failures are forgotten within 15 minutes"]


def test_lockout_slows_nobody_real_and_leaves_no_count() -> None:
    look("authn.lockout_canary")
    look("authn.alert_delivery")
    look("mfa.replay")
    assert not list(counters.client().scan_iter(match="abuse:*"))
    assert lockout.alert() is False


def test_alert_delivery() -> None:
    cast.sam()
    broken = proven("authn.alert_delivery", instead(lockout, "ALERT_ABOVE", 1_000))
    assert broken.failing == ["no event", "no alarm", "nobody was told"]
    assert not Notice.objects.filter(title="Many sign-ins fail").exists(), "undone with the check"


def test_what_a_check_does_names_the_check() -> None:
    with visits.apart("authn.alert_delivery"):
        event_id = audit.record(code=Code.AUTHN_LOGIN_FAIL_MAX, action=audit.Crude.EXECUTE)
    event = AuditEvent.objects.get(pk=event_id)
    assert event.detail == {"check": "authn.alert_delivery"}
    assert (event.actor_kind, event.actor_name) == ("service", "Control check")


def test_fault_nobody_is_told_of_an_alert() -> None:
    cast.sam()
    with instead(notices, "tell", lambda *_, **__: 0):
        assert look("authn.alert_delivery").failing == ["nobody was told"]


def test_fault_there_is_nobody_to_be_alerted() -> None:
    assert look("authn.alert_delivery").failing == ["no security officer"]


@pytest.fixture
def argon(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ARGON
    User.objects.create_user(email="jo@hospital.test", name="Jo Day", password=cast.PASSWORD)
    User.objects.create_user(email="lee@hospital.test", name="Lee Day")


def hashed(encoded: str) -> Callable[[], object]:
    return lambda: User.objects.filter(name="Jo Day").update(password=encoded)


def test_hashers(argon: None, settings: Any) -> None:
    settings.PASSWORD_HASHERS = [MD5]
    weak = make_password(cast.PASSWORD)
    settings.PASSWORD_HASHERS = ARGON
    broken = proven("authn.hashers", doing(hashed(weak)))
    assert (broken.subjects, broken.failing_count) == (2, 1)
    assert weak not in str(broken.evidence)


def test_fault_a_password_of_lower_cost(argon: None) -> None:
    before = User.objects.get(name="Jo Day").password
    hashed(before.replace("m=102400", "m=8192"))()
    assert look("authn.hashers").state == State.FAIL


def test_fault_new_passwords_are_hashed_otherwise(argon: None, settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher", *ARGON]
    assert look("authn.hashers").failing == ["PASSWORD_HASHERS"]


def test_policy() -> None:
    broken = proven("authn.policy", override_settings(CLINCHAT_PASSWORD_LENGTH=8))
    assert broken.failing == ["shorter than 12 characters"]
    assert broken.evidence["shortest"] == 8


def test_fault_rules_of_composition(settings: Any) -> None:
    settings.CLINCHAT_PASSWORD_RULES = True
    assert "rules of composition" in look("authn.policy").failing


@pytest.mark.parametrize(
    ("missing", "told"),
    [("Common", "a common or leaked password"), ("Personal", "the name of the person")],
)
def test_fault_a_validator_is_missing(settings: Any, missing: str, told: str) -> None:
    settings.AUTH_PASSWORD_VALIDATORS = [
        one for one in settings.AUTH_PASSWORD_VALIDATORS if not one["NAME"].endswith(missing)
    ]
    assert told in look("authn.policy").failing


def test_fault_long_passwords_are_refused() -> None:
    with instead(passwords, "MOST_CHARACTERS", 60):
        assert "64 characters refused" in look("authn.policy").failing


def test_fault_an_old_password_opens_nothing() -> None:
    with instead(proof, "check_password", lambda *_: None):
        assert look("authn.policy").failing == ["forced rotation"]


def test_enrolled() -> None:
    alice = cast.alice()
    broken = proven("mfa.enrolled", doing(lambda: Authenticator.objects.filter(user=alice).delete()))
    assert broken.failing == [str(alice.pk)]


def test_fault_a_second_factor_that_was_never_confirmed() -> None:
    alice = cast.alice()
    Authenticator.objects.filter(user=alice).update(confirmed=False)
    assert look("mfa.enrolled").failing == [str(alice.pk)]


def test_invited_people_cannot_sign_in_yet() -> None:
    cast.alice()
    User.objects.create_user(email="new@hospital.test", name="New Day")
    assert look("mfa.enrolled").state == State.PASS


def test_enrolled_nobody_there_is_an_error() -> None:
    assert look("mfa.enrolled").state == State.ERROR


def forgets_the_step(self: Authenticator, *args: Any, **kwargs: Any) -> None:
    self.last_t = -1
    super(Authenticator, self).save(*args, **kwargs)


def test_replay() -> None:
    broken = proven("mfa.replay", instead(Authenticator, "save", forgets_the_step))
    assert broken.failing == ["a used code was accepted"]


def test_fault_recovery_codes_are_never_used_up() -> None:
    from django_otp.plugins.otp_static.models import StaticToken

    with instead(StaticToken, "delete", lambda *_, **__: None):
        assert look("mfa.replay").failing == ["a used recovery code was accepted"]


def test_fault_wrong_codes_are_not_slowed_down() -> None:
    free = {"verify_is_allowed": lambda _: (True, None), "throttle_increment": lambda *_, **__: None}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in free.items():
            patch.setattr(Authenticator, name, value)
        patch.setattr(lockout, "FREE", 100)
        assert "no wait after five wrong codes" in look("mfa.replay").failing

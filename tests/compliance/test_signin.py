"""Signing in with a password and the code of an authenticator app."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from clinchat.lib import clock
from compliance.access import signin
from compliance.models import AuditEvent, Authenticator, Code, User
from tests import cast
from tests.compliance.waiting import from_its_beginning

pytestmark = pytest.mark.django_db

WRONG = "That e-mail and password did not match. Check both and try again."


def give_password(client: Client, user: User, *, password: str = cast.PASSWORD, target: str = "") -> object:
    return client.post(reverse("signin"), {"email": user.email, "password": password, "next": target})


def is_in(client: Client) -> bool:
    return client.get(reverse("settings")).status_code == 200


def failures(step: str) -> int:
    return AuditEvent.objects.filter(code=Code.AUTHN_LOGIN_FAIL, detail__step=step).count()


def test_password_then_code_lets_in_and_is_on_record(client: Client) -> None:
    alice = cast.alice()
    first = client.post(reverse("signin"), {"email": " Alice@ClinChat.example", "password": cast.PASSWORD})
    assert first["Location"] == reverse("signin-code")
    assert not is_in(client), "the password alone opened the portal"

    code = cast.code_of(alice)
    second = client.post(reverse("signin-code"), {"code": f"{code[:3]} {code[3:]}"})
    assert (second.status_code, second["Location"]) == (302, "/")
    assert is_in(client)
    event = AuditEvent.objects.get(code=Code.AUTHN_LOGIN_SUCCESS)
    assert (event.actor_id, event.detail, event.remote_addr) == (alice.pk, {"factor": "app"}, "127.0.0.1")
    assert event.session, "the event names the session it began"


def test_session_key_changes_at_each_step(client: Client) -> None:
    alice = cast.alice()
    client.session["planted"] = "before"
    client.session.save()
    keys = [client.session.session_key]
    give_password(client, alice)
    keys.append(client.session.session_key)
    client.post(reverse("signin-code"), {"code": cast.code_of(alice)})
    keys.append(client.session.session_key)
    assert len(set(keys)) == 3


def test_wrong_password_unknown_and_closed_account_get_the_same_answer(client: Client) -> None:
    alice, bob = cast.alice(), cast.bob()
    bob.is_active = False
    bob.save(update_fields=["is_active"])
    answers = [
        client.post(reverse("signin"), {"email": email, "password": password})
        for email, password in [
            (alice.email, "something else entirely"),
            ("nobody@clinchat.example", cast.PASSWORD),
            (bob.email, cast.PASSWORD),
        ]
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    for answer in answers:
        assert answer.context["form"].non_field_errors() == [WRONG]
    assert failures("password") == 3
    assert "signin" not in client.session
    closed = AuditEvent.objects.get(code=Code.AUTHN_LOGIN_FAIL, object_id=str(bob.pk))
    assert closed.detail == {"step": "password", "closed": "closed"}, "only the trail says why"


def test_failed_try_names_the_account_but_keeps_nothing_that_was_typed(client: Client) -> None:
    alice = cast.alice()
    give_password(client, alice, password="my-other-password")
    client.post(reverse("signin"), {"email": "my-password-by-mistake@x.org", "password": "x"})
    known, unknown = AuditEvent.objects.filter(code=Code.AUTHN_LOGIN_FAIL).order_by("timestamp")
    assert (known.object_id, known.actor_id) == (str(alice.pk), None)
    assert (unknown.object_id, unknown.actor_id) == ("", None)
    for event in (known, unknown):
        assert "password-by-mistake" not in str(vars(event))
        assert "my-other" not in str(vars(event))


def test_unknown_account_costs_a_password_hash(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer must not come sooner for an account that does not exist."""
    from django.contrib.auth.hashers import MD5PasswordHasher

    hashed: list[str] = []
    encode = MD5PasswordHasher.encode

    def counted(self: MD5PasswordHasher, password: str, salt: str) -> str:
        hashed.append("once")
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    alice = cast.alice()
    for email in ("nobody@clinchat.example", alice.email):
        hashed.clear()
        client.post(reverse("signin"), {"email": email, "password": "wrong"})
        assert hashed == ["once"], email


@pytest.mark.parametrize(
    ("email", "password"),
    [("", ""), ("not an address", "x"), ("a@b.org\x00", "x"), ("a@b.org", "\x00"), ("ä" * 5000 + "@b.org", "x")],
)
def test_unreadable_input_is_answered_in_the_form(client: Client, email: str, password: str) -> None:
    answer = client.post(reverse("signin"), {"email": email, "password": password})
    assert answer.status_code == 200
    assert answer.context["form"].errors


def test_wrong_code_is_refused_in_words_and_counted(client: Client) -> None:
    alice = cast.alice()
    give_password(client, alice)
    right = cast.code_of(alice)
    answer = client.post(reverse("signin-code"), {"code": f"{(int(right) + 500_000) % 1_000_000:06d}"})
    assert answer.context["form"].errors["code"] == ["That code did not match. Enter the newest code."]
    assert failures("app") == 1
    assert not is_in(client)


def test_many_wrong_codes_make_the_next_try_wait(client: Client) -> None:
    alice = cast.alice()
    give_password(client, alice)
    Authenticator.objects.filter(user=alice).update(
        throttling_failure_count=7, throttling_failure_timestamp=clock.now() - timedelta(seconds=34)
    )
    answer = client.post(reverse("signin-code"), {"code": "000000"})
    (said,) = answer.context["form"].errors["code"]
    assert from_its_beginning(said) == "Too many tries. Wait 30 s, then enter the newest code."
    assert not is_in(client), "a try within the wait must not count"


def test_waiting_time_follows_the_last_wrong_code(client: Client) -> None:
    alice = cast.alice()
    give_password(client, alice)
    Authenticator.objects.filter(user=alice).update(throttling_failure_count=8, throttling_failure_timestamp=None)
    answer = client.post(reverse("signin-code"), {"code": "000000"})
    assert answer.context["form"].errors["code"] == ["That code did not match. Wait 5 min, then enter the newest code."]


def test_replayed_code_is_refused(client: Client) -> None:
    alice = cast.alice()
    code = cast.code_of(alice)
    give_password(client, alice)
    assert client.post(reverse("signin-code"), {"code": code}).status_code == 302

    other = Client()
    give_password(other, alice)
    assert other.post(reverse("signin-code"), {"code": code}).status_code == 200
    assert not is_in(other)


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "-12345", "12 34 5x", "1" * 400])
def test_code_that_is_no_code_is_not_tried(client: Client, code: str) -> None:
    give_password(client, cast.alice())
    answer = client.post(reverse("signin-code"), {"code": code})
    assert answer.context["form"].errors["code"]
    assert failures("app") == 0


def test_code_page_needs_the_password_first(client: Client) -> None:
    for name in ("signin-code", "signin-recovery", "signin-setup"):
        assert client.get(reverse(name))["Location"] == reverse("signin")
        assert client.post(reverse(name), {"code": cast.code_of(cast.alice())})["Location"] == reverse("signin")
    assert not is_in(client)


def test_password_is_good_for_ten_minutes(client: Client) -> None:
    alice = cast.alice()
    give_password(client, alice)
    session = client.session
    session["signin"] = session["signin"] | {"since": (clock.now() - signin.LIMIT).timestamp() - 1}
    session.save()
    answer = client.post(reverse("signin-code"), {"code": cast.code_of(alice)}, follow=True)
    assert answer.redirect_chain[0][0] == reverse("signin")
    assert "You then have 10 minutes for the code." in answer.content.decode()
    assert not is_in(client)


def test_account_closed_between_the_steps_stays_out(client: Client) -> None:
    alice = cast.alice()
    give_password(client, alice)
    alice.is_active = False
    alice.save(update_fields=["is_active"])
    assert client.post(reverse("signin-code"), {"code": cast.code_of(alice)})["Location"] == reverse("signin")


def test_password_changed_between_the_steps_is_asked_for_again(client: Client) -> None:
    alice = cast.alice()
    give_password(client, alice)
    alice.set_password("another long password of alice")
    alice.save(update_fields=["password"])
    assert client.post(reverse("signin-code"), {"code": cast.code_of(alice)})["Location"] == reverse("signin")
    assert not is_in(client)


def test_deactivation_ends_open_sessions(client: Client) -> None:
    alice = cast.alice()
    cast.sign_in(client, alice)
    assert is_in(client)
    alice.is_active = False
    alice.save(update_fields=["is_active"])
    assert not is_in(client)


@pytest.mark.parametrize("target", ["/library/?q=warfarin", "/settings/"])
def test_returns_to_the_page_that_was_wanted(client: Client, target: str) -> None:
    alice = cast.alice()
    give_password(client, alice, target=target)
    assert client.post(reverse("signin-code"), {"code": cast.code_of(alice)})["Location"] == target


@pytest.mark.parametrize(
    "target",
    ["//evil.example", "https://evil.example/", "/\\evil.example", "///evil.example", "javascript:alert(1)", "evil"],
)
def test_never_leads_to_another_site(client: Client, target: str) -> None:
    alice = cast.alice()
    page = client.get(reverse("signin"), {"next": target})
    assert page.context["next"] == ""
    give_password(client, alice, target=target)
    assert client.post(reverse("signin-code"), {"code": cast.code_of(alice)})["Location"] == "/"


def test_signed_in_person_is_sent_home(client: Client) -> None:
    cast.sign_in(client, cast.alice())
    for name in ("signin", "signin-code", "signin-setup"):
        assert client.get(reverse(name))["Location"] == "/"


def test_no_sign_in_without_its_record(client: Client) -> None:
    """If the event cannot be written, the person is not let in and the code is not used up."""
    from django.db import connection

    alice = cast.alice()
    give_password(client, alice)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TRIGGER broken BEFORE INSERT ON compliance_auditevent EXECUTE FUNCTION compliance_refuse()"
        )
    client.raise_request_exception = False
    assert client.post(reverse("signin-code"), {"code": cast.code_of(alice)}).status_code == 500
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER broken ON compliance_auditevent")
    assert not is_in(client)
    assert cast.device_of(alice).last_t == -1


def test_sign_out_ends_the_session_and_clears_the_browser(client: Client) -> None:
    cast.sign_in(client, cast.alice())
    key = client.session.session_key
    assert client.get(reverse("signout")).status_code == 405
    answer = client.post(reverse("signout"))
    assert answer["Location"] == reverse("signin")
    assert answer["Clear-Site-Data"] == '"cache", "storage"'
    assert client.session.session_key != key
    assert not is_in(client)
    assert AuditEvent.objects.get(code=Code.SESSION_EXPIRED).actor_name.startswith("Alice")
    assert client.post(reverse("signout")).status_code == 302, "signing out twice is fine"

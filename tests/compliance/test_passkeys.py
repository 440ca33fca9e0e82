"""A passkey is a second step for its owner alone, on this site alone, and each challenge is good for one answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django_otp_webauthn.models import WebAuthnAttestation, WebAuthnCredential, WebAuthnUserHandle
from hypothesis import HealthCheck, given
from hypothesis import settings as tries
from hypothesis import strategies as st

from compliance import audit_words
from compliance.access import counters, passkeys
from compliance.models import AuditEvent, Authenticator, Code, Notice, Session, User
from tests import cast
from tests.compliance.soft_passkey import SoftPasskey
from tests.compliance.waiting import from_its_beginning

pytestmark = pytest.mark.django_db
HOST = "localhost:8000"


@pytest.fixture(autouse=True)
def _fresh_counters() -> None:
    forget_counts()


def forget_counts() -> None:
    for key in counters.client().scan_iter(f"{counters.PREFIX}*"):
        counters.client().delete(key)


def visitor() -> Client:
    return Client(headers={"host": HOST})


def signed_in(user: User) -> Client:
    return cast.sign_in(visitor(), user)


def give(user: User, passkey: SoftPasskey | None = None, *, name: str = "Ward laptop") -> SoftPasskey:
    """Add a passkey the way a person does."""
    passkey = passkey or SoftPasskey()
    client = signed_in(user)
    options = client.get(reverse("settings-passkey-add")).context["options"]
    answer = client.post(reverse("settings-passkey-add"), {"name": name, "answer": passkey.create(options)})
    assert answer.status_code == 302, answer.context["error"]
    return passkey


def after_password(user: User) -> Client:
    client = visitor()
    client.post(reverse("signin"), {"email": user.email, "password": cast.PASSWORD})
    return client


def asked(client: Client) -> dict[str, Any]:
    options: dict[str, Any] = client.get(reverse("signin-passkey")).context["options"]
    return options


def show(client: Client, answer: str) -> Any:
    return client.post(reverse("signin-passkey"), {"answer": answer})


def is_in(client: Client) -> bool:
    return client.get(reverse("settings")).status_code == 200


def failures() -> list[dict[str, Any]]:
    return [event.detail for event in AuditEvent.objects.filter(code=Code.AUTHN_LOGIN_FAIL)]


# ── As the second step ─────────────────────────────────────────────────────────────────────────────────────────


def test_password_and_passkey_sign_in() -> None:
    alice = cast.alice()
    passkey = give(alice)
    client = after_password(alice)
    assert not is_in(client)
    assert show(client, passkey.get(asked(client)))["Location"] == "/"
    assert is_in(client)
    event = AuditEvent.objects.get(code=Code.AUTHN_LOGIN_SUCCESS)
    assert (event.actor_id, event.detail["factor"]) == (alice.pk, "passkey")
    assert audit_words.what(event) == "Signed in with a passkey"
    stored = WebAuthnCredential.objects.get()
    assert (stored.sign_count, stored.last_used_at is not None) == (1, True)


def test_the_wanted_page_follows() -> None:
    alice = cast.alice()
    passkey = give(alice)
    client = visitor()
    client.post(reverse("signin"), {"email": alice.email, "password": cast.PASSWORD, "next": "/library/"})
    assert show(client, passkey.get(asked(client)))["Location"] == "/library/"


def test_password_alone_gets_no_further() -> None:
    give(cast.alice())
    assert visitor().get(reverse("signin-passkey"))["Location"] == reverse("signin")
    assert not is_in(after_password(cast.alice()))


def test_who_has_none_is_not_asked_for_one() -> None:
    client = after_password(cast.bob())
    assert client.get(reverse("signin-passkey"))["Location"] == reverse("signin-code")


def test_a_passkey_can_be_the_only_factor() -> None:
    bob = cast.bob()
    passkey = give(bob)
    Authenticator.objects.filter(user=bob).delete()
    client = after_password(bob)
    page = client.get(reverse("signin-passkey"))
    assert reverse("signin-code") not in page.content.decode()
    show(client, passkey.get(page.context["options"]))
    assert is_in(client)


def test_the_session_key_changes() -> None:
    alice = cast.alice()
    passkey = give(alice)
    client = after_password(alice)
    before = client.cookies["session"].value
    show(client, passkey.get(asked(client)))
    assert client.cookies["session"].value != before


WRONG: dict[str, Any] = {
    "another origin": {"origin": "https://clinchat.evil.example"},
    "another port": {"origin": "http://localhost:9000"},
    "another domain": {"domain": "evil.example"},
    "not unlocked": {"unlocked": False},
    "another key": {"key": SoftPasskey().key},
    "counter gone back": {"count": 3},
    "counter standing still": {"count": 4, "counts": False},
    "unknown passkey": {"id": b"nobody has this one"},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_refused(wrong: dict[str, Any]) -> None:
    alice = cast.alice()
    passkey = give(alice, SoftPasskey(count=4))
    client = after_password(alice)
    page = show(client, passkey.but(**wrong).get(asked(client)))
    assert page.status_code == 200
    assert page.context["error"]
    assert not is_in(client)
    assert failures() == [{"step": "passkey"}]
    assert WebAuthnCredential.objects.get().sign_count == 4
    assert show(client, passkey.get(page.context["options"])).status_code == 302, "the right one would not be taken"


def test_a_right_answer_that_is_too_long_is_refused() -> None:
    alice = cast.alice()
    passkey = give(alice)
    client = after_password(alice)
    assert show(client, passkey.get(asked(client)) + " " * passkeys.LONGEST_ANSWER).status_code == 200
    assert not is_in(client)


def test_passkey_of_somebody_else_is_refused() -> None:
    alice, bob = cast.alice(), cast.bob()
    give(alice)
    passkey = give(bob)
    client = after_password(alice)
    page = show(client, passkey.get(asked(client)))
    assert "not one of this account" in page.context["error"]
    assert not is_in(client)
    assert WebAuthnCredential.objects.get(user=bob).sign_count == 0


@pytest.mark.parametrize("counts", [True, False], ids=["counter", "no counter"])
def test_an_answer_works_once(counts: bool) -> None:
    """Also where the session comes back as it was, as when another request of it ends later."""
    alice = cast.alice()
    passkey = give(alice, SoftPasskey(counts=counts))
    client = after_password(alice)
    answer = passkey.get(asked(client))
    before = Session.objects.get(pk=_row(client))
    show(client, answer)
    assert is_in(client)

    replayer = after_password(alice)
    session = replayer.session
    session["passkey"] = before.get_decoded()["passkey"]
    session.save()
    page = show(replayer, answer)
    assert "took too long" in page.context["error"]
    assert not is_in(replayer)


def _row(client: Client) -> str:
    from compliance import audit

    return audit.session_digest(client.cookies["session"].value)


def test_a_challenge_is_of_its_session() -> None:
    alice = cast.alice()
    passkey = give(alice)
    one, other = after_password(alice), after_password(alice)
    asked(other)
    assert show(other, passkey.get(asked(one))).status_code == 200
    assert not is_in(other)


def test_a_challenge_is_over_after_five_minutes() -> None:
    alice = cast.alice()
    passkey = give(alice)
    client = after_password(alice)
    answer = passkey.get(asked(client))
    (mark,) = counters.client().scan_iter(f"{counters.PREFIX}passkey:*")
    seconds: Any = counters.client().ttl(mark)
    assert 290 < seconds <= 300
    counters.client().delete(mark)  # as Redis does then
    assert "took too long" in show(client, answer).context["error"]
    assert not is_in(client)


def test_a_challenge_for_adding_is_none_for_signing_in() -> None:
    alice = cast.alice()
    passkey = give(alice)
    client = signed_in(alice)
    options = client.get(reverse("settings-passkey-add")).context["options"]
    client.post(reverse("signin-again"), {"password": cast.PASSWORD})
    assert client.session["passkey"]["challenge"] == options["challenge"], "the session forgot it anyway"
    assert show(client, passkey.get(options)).context["error"]


def test_wrong_answers_lock_as_wrong_codes_do() -> None:
    alice = cast.alice()
    passkey = give(alice)
    client = after_password(alice)
    for _ in range(5):
        page = show(client, passkey.but(unlocked=False).get(asked(client)))
    assert from_its_beginning(page.context["error"]) == "Too many tries. Wait 30 s, then try again."
    assert show(client, passkey.get(asked(client))).status_code == 200
    assert not is_in(client)
    assert AuditEvent.objects.filter(code=Code.AUTHN_LOGIN_LOCK).exists()


def test_both_factors_again_with_a_passkey() -> None:
    alice = cast.alice()
    passkey = give(alice)
    client = signed_in(alice)
    session = client.session
    session["proved_at"] -= 11 * 60
    session.save()
    add = reverse("settings-passkey-add")
    again = client.get(add)["Location"]
    client.post(again, {"password": cast.PASSWORD, "next": add})
    assert client.get(add).status_code == 302, "the password alone made it fresh"
    assert show(client, passkey.get(asked(client)))["Location"] == add
    assert client.get(add).status_code == 200


def test_closed_account_is_refused() -> None:
    alice = cast.alice()
    passkey = give(alice)
    client = after_password(alice)
    answer = passkey.get(asked(client))
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert show(client, answer)["Location"] == reverse("signin")
    assert not is_in(client)


def test_under_an_address_that_is_no_domain_the_page_says_where_passkeys_work() -> None:
    give(cast.alice())
    client = Client(headers={"host": "127.0.0.1:8000"})
    client.post(reverse("signin"), {"email": cast.alice().email, "password": cast.PASSWORD})
    page = client.get(reverse("signin-passkey"))
    assert "options" not in page.context
    assert "http://localhost:8000/" in page.content.decode()


def test_without_redis_nobody_gets_in_by_passkey(monkeypatch: pytest.MonkeyPatch) -> None:
    import redis

    alice = cast.alice()
    passkey = give(alice)
    client = after_password(alice)
    answer = passkey.get(asked(client))
    monkeypatch.setattr(counters, "client", lambda: redis.Redis(port=1, socket_connect_timeout=0.2))
    client.raise_request_exception = False
    assert show(client, answer).status_code == 503
    assert not is_in(client)


# ── At the first set-up, and again ─────────────────────────────────────────────────────────────────────────────


def newcomer() -> User:
    bob = cast.bob()
    Authenticator.objects.filter(user=bob).delete()
    return bob


def test_first_factor_may_be_a_passkey() -> None:
    bob = newcomer()
    client = after_password(bob)
    options = client.get(reverse("signin-passkey-setup")).context["options"]
    page = client.post(reverse("signin-passkey-setup"), {"answer": SoftPasskey().create(options)})
    assert len(page.context["codes"]) == 10
    assert is_in(client)
    made = AuditEvent.objects.get(object_type="django_otp_webauthn.WebAuthnCredential")
    assert (made.code, made.actor_id, made.object_id) == (Code.AUTHN_TOKEN_CREATED, bob.pk, str(bob.pk))
    assert audit_words.what(made) == "Passkey added"


def test_set_up_is_only_for_who_has_no_factor() -> None:
    client = after_password(cast.alice())
    assert client.get(reverse("signin-passkey-setup"))["Location"] == reverse("signin-code")
    client.post(reverse("signin-passkey-setup"), {"answer": "{}"})
    assert not WebAuthnCredential.objects.exists()
    assert visitor().get(reverse("signin-passkey-setup"))["Location"] == reverse("signin")


def test_who_knows_the_password_adds_no_second_first_factor() -> None:
    """Two set-ups are open at once; the one that ends first is the only one."""
    bob = newcomer()
    owner, thief = after_password(bob), after_password(bob)
    options = [c.get(reverse("signin-passkey-setup")).context["options"] for c in (owner, thief)]
    owner.post(reverse("signin-passkey-setup"), {"answer": SoftPasskey().create(options[0])})
    thief.post(reverse("signin-passkey-setup"), {"answer": SoftPasskey().create(options[1])})
    assert is_in(owner)
    assert not is_in(thief)
    assert WebAuthnCredential.objects.count() == 1


def test_a_failed_set_up_lets_nobody_in() -> None:
    client = after_password(newcomer())
    options = client.get(reverse("signin-passkey-setup")).context["options"]
    page = client.post(reverse("signin-passkey-setup"), {"answer": SoftPasskey(unlocked=False).create(options)})
    assert page.context["error"]
    assert not is_in(client)
    event = AuditEvent.objects.get(code=Code.INPUT_VALIDATION_FAIL)
    assert event.detail == {"step": "passkey setup", "reason": "wrong answer"}


# ── Whatever is sent ───────────────────────────────────────────────────────────────────────────────────────────

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
PARTS = st.fixed_dictionaries(
    {"type": st.just("public-key") | JSON, "id": st.just("AAAA") | JSON, "rawId": st.just("AAAA") | JSON},
    optional={
        "response": st.dictionaries(
            st.sampled_from(["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]),
            st.text(max_size=20) | JSON,
        ),
        "clientExtensionResults": JSON,
    },
)
NESTED = ["[" * 10_000, '{"a":' * 3_000, "x" * 20_001, "", "null", "[]", "\x00", '"\\ud800"', "1e999", "{}"]


@tries(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(sent=st.one_of(st.sampled_from(NESTED), PARTS.map(json.dumps), st.binary(max_size=40).map(repr)))
def test_a_strange_answer_is_refused(sent: str) -> None:
    alice = cast.alice()
    if not WebAuthnCredential.objects.filter(user=alice).exists():
        give(alice)
    client = after_password(alice)
    for name, extra in (("signin-passkey", {}), ("settings-passkey-add", {"name": "x"})):
        forget_counts()
        if name == "settings-passkey-add":
            client = signed_in(alice)
        client.get(reverse(name))
        page = client.post(reverse(name), {"answer": sent, **extra})
        assert (page.status_code, bool(page.context["error"])) == (200, True), sent
    assert WebAuthnCredential.objects.filter(user=alice).count() == 1


# ── How they are kept ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_library_keeps_no_attestation_and_shows_nothing_in_the_admin() -> None:
    give(cast.alice())
    assert not WebAuthnAttestation.objects.exists()
    assert not WebAuthnUserHandle.objects.exists()
    assert not any(model._meta.app_label == "django_otp_webauthn" for model in admin.site._registry)


def test_options_ask_for_what_a_hospital_needs() -> None:
    alice = cast.alice()
    passkey = give(alice)
    options = signed_in(alice).get(reverse("settings-passkey-add")).context["options"]
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["rp"] == {"id": "localhost", "name": "ClinChat"}
    assert options["attestation"] == "none"
    assert [known["id"] for known in options["excludeCredentials"]] == [_b64(passkey.id)]
    shown = asked(after_password(alice))
    assert shown["userVerification"] == "required"
    assert [known["id"] for known in shown["allowCredentials"]] == [_b64(passkey.id)]


def _b64(data: bytes) -> str:
    from tests.compliance.soft_passkey import b64

    return b64(data)


def test_adding_ends_other_sessions_and_tells_the_person() -> None:
    alice = cast.alice()
    other = signed_in(alice)
    give(alice)
    assert not is_in(other)
    assert Notice.objects.get(user=alice).title == "A passkey was added to your account"


def test_nobody_has_more_than_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passkeys, "MOST", 1)
    alice = cast.alice()
    give(alice)
    client = signed_in(alice)
    options = client.get(reverse("settings-passkey-add")).context["options"]
    page = client.post(reverse("settings-passkey-add"), {"name": "x", "answer": SoftPasskey().create(options)})
    assert page.context["error"]
    assert WebAuthnCredential.objects.count() == 1

"""Ways around the second factor by the API. Each test is one, and none leads anywhere."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as portal
from django.test import Client
from django.urls import reverse

from clinchat.lib import clock
from compliance.access import Action, Role, people, services, sessions
from compliance.access.jwt import AUDIENCE, ISSUER, AccessToken, RefreshToken, Signed, StepToken
from compliance.api.problems import answers_programs
from compliance.models import Authenticator, RoleAssignment, ServiceToken, TokenFamily, User
from tests import cast
from tests.api.conftest import Api
from tests.compliance.closed import addresses, give_password, opened, walk_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Api:
    return Api()


def of_the_api() -> list[str]:
    return [one for one in addresses() if answers_programs(one)]


def closed(token: str, client: Client | None = None) -> bool:
    """Whether the token opens none of the API."""
    return not opened(client or Client(), only=of_the_api(), headers={"Authorization": f"Bearer {token}"})


def step_of(api: Api, user: User) -> str:
    """The token that says the password was right."""
    return str(api.password(user).json()["mfa_token"])


def verify(api: Api, step: str, code: str) -> Any:
    return api.post("auth/mfa/verify", {"mfa_token": step, "code": code})


def test_the_right_way_opens_the_api(api: Api) -> None:
    api.sign_in(cast.ada())
    assert not closed(api.access)
    assert opened(Client(), only=of_the_api(), headers={"Authorization": f"Bearer {api.access}"}) == of_the_api()


# ── Without the second factor ──────────────────────────────────────────────────────────────────────────────────


def test_token_of_the_password_step(api: Api) -> None:
    assert closed(step_of(api, cast.ada()))


def test_token_of_the_password_step_as_a_refresh_token(api: Api) -> None:
    assert api.renew(step_of(api, cast.ada())).status_code == 401


def test_token_of_the_password_step_a_second_time(api: Api) -> None:
    ada = cast.ada()
    step = step_of(api, ada)
    assert verify(api, step, cast.code_of(ada)).status_code == 200
    assert verify(api, step, cast.code_of(ada)).status_code == 401


def test_token_of_the_password_step_after_a_new_password(api: Api) -> None:
    ada = cast.ada()
    step = step_of(api, ada)
    ada.set_password("amber kettle drifts slowly")
    ada.save(update_fields=["password"])
    assert verify(api, step, cast.code_of(ada)).status_code == 401


def test_token_of_the_password_step_with_the_code_of_somebody_else(api: Api) -> None:
    assert verify(api, step_of(api, cast.ada()), cast.code_of(cast.mallory())).status_code == 401
    assert not TokenFamily.objects.exists()


def test_password_and_code_in_one_request(api: Api) -> None:
    ada = cast.ada()
    body = {"email": ada.email, "password": cast.PASSWORD, "code": cast.code_of(ada), "otp": "000000"}
    answer = api.post("auth/login", body)
    assert "access" not in answer.json()
    assert not TokenFamily.objects.exists()


def test_session_after_the_password(client: Client) -> None:
    give_password(client, cast.ada())
    assert not opened(client, only=of_the_api())


def test_code_that_a_page_has_taken(api: Api, client: Client) -> None:
    ada = cast.ada()
    code = cast.code_of(ada)
    give_password(client, ada)
    assert client.post(reverse("signin-code"), {"code": code}).status_code == 302
    assert verify(api, step_of(api, ada), code).status_code == 401


def test_trying_codes_by_the_api_instead_of_the_page(api: Api, client: Client) -> None:
    """Failures count together, wherever they happen."""
    ada = cast.ada()
    right = cast.code_of(ada)
    for number in range(1, 6):
        Authenticator.objects.update(throttling_failure_count=0)  # the device waits too, and that is not meant here
        assert verify(api, step_of(api, ada), f"{(int(right) + number) % 1_000_000:06d}").status_code == 401
    assert api.password(ada).status_code == 429
    give_password(client, ada)
    client.post(reverse("signin-code"), {"code": right})
    assert not opened(client)


# ── Tokens that pretend ────────────────────────────────────────────────────────────────────────────────────────


def part(value: dict[str, Any] | bytes) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(payload: dict[str, Any], key: str, algorithm: str = "HS256", **header: str) -> str:
    """A token made by hand: a library would refuse to make most of these."""
    text = f"{part({'alg': algorithm, 'typ': 'JWT'} | header)}.{part(payload)}"
    digest = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}[algorithm]
    return f"{text}.{part(hmac.new(key.encode(), text.encode(), digest).digest())}"


def key_of(kind: type[Signed]) -> str:
    return str(kind().get_token_backend().signing_key)


def payload_of(token: str) -> dict[str, Any]:
    middle = token.split(".")[1]
    return dict(json.loads(urlsafe_b64decode(middle + "=" * (-len(middle) % 4))))


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", ""])
def test_no_algorithm(api: Api, name: str) -> None:
    api.sign_in(cast.ada())
    payload = part(payload_of(api.access))
    signature = api.access.split(".")[2]
    for end in ("", signature):
        assert closed(f"{part({'alg': name, 'typ': 'JWT'})}.{payload}.{end}")


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_another_key(api: Api, algorithm: str) -> None:
    api.sign_in(cast.ada())
    for key in ("", "\x00" * 32, "secret", portal.SECRET_KEY, "clinchat api token: access", ISSUER):
        assert closed(signed(payload_of(api.access), key, algorithm)), (
            "a key that can be guessed, or of another purpose"
        )


def test_another_algorithm_with_the_right_key(api: Api) -> None:
    api.sign_in(cast.ada())
    key, payload = key_of(AccessToken), payload_of(api.access)
    assert not closed(signed(payload, key)), "the key is the right one"
    assert closed(signed(payload, key, "HS384"))
    assert closed(signed(payload, key, "HS512"))


@pytest.mark.parametrize("header", ["kid", "jku", "jwk", "x5u", "x5c"])
def test_a_key_the_token_names(api: Api, header: str) -> None:
    api.sign_in(cast.ada())
    for value in ("../../dev/null", "https://evil.example/keys", ""):
        assert closed(signed(payload_of(api.access), "", **{header: value}))


@pytest.mark.parametrize("field", ["sub", "fam", "exp", "token_type"])
def test_altered_payload(api: Api, field: str) -> None:
    api.sign_in(cast.mallory())
    values = {"sub": str(cast.ada().pk), "fam": str(cast.ada().pk), "exp": 4_102_444_800, "token_type": "refresh"}
    head, _, signature = api.access.split(".")
    assert closed(f"{head}.{part(payload_of(api.access) | {field: values[field]})}.{signature}")


def test_rightly_signed_token_of_a_family_of_somebody_else(api: Api) -> None:
    """Had one of our processes a fault that mixes people up, the row of the family would still say whose it is."""
    api.sign_in(cast.mallory())
    token = AccessToken()
    token["sub"], token["fam"] = str(cast.ada().pk), payload_of(api.access)["fam"]
    assert closed(str(token))


def test_expired_token(api: Api) -> None:
    api.sign_in(cast.ada())
    token = AccessToken()
    payload = payload_of(api.access)
    token["sub"], token["fam"] = payload["sub"], payload["fam"]
    assert not closed(str(token))
    token.set_exp(lifetime=timedelta(seconds=-30))
    assert closed(str(token))


@pytest.mark.parametrize(("claim", "value"), [("aud", "another"), ("iss", "another"), ("aud", None), ("iss", None)])
def test_token_for_another_service(api: Api, claim: str, value: str | None) -> None:
    api.sign_in(cast.ada())
    payload = payload_of(api.access) | {claim: value}
    assert (payload_of(api.access)["aud"], payload_of(api.access)["iss"]) == (AUDIENCE, ISSUER)
    if value is None:
        del payload[claim]
    assert closed(signed(payload, key_of(AccessToken)))


def test_refresh_token_as_access_token(api: Api) -> None:
    api.sign_in(cast.ada())
    assert closed(api.refresh)


def test_access_token_as_refresh_token(api: Api) -> None:
    api.sign_in(cast.ada())
    assert api.renew(api.access).status_code == 401


@pytest.mark.parametrize("made_as", [RefreshToken, StepToken])
def test_one_kind_signed_as_another(api: Api, made_as: type[Signed]) -> None:
    """Each kind has a key of its own, so to claim another kind is not enough."""
    api.sign_in(cast.ada())
    assert closed(signed(payload_of(api.access), key_of(made_as)))


@pytest.mark.parametrize("token", ["", " ", ".", "..", "a.b.c", "null", "undefined", "a" * 5000, "é.é.é", "cct_", "{}"])
def test_rubbish(token: str) -> None:
    assert closed(token)


def test_token_where_it_does_not_belong(api: Api, client: Client) -> None:
    api.sign_in(cast.ada())
    client.cookies["access_token"] = client.cookies["session"] = api.access
    assert not opened(client, only=of_the_api())
    named = [f"{one}?access_token={api.access}&token={api.access}" for one in of_the_api()]
    assert not opened(Client(), only=named)
    assert not opened(Client(), only=of_the_api(), headers={"X-Access-Token": api.access, "X-Api-Key": api.access})


def test_token_on_pages(api: Api) -> None:
    api.sign_in(cast.ada())
    pages = [one for one in addresses() if not answers_programs(one)]
    assert not opened(Client(), only=pages, headers={"Authorization": f"Bearer {api.access}"})


def test_bad_token_beside_a_good_session(client: Client, api: Api) -> None:
    """Judged by the token alone: what a proxy or a script adds must not borrow the person's session."""
    walk_in(client, cast.ada())
    assert opened(client, only=of_the_api()) == of_the_api()
    assert closed("a.b.c", client)
    assert closed(step_of(api, cast.ada()), client)


def test_session_without_its_csrf_token() -> None:
    client = cast.sign_in(Client(enforce_csrf_checks=True), cast.ada())
    answer = client.post("/api/auth/revoke-all-sessions", {"everyone": True}, content_type="application/json")
    assert answer.status_code == 403
    assert client.get("/settings/").status_code == 200


# ── Tokens that are over ───────────────────────────────────────────────────────────────────────────────────────


def test_token_after_signing_out(api: Api) -> None:
    api.sign_in(cast.ada())
    access, refresh = api.access, api.refresh
    assert api.post("auth/logout", {"refresh": refresh}).status_code == 204
    assert closed(access)
    assert api.renew(refresh).status_code == 401


def test_token_after_everything_was_revoked(api: Api) -> None:
    ada = cast.ada()
    api.sign_in(ada)
    sessions.end_all(ada, reason="test")
    assert closed(api.access)
    assert api.renew().status_code == 401


def test_token_from_before_the_password_was_changed(api: Api, client: Client) -> None:
    alice = cast.alice()
    api.sign_in(alice)
    walk_in(client, alice)
    new = "amber kettle drifts slowly"
    form = {"current": cast.PASSWORD, "new": new, "repeated": new}
    assert client.post(reverse("settings-password"), form).status_code == 302
    assert closed(api.access)


def test_token_of_a_closed_account(api: Api) -> None:
    alice = cast.alice()
    api.sign_in(alice)
    people.close(alice, because=User.Closed.SECURITY, by=cast.sam())
    assert closed(api.access)
    assert api.renew().status_code == 401
    assert api.password(alice).status_code == 401


def test_token_after_twelve_hours(api: Api) -> None:
    api.sign_in(cast.ada())
    began = clock.now() - timedelta(hours=12, seconds=1)
    TokenFamily.objects.update(created_at=began, ends_at=began + timedelta(hours=12))
    assert closed(api.access)
    assert api.renew().status_code == 401


def test_refresh_token_that_was_copied(api: Api) -> None:
    """Whoever comes second ends it for both."""
    api.sign_in(cast.ada())
    copied = api.refresh
    api.keep(api.renew())
    assert api.renew(copied).status_code == 401
    assert closed(api.access)
    assert api.renew().status_code == 401


# ── Service accounts ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def program() -> tuple[ServiceToken, str]:
    """A token that reads the policy, of an account whose role may block networks too."""
    account = services.create(name="Log collector")
    RoleAssignment.objects.give(user=account, role=Role.SECURITY_OFFICER)
    return services.make_token(
        account_id=account.pk, name="Collector 1", scopes=[Action.READ_STATUS], days=30, by=cast.sam()
    )


def test_service_token_on_pages_and_on_what_is_for_people(program: tuple[ServiceToken, str]) -> None:
    token, text = program
    pages = [one for one in addresses() if not answers_programs(one)]
    assert not opened(Client(), only=pages, headers={"Authorization": f"Bearer {text}"})
    for address in ("/api/auth/verify", "/api/auth/revoke-all-sessions"):
        answer = Client().post(
            address, {}, content_type="application/json", headers={"Authorization": f"Bearer {text}"}
        )
        assert answer.status_code in {401, 403}, address
    assert Api().password(token.user, "anything at all").status_code == 401


def test_service_token_beyond_its_scope(program: tuple[ServiceToken, str]) -> None:
    headers = {"Authorization": f"Bearer {program[1]}"}
    body = {"ips": ["203.0.113.5"], "reason": "x"}
    answer = Client().post("/api/security/block-ip", body, content_type="application/json", headers=headers)
    assert answer.status_code == 403


@pytest.mark.parametrize("change", [{"revoked_at": clock.now()}, {"expires_at": clock.now() - timedelta(seconds=1)}])
def test_service_token_that_is_over(program: tuple[ServiceToken, str], change: dict[str, Any]) -> None:
    token, text = program
    made = clock.now() - timedelta(days=40)
    ServiceToken.objects.filter(pk=token.pk).update(created_at=made, **change)
    assert closed(text)


def test_what_the_table_keeps_of_a_service_token(program: tuple[ServiceToken, str]) -> None:
    token, text = program
    for kept in (token.digest, f"cct_{token.digest}", token.prefix, text[:-1], text.upper()):
        assert closed(kept)

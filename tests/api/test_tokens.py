"""Access and refresh tokens: what they open, for how long, and what ends them."""

from __future__ import annotations

import base64
import hmac
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import jwt as pyjwt
import pytest
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from clinchat.lib import clock
from compliance.access import jwt, people, sessions, tokens
from compliance.models import AccessEpoch, AuditEvent, Code, Notice, TokenFamily, User
from tests import cast
from tests.api.conftest import Api
from tests.api.test_signin import assert_problem, failures

pytestmark = pytest.mark.django_db


def key(purpose: str) -> str:
    return hmac.new(settings.SECRET_KEY.encode(), f"clinchat api token: {purpose}".encode(), "sha256").hexdigest()


def family_of(user: User) -> TokenFamily:
    return TokenFamily.objects.get(user=user)


def assert_refused(api: Api, why: str = "malformed") -> None:
    answer = api.get("auth/verify")
    assert_problem(answer, 401)
    assert answer["WWW-Authenticate"] == 'Bearer realm="ClinChat", error="invalid_token"'
    assert failures()[-1] == {"step": "token", "why": why}


def test_access_token_lasts_five_minutes_and_no_longer_than_its_family(api: Api) -> None:
    api.sign_in(cast.alice())
    claims = pyjwt.decode(api.access, key("access"), algorithms=["HS256"], audience="clinchat-api", issuer="clinchat")
    assert claims["exp"] - claims["iat"] == 300
    family = TokenFamily.objects.get()
    family.ends_at = clock.now() + timedelta(seconds=30)
    pair = tokens._pair(family)
    for text, purpose in ((pair.access, "access"), (pair.refresh, "refresh")):
        late = pyjwt.decode(text, key(purpose), algorithms=["HS256"], audience="clinchat-api")
        assert late["exp"] <= family.ends_at.timestamp()


def test_expired_access_token(api: Api) -> None:
    alice = cast.alice()
    api.sign_in(alice)
    old = jwt.AccessToken()
    old["sub"], old["fam"] = str(alice.pk), str(family_of(alice).pk)
    old.set_exp(from_time=clock.now() - timedelta(seconds=310), lifetime=jwt.ACCESS)
    api.access = str(old)
    assert_problem(api.get("auth/verify"), 401)
    assert failures() == [], "a token whose time is over was good: no failed sign-in"
    assert AuditEvent.objects.get(code=Code.AUTHZ_FAIL).detail == {"step": "token", "why": "expired"}
    assert "expired" in api.get("auth/verify").json()["detail"]


def b64(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forged(api: Api, how: str) -> str:
    """The access token of `api`, changed."""
    head, body, mark = api.access.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    other = {k: v for k, v in claims.items() if k != "exp"}
    return {
        "alg none": f"{b64({'alg': 'none', 'typ': 'JWT'})}.{body}.",
        "alg none, old mark": f"{b64({'alg': 'none', 'typ': 'JWT'})}.{body}.{mark}",
        "alg HS512": pyjwt.encode(claims, key("access"), algorithm="HS512"),
        "alg as a list": f"{b64({'alg': ['HS256'], 'typ': 'JWT'})}.{body}.{mark}",
        "no alg": f"{b64({'typ': 'JWT'})}.{body}.{mark}",
        "head is a list": f"{b64([1])}.{body}.{mark}",
        "critical extension": pyjwt.encode(claims, key("access"), headers={"crit": ["exp"], "jku": "http://x/"}),
        "changed claim": f"{head}.{b64(claims | {'sub': str(cast.ada().pk)})}.{mark}",
        "claims are a list": f"{head}.{b64([1, 2])}.{mark}",
        "mark cut off": f"{head}.{body}.",
        "mark of nothing": f"{head}.{body}.{b64(bytes(32))}",
        "another key": pyjwt.encode(claims, "x" * 64, algorithm="HS256"),
        "key of SECRET_KEY itself": pyjwt.encode(claims, settings.SECRET_KEY, algorithm="HS256"),
        "key of another purpose": pyjwt.encode(claims, key("refresh"), algorithm="HS256"),
        "another audience": pyjwt.encode(claims | {"aud": "elsewhere"}, key("access")),
        "another issuer": pyjwt.encode(claims | {"iss": "elsewhere"}, key("access")),
        "another type": pyjwt.encode(claims | {"token_type": "refresh"}, key("access")),
        "no expiry": pyjwt.encode(other, key("access")),
        "two parts": f"{head}.{body}",
        "four parts": f"{api.access}.{mark}",
        "empty": "",
        "a word": "token",
        "very long": "a" * 100_000,
        "not ASCII": "é.é.é",
    }[how]


FORGERIES = [
    "alg none", "alg none, old mark", "alg HS512", "alg as a list", "no alg", "head is a list", "critical extension",
    "changed claim", "claims are a list", "mark cut off", "mark of nothing", "another key", "key of SECRET_KEY itself",
    "key of another purpose", "another audience", "another issuer", "another type", "no expiry", "two parts",
    "four parts", "empty", "a word", "very long", "not ASCII",
]  # fmt: skip


@pytest.mark.parametrize("how", FORGERIES)
def test_forged_token_is_refused_and_on_record(api: Api, how: str) -> None:
    api.sign_in(cast.alice())
    token = forged(api, how)
    answer = api.get("auth/verify", Authorization=f"Bearer {token}")
    assert_problem(answer, 401)
    assert failures() == [{"step": "token", "why": "malformed"}]
    event = AuditEvent.objects.get(code=Code.AUTHN_LOGIN_FAIL)
    assert (event.outcome, event.actor_id) == ("denied", None)


def test_token_with_claims_of_somebody_else_is_refused(api: Api) -> None:
    """Rightly signed, as only we can: the family is still asked whose it is."""
    alice = cast.alice()
    api.sign_in(alice)
    mixed = jwt.AccessToken()
    mixed["sub"], mixed["fam"] = str(cast.ada().pk), str(family_of(alice).pk)
    api.access = str(mixed)
    assert_refused(api)


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_no_text_is_a_token(head: str, body: str, mark: str) -> None:
    for text in (f"{head}.{body}.{mark}", f"{b64(head)}.{b64(body)}.{b64(mark)}", tokens.PREFIX + head):
        with pytest.raises(jwt.BadToken):
            tokens.bearer(text.replace("\x00", ""))


def test_refresh_token_opens_nothing_but_a_new_pair(api: Api) -> None:
    api.sign_in(cast.alice())
    api.access = api.refresh
    assert_refused(api)


def test_new_pair_for_a_refresh_token(api: Api) -> None:
    api.sign_in(cast.alice())
    first = api.refresh
    api.keep(api.renew())
    assert api.refresh != first
    assert api.get("auth/verify").status_code == 200
    api.keep(api.renew())


def test_used_refresh_token_ends_the_family(api: Api) -> None:
    alice = cast.alice()
    api.sign_in(alice)
    stolen = api.refresh
    api.keep(api.renew())
    before = AccessEpoch.objects.get().number if AccessEpoch.objects.exists() else 0
    assert_problem(api.renew(stolen), 401)
    assert family_of(alice).reason == "reused"
    assert AccessEpoch.objects.get().number > before
    event = AuditEvent.objects.get(code=Code.AUTHN_TOKEN_REUSE)
    assert (event.actor_id, event.outcome, event.object_id) == (alice.pk, "denied", str(family_of(alice).pk))
    assert Notice.objects.filter(user=alice, level="crit").count() == 1
    assert_refused(api, "ended")
    assert api.renew().status_code == 401, "the newest refresh token ends with its family"
    assert not TokenFamily.objects.live(clock.now()).exists()


def test_reuse_ends_nothing_of_others(api: Api, other: Api) -> None:
    api.sign_in(cast.alice())
    other.sign_in(cast.alice())
    stolen = api.refresh
    api.keep(api.renew())
    api.renew(stolen)
    assert other.get("auth/verify").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_gets_the_pair(api: Api) -> None:
    api.sign_in(cast.alice())

    def renew(_: int) -> int:
        try:
            return int(Api().renew(api.refresh).status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(renew, range(4)))
    assert statuses == [200, 401, 401, 401]
    assert TokenFamily.objects.get().reason == "reused"


def test_refresh_token_left_for_an_hour(api: Api) -> None:
    alice = cast.alice()
    api.sign_in(alice)
    idle = jwt.RefreshToken()
    idle["sub"], idle["fam"] = str(alice.pk), str(family_of(alice).pk)
    idle.set_exp(from_time=clock.now() - timedelta(minutes=61), lifetime=jwt.IDLE)
    assert "expired" in assert_problem(api.renew(str(idle)), 401)["detail"]
    assert family_of(alice).revoked_at is None


def test_family_ends_twelve_hours_after_sign_in(api: Api) -> None:
    alice = cast.alice()
    api.sign_in(alice)
    past = clock.now() - timedelta(seconds=1)
    TokenFamily.objects.update(created_at=past - timedelta(hours=12), ends_at=past)
    assert_refused(api, "ended")
    assert_problem(api.renew(), 401)


def test_closed_account(api: Api) -> None:
    alice = cast.alice()
    api.sign_in(alice)
    User.objects.filter(pk=alice.pk).update(is_active=False)  # by whatever way
    assert_refused(api, "account closed")
    assert_problem(api.renew(), 401)


def test_end_of_employment_ends_tokens(api: Api) -> None:
    alice = cast.alice()
    api.sign_in(alice)
    people.end_employment(alice, by=cast.sam())
    assert family_of(alice).reason == "revoked"
    assert_problem(api.get("auth/verify"), 401)


def test_new_password_ends_tokens(api: Api) -> None:
    alice = cast.alice()
    api.sign_in(alice)
    sessions.end_all(alice, reason="password changed")
    assert_refused(api, "ended")


def test_signing_out(api: Api, other: Api) -> None:
    alice = cast.alice()
    api.sign_in(alice)
    other.sign_in(cast.bob())
    assert api.post("auth/logout", {"refresh": api.refresh}).status_code == 204
    assert family_of(alice).reason == "signed out"
    ended = AuditEvent.objects.get(code=Code.SESSION_EXPIRED)
    assert (ended.actor_id, ended.detail) == (alice.pk, {"reason": "signed out"})
    assert_refused(api, "ended")
    assert api.post("auth/logout", {"refresh": api.refresh}).status_code == 204, "twice is no error"
    assert AuditEvent.objects.filter(code=Code.SESSION_EXPIRED).count() == 1
    assert_problem(api.post("auth/logout", {"refresh": "x.y.z"}), 401)
    assert other.get("auth/verify").status_code == 200


def test_expired_access_token_is_not_in_the_way_of_a_new_one(api: Api) -> None:
    api.sign_in(cast.alice())
    api.access = "no.longer.valid"
    assert api.renew().status_code == 200
    assert api.get("health").status_code == 200


def test_one_request_looks_once(api: Api, django_assert_max_num_queries: Any) -> None:
    api.sign_in(cast.alice())
    with django_assert_max_num_queries(4):  # the family with its person, roles, and what a block list costs
        assert api.get("auth/verify").status_code == 200


def test_nothing_kept_opens_anything(api: Api) -> None:
    api.sign_in(cast.alice())
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_jsonb(f)::text FROM compliance_tokenfamily f")
        kept = cursor.fetchone()[0]
        cursor.execute("SELECT string_agg(to_jsonb(e)::text, ' ') FROM compliance_auditevent e")
        trail = cursor.fetchone()[0]
    claims = pyjwt.decode(api.refresh, options={"verify_signature": False})
    for secret in (api.access, api.refresh, claims["jti"]):
        assert secret not in kept + trail


def test_families_of_a_person_can_be_listed_and_ended(api: Api) -> None:
    alice, bob = cast.alice(), cast.bob()
    api.sign_in(alice)
    (family,) = tokens.families(alice)
    assert not tokens.end_family(bob, family.pk)
    assert tokens.end_family(alice, family.pk)
    assert not tokens.end_family(alice, family.pk)
    assert_refused(api, "ended")


def test_an_ended_family_says_why() -> None:
    now = clock.now()
    family = TokenFamily(user=cast.alice(), begun_with="1", newest="2", ends_at=now + timedelta(hours=1))
    family.revoked_at = now
    with pytest.raises(IntegrityError), transaction.atomic():
        family.save()

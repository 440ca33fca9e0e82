"""Programs: their accounts and tokens on the page, and what a token opens."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse

from clinchat.lib import clock
from compliance.access import Action, Role, people, services, sessions, tokens
from compliance.access.jwt import BadToken
from compliance.access.roles import NEEDS_CLEARANCE
from compliance.models import AuditEvent, Code, RoleAssignment, ServiceToken, User
from tests import cast

pytestmark = pytest.mark.django_db
FORM = {"name": "Collector 1", "scopes": ["status.read", "networks.block"], "days": "90"}


def program(*roles: Role) -> User:
    account = services.create(name="Log collector")
    for role in roles:
        RoleAssignment.objects.give(user=account, role=role)
    return account


def token_for(account: User, *scopes: Action, days: int = 30) -> tuple[ServiceToken, str]:
    return services.make_token(account_id=account.pk, name="Collector 1", scopes=scopes, days=days, by=cast.sam())


def blocks(client: Client, text: str) -> Any:
    return client.get("/api/security/block-ip", headers={"Authorization": f"Bearer {text}"})


def test_made_on_the_page_and_shown_once(client: Client) -> None:
    cast.sign_in(client, cast.sam())
    answer = client.post(reverse("services-new"), {"name": "Log collector"}, follow=True)
    assert "Log collector is made." in answer.content.decode()
    account = User.objects.get(is_service=True)
    assert not account.has_usable_password()
    assert not account.roles
    made = client.post(reverse("services-token", args=[account.pk]), FORM)
    assert made["Cache-Control"] == "no-store"
    (text,) = re.findall(r"cct_[\w-]{43}", made.content.decode())
    token = ServiceToken.objects.get()
    assert (token.prefix, token.made_by, token.scopes) == (text[:10], cast.sam(), ["networks.block", "status.read"])
    assert abs(token.expires_at - clock.now() - timedelta(days=90)) < timedelta(minutes=1)
    page = client.get(reverse("services")).content.decode()
    assert text[:10] in page
    assert text not in page


def test_two_programs_have_two_names(client: Client) -> None:
    program()
    cast.sign_in(client, cast.sam())
    answer = client.post(reverse("services-new"), {"name": "log COLLECTOR"})
    assert "There is one with this name." in answer.content.decode()
    assert User.objects.filter(is_service=True).count() == 1


def test_nothing_kept_holds_the_token() -> None:
    _, text = token_for(program(), Action.READ_STATUS)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT string_agg(to_jsonb(t)::text, '') FROM compliance_servicetoken t) || "
            "(SELECT string_agg(to_jsonb(e)::text, '') FROM compliance_auditevent e)"
        )
        assert text not in cursor.fetchone()[0]


def test_only_who_may_manages_them(client: Client) -> None:
    token, _ = token_for(program(), Action.READ_STATUS)
    cast.sign_in(client, cast.audra())
    for address in ("services", "services-new"):
        assert client.post(reverse(address), {"name": "x"}).status_code in {403, 405}
    assert client.get(reverse("services")).status_code == 403
    assert client.post(reverse("services-revoke", args=[token.pk])).status_code == 403
    assert ServiceToken.objects.get().revoked_at is None
    assert cast.sign_in(Client(), cast.ada()).get(reverse("services")).status_code == 200


@pytest.mark.parametrize("address", ["services-new", "services-token", "services-revoke"])
def test_changes_need_a_fresh_proof(client: Client, address: str) -> None:
    account = program()
    token, _ = token_for(account, Action.READ_STATUS)
    cast.sign_in(client, cast.sam(), proved=False)
    arguments = {"services-token": [account.pk], "services-revoke": [token.pk]}.get(address, [])
    answer = client.post(reverse(address, args=arguments), FORM)
    assert (answer.status_code, answer["Location"].split("?")[0]) == (302, reverse("signin-again"))
    token.refresh_from_db()
    assert (User.objects.filter(is_service=True).count(), ServiceToken.objects.count(), token.revoked_at) == (
        1,
        1,
        None,
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("scopes", ["chat.ask"]),
        ("scopes", ["people.manage"]),
        ("scopes", ["breakglass.take"]),
        ("scopes", ["self.settings"]),
        ("scopes", ["nonsense"]),
        ("scopes", []),
        ("days", "366"),
        ("days", "0"),
        ("days", "-1"),
        ("days", "x"),
        ("name", ""),
        ("name", "x" * 101),
        ("name", "a\x00b"),
    ],
)
def test_what_no_token_may_have(client: Client, field: str, value: Any) -> None:
    account = program()
    cast.sign_in(client, cast.sam())
    answer = client.post(reverse("services-token", args=[account.pk]), FORM | {field: value})
    assert (answer.status_code, answer.content.count(b'class="err"')) == (200, 1)
    assert not ServiceToken.objects.exists()


@pytest.mark.parametrize("scopes", [{Action.ASK}, {Action.READ_STATUS, Action.APPROVE_ROLES}, set()])
def test_the_service_refuses_it_too(scopes: set[Action]) -> None:
    with pytest.raises(services.NotDelegable):
        token_for(program(), *scopes)


def test_nothing_that_needs_training_or_a_second_person_is_delegable() -> None:
    assert services.DELEGABLE.isdisjoint(NEEDS_CLEARANCE)
    decisions = {Action.APPROVE_ROLES, Action.RECERTIFY, Action.PURGE_AUDIT, Action.REVIEW_BREAK_GLASS}
    assert services.DELEGABLE.isdisjoint(decisions | {Action.OWN_SETTINGS, Action.ADMINISTER, Action.MANAGE_SERVICES})


@pytest.mark.parametrize("broken", ["days", "scopes", "maker"])
def test_the_database_refuses_it_too(broken: str) -> None:
    token, _ = token_for(program(), Action.READ_STATUS)
    changes: dict[str, dict[str, Any]] = {
        "days": {"expires_at": token.created_at + timedelta(days=366)},
        "scopes": {"scopes": []},
        "maker": {"made_by": token.user},
    }
    with pytest.raises(IntegrityError), transaction.atomic():
        ServiceToken.objects.filter(pk=token.pk).update(**changes[broken])


def test_token_does_what_scope_and_role_allow(client: Client) -> None:
    _, text = token_for(program(Role.SECURITY_OFFICER), Action.BLOCK_NETWORKS)
    assert blocks(client, text).status_code == 200
    token = ServiceToken.objects.get()
    assert token.last_used_at is not None


def test_what_it_does_is_its_own_in_the_trail(client: Client) -> None:
    account = program(Role.SECURITY_OFFICER)
    token, text = token_for(account, Action.BLOCK_NETWORKS)
    body = {"ips": ["203.0.113.7"], "reason": "Scans."}
    headers = {"Authorization": f"Bearer {text}"}
    answer = client.post("/api/security/block-ip", body, content_type="application/json", headers=headers)
    assert answer.json()["results"][0]["status"] == "blocked"
    event = AuditEvent.objects.filter(code=Code.NETWORK_BLOCKED).latest()
    assert (event.actor_id, event.actor_name) == (account.pk, "Log collector")
    assert event.session == tokens.Bearer(account, token.expires_at, token=token).session != ""


def test_scope_without_the_role_opens_nothing(client: Client) -> None:
    _, text = token_for(program(Role.AUDITOR), Action.BLOCK_NETWORKS)
    assert blocks(client, text).status_code == 403
    assert AuditEvent.objects.get(code=Code.AUTHZ_FAIL).detail == {"action": "networks.block"}


def test_role_without_the_scope_opens_nothing(client: Client) -> None:
    _, text = token_for(program(Role.SECURITY_OFFICER), Action.READ_STATUS)
    assert blocks(client, text).status_code == 403


def test_a_scope_that_may_no_longer_be_given_counts_no_more() -> None:
    _, text = token_for(program(Role.ADMIN), Action.READ_STATUS)
    ServiceToken.objects.update(scopes=["status.read", "admin.use", "gone.action"])
    assert tokens.bearer(text).user.scopes == frozenset({Action.READ_STATUS})


@pytest.mark.parametrize("path", ["auth/verify", "auth/revoke-all-sessions", "schema/"])
def test_addresses_of_people_are_closed_to_programs(client: Client, path: str) -> None:
    _, text = token_for(program(Role.SECURITY_OFFICER), *services.DELEGABLE)
    headers = {"Authorization": f"Bearer {text}"}
    answer = client.post(f"/api/{path}", {}, content_type="application/json", headers=headers)
    assert answer.status_code == 403


@pytest.mark.parametrize("page", ["/settings/", "/compliance/blocks/", "/compliance/services/", "/admin/"])
def test_pages_are_closed_to_programs(client: Client, page: str) -> None:
    _, text = token_for(program(Role.SECURITY_OFFICER), Action.BLOCK_NETWORKS)
    answer = client.get(page, headers={"Authorization": f"Bearer {text}"})
    assert answer.status_code == 302


@pytest.mark.parametrize("end", ["revoked", "expired", "account", "left", "all of it", "all of everyone"])
def test_an_ended_token_is_refused_at_once(client: Client, end: str) -> None:
    account = program(Role.SECURITY_OFFICER)
    token, text = token_for(account, Action.BLOCK_NETWORKS)
    assert blocks(client, text).status_code == 200
    past = clock.now() - timedelta(seconds=1)
    match end:
        case "revoked":
            cast.sign_in(client, cast.sam()).post(reverse("services-revoke", args=[token.pk]))
        case "expired":
            ServiceToken.objects.update(created_at=past - timedelta(days=1), expires_at=past)
        case "account":
            User.objects.filter(pk=account.pk).update(is_active=False)
        case "left":
            people.end_employment(account, by=cast.sam())
        case "all of it":
            sessions.end_all(account, reason="test")
        case _:
            sessions.end_all(None, reason="test")
    answer = blocks(client, text)
    assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json")
    code = Code.AUTHZ_FAIL if end == "expired" else Code.AUTHN_LOGIN_FAIL
    failure = AuditEvent.objects.filter(code=code).latest()
    assert (failure.object_id, failure.detail["step"]) == (str(account.pk), "token")


def test_revoking_twice_changes_nothing_and_is_on_record_once(client: Client) -> None:
    token, _ = token_for(program(), Action.READ_STATUS)
    cast.sign_in(client, cast.sam())
    for words in ("is revoked", "revoked already"):
        answer = client.post(reverse("services-revoke", args=[token.pk]), follow=True)
        assert words in answer.content.decode()
    ended = AuditEvent.objects.get(code=Code.AUTHN_TOKEN_REVOKED, object_type="compliance.ServiceToken")
    assert (ended.actor_id, ended.object_id) == (cast.sam().pk, str(token.pk))


def test_closed_account_gets_no_token(client: Client) -> None:
    account = program()
    User.objects.filter(pk=account.pk).update(is_active=False)
    with pytest.raises(services.Closed):
        token_for(account, Action.READ_STATUS)
    cast.sign_in(client, cast.sam())
    assert client.get(reverse("services-token", args=[account.pk])).status_code == 404


def test_a_person_is_no_program() -> None:
    with pytest.raises(services.Closed):
        token_for(cast.alice(), Action.READ_STATUS)
    token, text = token_for(program(), Action.READ_STATUS)
    ServiceToken.objects.update(user=cast.alice())
    with pytest.raises(BadToken):
        tokens.bearer(text)
    assert token.digest not in text


def test_use_is_written_down_once_a_minute(client: Client, django_assert_max_num_queries: Any) -> None:
    _, text = token_for(program(Role.SECURITY_OFFICER), Action.BLOCK_NETWORKS)
    blocks(client, text)
    first = ServiceToken.objects.get().last_used_at
    with django_assert_max_num_queries(4):
        blocks(client, text)
    assert ServiceToken.objects.get().last_used_at == first
    assert User.objects.get(is_service=True).last_login is not None


def test_a_hostile_name_is_text(client: Client) -> None:
    services.create(name="<script>alert(1)</script>")
    page = cast.sign_in(client, cast.sam()).get(reverse("services")).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page

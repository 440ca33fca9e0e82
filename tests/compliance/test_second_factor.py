"""Default deny: without a second factor every address leads to the sign-in page, unless it says why it is public."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from compliance.api.problems import answers_programs
from tests import cast

pytestmark = pytest.mark.django_db

EXAMPLES = {"uuid": str(uuid.uuid4()), "str": "x", "path": "x", "int": "1", "slug": "x", "day": "2026-11-21"}
EXAMPLES |= {"control": "ADM-02", "check": "vuln.sla"}


def addresses(resolver: URLResolver, prefix: str = "/") -> Iterator[tuple[str, object]]:
    for entry in resolver.url_patterns:
        route = getattr(entry.pattern, "_route", None)
        if route is None:  # the admin's list of apps and its catch-all are regular expressions
            route = "compliance/" if "app_label" in str(entry.pattern) else "nothing-here/"
        for converter, example in EXAMPLES.items():
            for name in entry.pattern.converters:
                route = route.replace(f"<{converter}:{name}>", example).replace(f"<{name}>", "x")
        if isinstance(entry, URLResolver):
            yield from addresses(entry, prefix + route)
        elif isinstance(entry, URLPattern):
            yield prefix + route, entry.callback


CLOSED = sorted({a for a, view in addresses(get_resolver()) if not getattr(view, "access_public", "")})
OPEN = sorted({a for a, view in addresses(get_resolver()) if getattr(view, "access_public", "")})


def test_the_walk_finds_pages_and_admin() -> None:
    assert len(CLOSED) > 20
    assert {"/settings/", "/ask/", "/admin/", "/admin/compliance/user/add/"} <= set(CLOSED)
    assert {"/signin/", "/status/", "/csp/", "/api/health", "/api/ready"} <= set(OPEN)
    assert not [address for address in (*CLOSED, *OPEN) if "<" in address]


def is_refused(client: Client, address: str, method: str) -> bool:
    answer = client.generic(method, address)
    if answers_programs(address):
        return answer.status_code == 401 and answer["Content-Type"] == "application/problem+json"
    return answer.status_code == 302 and answer["Location"].startswith(reverse("signin"))


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
def test_stranger_gets_nowhere(client: Client, method: str) -> None:
    for address in CLOSED:
        assert is_refused(client, address, method), f"{method} {address} is open to a stranger"


def test_password_alone_gets_nowhere(client: Client) -> None:
    client.force_login(cast.ada())
    for address in CLOSED:
        assert is_refused(client, address, "GET"), f"{address} is open after the password alone"


def test_device_of_somebody_else_gets_nowhere(client: Client) -> None:
    from django_otp import DEVICE_ID_SESSION_KEY

    client.force_login(cast.ada())
    session = client.session
    session[DEVICE_ID_SESSION_KEY] = cast.device_of(cast.alice()).persistent_id
    session.save()
    assert is_refused(client, "/settings/", "GET")


def test_both_factors_get_through(client: Client) -> None:
    assert cast.sign_in(client, cast.alice()).get("/settings/").status_code == 200


def test_wanted_page_is_kept_for_after_signing_in(client: Client) -> None:
    answer = client.get("/settings/?a=1&b=2")
    assert answer["Location"] == "/signin/?next=%2Fsettings%2F%3Fa%3D1%26b%3D2"
    assert client.post("/settings/appearance/")["Location"] == "/signin/"


def test_person_without_a_role_may_sign_out_but_not_in_anywhere(client: Client) -> None:
    cast.sign_in(client, cast.mallory())
    assert client.get("/settings/").status_code == 403
    assert client.post("/signout/").status_code == 302

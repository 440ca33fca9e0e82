"""The source of a request: what our own proxies say of it is believed, what the client claims is not."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from compliance.models import AuditEvent, Code
from tests import cast

pytestmark = pytest.mark.django_db

CLAIMED, CLIENT, OUTER, INNER = "198.51.100.66", "203.0.113.9", "10.0.0.1", "10.0.0.2"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "peer", "source", "chain"),
    [
        (0, "", CLIENT, CLIENT, []),
        (0, CLAIMED, CLIENT, CLIENT, []),
        (1, CLIENT, INNER, CLIENT, [INNER]),
        (1, f"{CLAIMED}, {CLIENT}", INNER, CLIENT, [INNER]),
        (2, f"{CLAIMED},{CLIENT}, {OUTER}", INNER, CLIENT, [OUTER, INNER]),
        (2, "", INNER, INNER, []),
        (1, f"{CLAIMED}, rubbish", INNER, None, [INNER]),
        (1, "2001:db8::7", INNER, "2001:db8::7", [INNER]),
        (1, " , ,", CLIENT, CLIENT, []),
    ],
    ids=["direct", "claimed", "proxy", "proxy and claim", "two", "past the proxies", "malformed", "IPv6", "blank"],
)
def test_source_of_a_request(
    client: Client, settings: Any, proxies: int, forwarded: str, peer: str, source: str | None, chain: list[str]
) -> None:
    settings.PROXIES = proxies
    cast.sign_in(client, cast.bob())
    assert client.get("/admin/", REMOTE_ADDR=peer, headers={"X-Forwarded-For": forwarded}).status_code == 403
    event = AuditEvent.objects.get(code=Code.AUTHZ_FAIL)
    assert (event.remote_addr, event.proxies) == (source, chain)

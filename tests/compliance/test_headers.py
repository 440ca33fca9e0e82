"""Headers of every answer, and the content policy of portal and admin."""

from __future__ import annotations

import pytest
from django.test import Client

from tests import cast

pytestmark = pytest.mark.django_db

PAGES = ["/signin/", "/status/", "/settings/", "/no-such-page/", "/api/health", "/api/no-such-thing", "/admin/"]


@pytest.mark.parametrize("address", PAGES)
@pytest.mark.parametrize("signed_in", [True, False], ids=["signed in", "stranger"])
def test_every_answer_carries_the_headers(client: Client, address: str, signed_in: bool) -> None:
    if signed_in:
        cast.sign_in(client, cast.ada())
    answer = client.get(address)
    assert answer["Cache-Control"] == "no-store"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "camera=()" in answer["Permissions-Policy"]
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert "unsafe" not in answer["Content-Security-Policy"]


def test_portal_enforces_trusted_types_and_the_admin_cannot(client: Client) -> None:
    cast.sign_in(client, cast.ada())
    assert "require-trusted-types-for 'script'" in client.get("/settings/")["Content-Security-Policy"]
    admin = client.get("/admin/")
    assert admin.status_code == 200
    assert "trusted-types" not in admin["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in admin["Content-Security-Policy"]

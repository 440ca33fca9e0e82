"""Everyone with a role has settings of their own."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from tests import cast

pytestmark = pytest.mark.django_db


def test_page_shows_choices_and_devices(client: Client) -> None:
    cast.sign_in(client, cast.otto())
    page = client.get(reverse("settings"))
    assert (page.context["theme"], page.context["shortcuts"], page.context["recovery_codes_left"]) == ("auto", True, 10)
    assert [device["name"] for device in page.context["devices"]] == ["Authenticator app"]


def test_choices_are_saved_for_this_person_only(client: Client) -> None:
    alice, bob = cast.alice(), cast.bob()
    cast.sign_in(client, alice)
    answer = client.post(reverse("settings-appearance"), {"theme": "dark", "shortcuts": "off", "next": "/library/"})
    assert answer["Location"] == "/library/"
    alice.refresh_from_db()
    bob.refresh_from_db()
    assert (alice.theme, alice.shortcuts) == ("dark", False)
    assert (bob.theme, bob.shortcuts) == ("auto", True)


def test_theme_menu_leaves_shortcuts_alone(client: Client) -> None:
    alice = cast.alice()
    alice.shortcuts = False
    alice.save(update_fields=["shortcuts"])
    cast.sign_in(client, alice)
    client.post(reverse("settings-appearance"), {"theme": "light"})
    alice.refresh_from_db()
    assert (alice.theme, alice.shortcuts) == ("light", False)


@pytest.mark.parametrize("sent", [{"theme": "neon"}, {"shortcuts": "maybe"}, {"theme": "dark", "shortcuts": "x"}])
def test_anything_else_changes_nothing(client: Client, sent: dict[str, str]) -> None:
    alice = cast.alice()
    cast.sign_in(client, alice)
    page = client.post(reverse("settings-appearance"), sent, follow=True)
    assert "Nothing was changed." in page.content.decode()
    alice.refresh_from_db()
    assert (alice.theme, alice.shortcuts) == ("auto", True)


def test_never_returns_to_another_site(client: Client) -> None:
    cast.sign_in(client, cast.alice())
    answer = client.post(reverse("settings-appearance"), {"theme": "dark", "next": "//evil.example"})
    assert answer["Location"] == reverse("settings")


def test_person_without_a_role_has_none(client: Client) -> None:
    cast.sign_in(client, cast.mallory())
    for name in ("settings-appearance", "settings-recovery-codes"):
        assert client.post(reverse(name)).status_code == 403

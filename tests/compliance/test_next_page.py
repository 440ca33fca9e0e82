"""Where a person is sent on to after signing in: the page they wanted, kept without what was typed into its address."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client
from django.urls import reverse

from compliance import phi
from compliance.access.next_page import kept
from compliance.models import Session
from tests import cast

pytestmark = pytest.mark.django_db
PAGE = f"/library/{uuid.UUID(int=7)}/"


@pytest.mark.parametrize(
    "target",
    [
        "/settings/",
        "/library/?q=warfarin+INR",
        f"{PAGE}?v=2&start=10&end=90",
        f"/compliance/audit/?object_type=chat.Turn&object_id={uuid.UUID(int=7)}&since=2026-11-01",
        "/compliance/people/?role=auditor&status=open&page=3",
    ],
)
def test_an_address_of_ours_is_kept(target: str) -> None:
    assert kept(target) == target


@pytest.mark.parametrize(
    ("target", "left"),
    [
        ("/library/?q=Mrs.+Quenbroth+warfarin", "/library/?q=Mrs.+%5Bname%5D+warfarin"),
        ("/library/?q=MRN+48213907&page=2", "/library/?q=MRN+%5Brecord+number%5D&page=2"),
        ("/access/emergency/?for=/patients/Mrs.+Quenbroth", "/access/emergency/?for=%2Fpatients%2FMrs.+%5Bname%5D"),
        ("/library/?anything=Quenbroth", "/library/"),
        (f"{PAGE}?v=Mrs.+Quenbroth&start=1", f"{PAGE}?start=1"),
        ("/library/?page=Quenbroth+Ottoline", "/library/"),
        ("/patients/quenbroth/", ""),
        ("/admin/compliance/user/quenbroth/change/", ""),
        ("//quenbroth.example/", ""),
        ("https://quenbroth.example/", ""),
        ("/library/#quenbroth", "/library/"),
    ],
)
def test_what_was_typed_is_not_kept(target: str, left: str) -> None:
    assert kept(target) == left


def test_without_a_masker_nothing_typed_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise phi.PhiUnavailable

    monkeypatch.setattr(phi, "mask", broken)
    assert kept("/library/?q=warfarin&page=2") == "/library/?page=2"


def test_the_session_keeps_no_more_than_that(client: Client) -> None:
    sent = {"email": cast.alice().email, "password": cast.PASSWORD, "next": "/library/?q=Mrs.+Quenbroth+warfarin"}
    client.post(reverse("signin"), sent)
    data = Session.objects.get().get_decoded()
    assert data["signin"]["next"].startswith("/library/")
    assert "Quenbroth" not in str(data)

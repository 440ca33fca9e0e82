"""Sign-in with the password of the hospital's directory, against a real slapd."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib import auth
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from compliance import directory, external_services
from compliance.access import lockout
from compliance.directory import Entry, ldap
from compliance.measured import State
from compliance.models import AuditEvent, Code, Notice, Outcome, User
from tests import cast, certificates
from tests.compliance import slapd
from tests.factories import make_user

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not slapd.SLAPD.exists(), reason="slapd is not installed (apt install slapd)"),
]
LENA = "lena@hospital.test"
LDAP = "compliance.directory.ldap.Ldap"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[slapd.Slapd]:
    folder = tmp_path_factory.mktemp("ldap")
    running = slapd.Slapd(folder / "slapd", certificates.make(folder / "tls"))
    running.start()
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def _configured(server: slapd.Slapd, settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = [*settings.AUTHENTICATION_BACKENDS, LDAP]
    settings.LDAP_URL, settings.LDAP_BASE = server.ldaps, slapd.BASE
    settings.LDAP_BIND_DN, settings.LDAP_BIND_PASSWORD = slapd.READER, slapd.READER_PASSWORD
    settings.LDAP_CA_FILE = str(server.files.ca)


def authenticate(email: str, password: str = slapd.PASSWORD) -> User | None:
    user = auth.authenticate(username=email, password=password)
    assert user is None or isinstance(user, User)
    return user


@pytest.mark.parametrize("scheme", ["ldaps", "ldap"])
def test_the_first_sign_in_makes_an_account_without_any_right(server: slapd.Slapd, settings: Any, scheme: str) -> None:
    settings.LDAP_URL = getattr(server, scheme)
    user = authenticate(" LENA@hospital.test ")
    assert user is not None
    assert (user.email, user.name, user.department) == (LENA, "Lena Lindqvist", "Internal medicine")
    assert (user.directory, len(user.directory_id)) == ("ldap", 36)
    assert not user.has_usable_password()
    assert user.roles == frozenset()
    assert AuditEvent.objects.filter(code=Code.USER_CREATED, object_id=str(user.pk)).count() == 1
    assert authenticate(LENA) == user
    assert User.objects.filter(email=LENA).count() == 1


def test_the_second_factor_is_asked_for(client: Client) -> None:
    answer = client.post(reverse("signin"), {"email": LENA, "password": slapd.PASSWORD})
    assert answer.status_code == 302
    assert answer["Location"] == reverse("signin-setup")
    assert client.get(reverse("settings")).status_code == 302
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize("password", ["wrong", "", " ", "\x00", "x" * 5000, "*"])
def test_no_other_password_opens_it(password: str) -> None:
    assert authenticate(LENA) is not None
    assert authenticate(LENA, password) is None
    assert authenticate("nobody@hospital.test", password) is None


@pytest.mark.parametrize(
    "typed",
    [
        "*",
        "*@hospital.test",
        "lena*",
        "lena@hospital.test)(mail=*",
        "x)(|(mail=lena@hospital.test)",
        "lena@hospital.test\\",
        "(",
        "lena@hospital.test,dc=hospital",
    ],
)
def test_what_is_typed_cannot_change_the_search(typed: str) -> None:
    assert authenticate(typed) is None
    assert ldap.Ldap().authenticate(None, f"{typed}\x00", slapd.PASSWORD) is None
    assert not User.objects.filter(directory="ldap").exists()


def test_signs_of_the_filter_in_a_name_do_no_harm() -> None:
    user = authenticate("omar@hospital.test")
    assert user is not None
    assert user.name == "Omar (Ward 3) *"


def test_an_address_of_two_people_is_nobodys() -> None:
    assert authenticate("twin@hospital.test") is None


def test_an_account_with_a_password_here_is_never_taken_over() -> None:
    local = make_user(email=LENA, password="a password kept here")
    ada = cast.ada()
    assert authenticate(LENA) is None
    assert authenticate(LENA, "a password kept here") == local
    assert directory.account_of(Entry("ldap", "1", LENA, "Lena")) is None
    assert directory.account_of(Entry("ldap", "1", LENA, "Lena")) is None
    local.refresh_from_db()
    assert (local.directory, local.name) == ("", local.name)
    refused = AuditEvent.objects.filter(code=Code.AUTHN_LOGIN_FAIL, outcome=Outcome.DENIED)
    assert [(event.object_id, event.detail) for event in refused] == [(str(local.pk), {"step": "directory"})] * 2
    assert Notice.objects.filter(user=ada).count() == 1, "once, until it is read"


def test_an_address_that_was_given_to_somebody_else_opens_nothing() -> None:
    before = authenticate(LENA)
    assert before is not None
    User.objects.filter(pk=before.pk).update(directory_id="an earlier Lena")
    assert authenticate(LENA) is None


def test_what_the_directory_says_is_kept_up_to_date() -> None:
    user = authenticate(LENA)
    User.objects.update(name="Lena Lind", department="")
    again = authenticate(LENA)
    assert again == user
    assert again is not None
    assert (again.name, again.department) == ("Lena Lindqvist", "Internal medicine")


@pytest.mark.parametrize("why", ["security", "left", "dormant"])
def test_a_closed_account_stays_closed(why: str, client: Client) -> None:
    user = authenticate(LENA)
    assert user is not None
    User.objects.filter(pk=user.pk).update(is_active=False, closed_because=why, closed_at=user.created_at)
    assert authenticate(LENA) is None
    assert directory.account_of(Entry("ldap", user.directory_id, LENA, "Lena")) is None
    answer = client.post(reverse("signin"), {"email": LENA, "password": slapd.PASSWORD})
    assert b"did not match" in answer.content


def test_a_password_here_cannot_be_given_to_such_an_account() -> None:
    user = authenticate(LENA)
    assert user is not None
    user.set_password("a second way in")
    with pytest.raises(IntegrityError), transaction.atomic():
        user.save()


def test_an_account_disabled_in_active_directory_is_refused() -> None:
    entry = {"mail": [LENA.encode()], "displayName": [b"Lena"], "objectGUID": [bytes(range(16))]}
    found = ldap._entry("cn=lena", entry | {"userAccountControl": [b"512"]}, LENA)
    assert found is not None
    assert found.id == "03020100-0504-0706-0809-0a0b0c0d0e0f"
    assert ldap._entry("cn=lena", entry | {"userAccountControl": [b"514"]}, LENA) is None
    assert ldap._entry("cn=lena", entry, "somebody.else@hospital.test") is None


def test_control_characters_and_long_texts_are_cut() -> None:
    user = directory.account_of(Entry("ldap", "1", LENA, "Le\x00na\u202e\n" + "x" * 500, department="d" * 300))
    assert user is not None
    assert user.name.startswith("Lenaxxx")
    assert (len(user.name), len(user.department)) == (200, 100)
    for broken in (
        Entry("ldap", "", LENA, "L"),
        Entry("ldap", "2", "no address", "L"),
        Entry("ldap", "3" * 301, LENA, "L"),
    ):
        assert directory.account_of(broken) is None


def test_nothing_writes_past_our_lines() -> None:
    authenticate(LENA)
    assert logging.getLogger("pyasn1").handlers == []


def test_a_directory_that_is_gone_leaves_local_accounts_alone(client: Client, settings: Any) -> None:
    settings.LDAP_URL = "ldaps://localhost:9"
    ada = cast.ada()
    assert authenticate(ada.email, cast.PASSWORD) == ada
    for email in (ada.email, LENA, "nobody@hospital.test"):  # who has an account here does not show
        with pytest.raises(directory.Unavailable):
            authenticate(email, "wrong")
    for _ in range(5):
        client.post(reverse("signin"), {"email": ada.email, "password": "wrong"})
    assert lockout.left(ada.email, "127.0.0.1") > 0, "guesses count while the directory is gone"
    answer = client.post(reverse("signin"), {"email": LENA, "password": slapd.PASSWORD})
    assert answer.status_code == 503
    assert "directory does not answer" in answer.content.decode()
    assert LENA in answer.content.decode()


def test_a_server_with_another_certificate_is_told_nothing(tmp_path: Path, settings: Any, server: slapd.Slapd) -> None:
    settings.LDAP_CA_FILE = str(certificates.make(tmp_path / "others").ca)
    for settings.LDAP_URL in (server.ldaps, server.ldap):
        with pytest.raises(directory.Unavailable):
            authenticate(LENA)


def test_a_certificate_for_another_name_is_refused(tmp_path: Path, settings: Any) -> None:
    files = certificates.make(tmp_path / "tls", host="ldap.hospital.test")
    other = slapd.Slapd(tmp_path / "slapd", files)
    other.start()
    try:
        settings.LDAP_CA_FILE = str(files.ca)
        for settings.LDAP_URL in (other.ldaps, other.ldap):
            with pytest.raises(directory.Unavailable):
                authenticate(LENA)
    finally:
        other.stop()


def test_a_wrong_password_of_the_reader_is_our_fault_not_the_persons(settings: Any) -> None:
    settings.LDAP_BIND_PASSWORD = "wrong"
    with pytest.raises(directory.Unavailable):
        authenticate(LENA)


def test_the_api_signs_in_the_same_way(client: Client, settings: Any) -> None:
    body = {"email": LENA, "password": slapd.PASSWORD}
    assert authenticate(LENA) is not None
    answer = client.post(reverse("api-login"), body, content_type="application/json")
    assert answer.status_code != 503
    assert "access" not in answer.json()
    settings.LDAP_URL = "ldaps://localhost:9"
    answer = client.post(reverse("api-login"), body, content_type="application/json")
    assert (answer.status_code, answer["Content-Type"]) == (503, "application/problem+json")


def test_wrong_passwords_lock_it_as_any_other(client: Client) -> None:
    for _ in range(6):
        answer = client.post(reverse("signin"), {"email": LENA, "password": "wrong"})
    assert "Too many tries" in answer.content.decode()
    assert AuditEvent.objects.filter(code=Code.AUTHN_LOGIN_FAIL).count() == 5
    answer = client.post(reverse("signin"), {"email": LENA, "password": slapd.PASSWORD})
    assert "Too many tries" in answer.content.decode()


def test_it_is_tried_with_our_own_account(settings: Any) -> None:
    (found,) = external_services.check(["directory"])
    assert (found.state, found.words.split(",")[0]) == (State.OK, "takes our sign-in")
    settings.LDAP_BIND_PASSWORD = "another one"
    (found,) = external_services.check(["directory"])
    assert found.state == State.FAILED

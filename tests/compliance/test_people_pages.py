"""The list of people, the page of one, and who may do what to an account there."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from html import unescape

import pytest
from django.test import Client

from clinchat.lib import clock
from compliance.access import Role, people, role_changes
from compliance.models import AuditEvent, Code, OneTimeLink, User
from tests import cast
from tests.factories import make_user

pytestmark = pytest.mark.django_db
PAGE = "/compliance/people/"
READERS = [cast.pat, cast.sam, cast.carol, cast.audra, cast.ada, cast.dora]
OTHERS = [cast.alice, cast.nadia, cast.otto, cast.mallory]
ACTS = ("link", "close", "leave", "reopen", "role")


def signed_in(person: Callable[[], User]) -> Client:
    return cast.sign_in(Client(), person())


def read(client: Client, address: str) -> str:
    page = client.get(address)
    assert page.status_code == 200
    return unescape(page.content.decode())


def act(client: Client, about: User, what: str, **fields: str) -> str:
    page = client.post(f"{PAGE}{about.pk}/{what}/", fields, follow=True)
    assert page.status_code == 200
    return unescape(page.content.decode())


@pytest.mark.parametrize("person", READERS)
def test_who_may_read_the_list_and_a_page(person: Callable[[], User]) -> None:
    client, bob = signed_in(person), cast.bob()
    assert "Bob Brandt" in read(client, PAGE)
    text = read(client, f"{PAGE}{bob.pk}/")
    assert "bob@clinchat.example" in text
    assert "Clinician" in text
    assert AuditEvent.objects.filter(code=Code.SENSITIVE_READ, object_id=str(bob.pk)).count() == 1


@pytest.mark.parametrize("person", OTHERS)
def test_who_may_not_is_refused_everywhere(person: Callable[[], User]) -> None:
    client, bob = signed_in(person), cast.bob()
    for address in (PAGE, f"{PAGE}{bob.pk}/", f"{PAGE}new/"):
        assert client.get(address).status_code == 403, address
    for what in ACTS:
        assert client.post(f"{PAGE}{bob.pk}/{what}/", {"sure": "yes"}).status_code == 403, what
    bob.refresh_from_db()
    assert bob.is_active


@pytest.mark.parametrize("person", [cast.pat, cast.carol, cast.audra, cast.dora])
def test_who_only_reads_finds_no_buttons_and_no_way_past_them(person: Callable[[], User]) -> None:
    client, bob = signed_in(person), cast.bob()
    text = read(client, f"{PAGE}{bob.pk}/")
    for words in ("One-time links", "Close the account", "End of employment", "End all sessions"):
        assert words not in text
    assert ("Ask for a change" in text) == (person is cast.dora)
    assert ("object_id=" in text) == (person is not cast.dora), "the history is for those who read the trail"
    assert "Make an account" not in read(client, PAGE)
    for what in ("link", "close", "leave", "reopen"):
        assert client.post(f"{PAGE}{bob.pk}/{what}/", {"sure": "yes"}).status_code == 403, what


def test_a_department_head_sees_the_own_department_alone() -> None:
    dora, other = signed_in(cast.dora), make_user(name="Olaf Other", department="Surgery")
    cast.bob(), cast.pat()
    text = read(dora, PAGE)
    assert "Bob Brandt" in text
    assert "Olaf Other" not in text
    assert "Pat Petrov" not in text
    assert "Olaf Other" not in read(dora, f"{PAGE}?q=Olaf")
    assert dora.get(f"{PAGE}{other.pk}/").status_code == 404
    assert dora.get(f"{PAGE}{uuid.uuid4()}/").status_code == 404
    assert AuditEvent.objects.get(code=Code.AUTHZ_FAIL).object_id == str(other.pk)
    User.objects.filter(email="dora@clinchat.example").update(department="")
    assert "Nobody matches" in read(dora, PAGE)


def names(text: str) -> set[str]:
    return set(re.findall(r'<th scope="row"><a href="[^"]+">([^<]+)</a>', text))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=brandt", {"Bob Brandt, RN"}),
        ("q=BOB%40clinchat", {"Bob Brandt, RN"}),
        ("q=internal+bob", {"Bob Brandt, RN"}),
        ("q=%25", set()),
        ("role=auditor", {"Audra Aziz"}),
        ("role=none", {"Mallory Moss"}),
        ("status=dormant", {"Olga Old"}),
        ("status=closed", {"Olga Old"}),
        ("status=service", set()),
        ("q=old&status=open", set()),
        ("role=emperor", set()),
        ("status=gone", set()),
        ("q=a%00b", set()),
        ("q=" + "x" * 101, set()),
    ],
)
def test_search_and_filters(query: str, found: set[str]) -> None:
    old = make_user(name="Olga Old", roles=[Role.CLINICIAN])
    cast.bob(), cast.audra(), cast.mallory()
    people.close(old, because=User.Closed.DORMANT, by=None)
    assert names(read(signed_in(cast.sam), f"{PAGE}?{query}")) == found


def test_what_is_wrong_with_a_condition_is_said() -> None:
    sam = signed_in(cast.sam)
    assert "That is not one of the choices." in read(sam, f"{PAGE}?role=emperor")
    assert "Null characters" in read(sam, f"{PAGE}?q=a%00b")


def test_the_list_comes_in_pages() -> None:
    for number in range(30):
        make_user(name=f"Zoe {number:02}")
    sam = signed_in(cast.sam)
    first, second = (names(read(sam, f"{PAGE}?q=zoe&page={page}")) for page in (1, 2))
    assert (len(first), len(second), first & second) == (25, 5, set())
    assert "q=zoe&amp;page=2#results" in sam.get(f"{PAGE}?q=zoe").content.decode()
    assert names(read(sam, f"{PAGE}?q=zoe&page=nonsense")) == first
    assert names(read(sam, f"{PAGE}?q=zoe&page=99")) == second


def test_what_was_searched_for_is_not_on_record() -> None:
    read(signed_in(cast.sam), f"{PAGE}?q=heron")
    event = AuditEvent.objects.get(code=Code.SENSITIVE_READ)
    assert event.detail == {"people": 0}
    assert b"heron" not in bytes(event.canonical)


# ── Making an account ──────────────────────────────────────────────────────────────────────────────────────────


def new(client: Client, **fields: str) -> str:
    sent = {"name": "Nina New", "email": "Nina.New@Hospital.test", "title": "MD", "department": "Surgery"} | fields
    return unescape(client.post(f"{PAGE}new/", sent).content.decode())


@pytest.mark.parametrize("person", [cast.sam, cast.ada])
def test_an_account_is_made_without_role_or_password_and_its_link_shown_once(person: Callable[[], User]) -> None:
    client = signed_in(person)
    assert "Make an account" in read(client, f"{PAGE}new/")
    text = new(client)
    nina = User.objects.get(email="nina.new@hospital.test")
    assert (nina.name, nina.title, nina.department) == ("Nina New", "MD", "Surgery")
    assert not nina.has_usable_password()
    assert not nina.role_assignments.exists()
    link = OneTimeLink.objects.get(user=nina)
    assert (link.purpose, link.made_by) == ("invite", person())
    path = re.search(r"http://testserver(/signin/password/[^<]+)", text)
    assert path is not None
    assert Client().get(path[1], follow=True).status_code == 200
    assert path[1] not in read(client, f"{PAGE}{nina.pk}/")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"email": "ALICE@clinchat.example"}, "Somebody has an account with this e-mail already."),
        ({"email": "nina"}, "the part after the @"),
        ({"email": "nina@" + "x" * 250 + ".test"}, "at most 254 characters"),
        ({"name": " "}, "Enter the full name."),
        ({"name": "x" * 201}, "at most 200 characters"),
        ({"name": "N\x00"}, "Null characters"),
        ({"department": "x" * 101}, "at most 100 characters"),
    ],
)
def test_an_account_that_cannot_be_is_not_made(fields: dict[str, str], words: str) -> None:
    cast.alice()
    sam = signed_in(cast.sam)
    before = User.objects.count()
    assert words in new(sam, **fields)
    assert User.objects.count() == before


@pytest.mark.parametrize("person", [cast.pat, cast.dora, cast.audra])
def test_who_reads_makes_no_account(person: Callable[[], User]) -> None:
    assert signed_in(person).post(f"{PAGE}new/", {"name": "X", "email": "x@hospital.test"}).status_code == 403
    assert not User.objects.filter(email="x@hospital.test").exists()


def test_what_opens_an_account_needs_both_factors_again() -> None:
    """Making an account, making a link and approving a role: not ten minutes after the last proof."""
    sam, bob = signed_in(cast.sam), cast.bob()
    request = role_changes.ask(kind="give", user=bob, role="auditor", reason="Why not", by=cast.ada())
    session = sam.session
    session["proved_at"] = (clock.now() - timedelta(minutes=11)).timestamp()
    session.save()
    for address, sent in (
        (f"{PAGE}new/", {"name": "Nina", "email": "nina@hospital.test"}),
        (f"{PAGE}{bob.pk}/link/", {"purpose": "password"}),
        (f"/compliance/roles/{request.pk}/approve/", {}),
    ):
        answer = sam.post(address, sent, headers={"referer": f"http://testserver{PAGE}"})
        assert answer["Location"] == "/signin/again/?next=%2Fcompliance%2Fpeople%2F", address
    assert not User.objects.filter(email="nina@hospital.test").exists()
    assert not OneTimeLink.objects.exists()
    assert bob.roles == {Role.CLINICIAN}


# ── What is done to an account ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("purpose", ["password", "factors"])
def test_links_for_password_and_factors(purpose: str) -> None:
    text = act(signed_in(cast.sam), cast.bob(), "link", purpose=purpose)
    assert "http://testserver/signin/" in text
    assert OneTimeLink.objects.get().purpose == purpose


@pytest.mark.parametrize("purpose", ["invite", "", "everything", "pass\x00word"])
def test_links_that_make_no_sense_are_not_made(purpose: str) -> None:
    assert "There is no such link" in act(signed_in(cast.sam), cast.bob(), "link", purpose=purpose)
    assert not OneTimeLink.objects.exists()


def test_one_person_does_not_make_both_links_of_an_account() -> None:
    sam, bob = signed_in(cast.sam), cast.bob()
    act(sam, bob, "link", purpose="password")
    assert "Somebody else has to make this one" in act(sam, bob, "link", purpose="factors")
    assert OneTimeLink.objects.count() == 1


def test_a_program_and_the_directory_have_no_such_links() -> None:
    program = make_user(is_service=True)
    directory = make_user(directory="ldap", directory_id="x")
    sam = signed_in(cast.sam)
    for about in (program, directory):
        assert "One-time links" not in read(sam, f"{PAGE}{about.pk}/")
        for purpose in ("invite", "password", "factors"):
            assert "There is no such link" in act(sam, about, "link", purpose=purpose)


@pytest.mark.parametrize("person", [cast.sam, cast.ada])
def test_nobody_manages_their_own_account(person: Callable[[], User]) -> None:
    client, own = signed_in(person), person()
    make_user(roles=[Role.ADMIN])
    assert "This is your own account." in read(client, f"{PAGE}{own.pk}/")
    for what in ("link", "close", "leave", "reopen"):
        answer = client.post(f"{PAGE}{own.pk}/{what}/", {"sure": "yes", "purpose": "password"})
        assert answer.status_code == 403, what
    own.refresh_from_db()
    assert own.is_active
    assert not OneTimeLink.objects.exists()
    assert AuditEvent.objects.filter(code=Code.AUTHZ_FAIL, object_id=str(own.pk)).count() == 4


def test_an_account_is_closed_and_opened_again() -> None:
    sam, bob = signed_in(cast.sam), cast.bob()
    browser = cast.sign_in(Client(), bob)
    assert "The account is closed." in act(sam, bob, "close")
    bob.refresh_from_db()
    assert (bob.is_active, bob.closed_because) == (False, "security")
    assert browser.get("/settings/").status_code == 302
    assert "Closed by security" in read(sam, f"{PAGE}{bob.pk}/")
    assert "closed already" in act(sam, bob, "close")
    assert "open again" in act(sam, bob, "reopen")
    bob.refresh_from_db()
    assert (bob.is_active, bob.closed_because, bob.closed_at) == (True, "", None)
    assert bob.roles == {Role.CLINICIAN}
    assert "open already" in act(sam, bob, "reopen")
    assert cast.sign_in(Client(), bob).get("/settings/").status_code == 200


def test_the_last_administrator_is_not_closed() -> None:
    sam, ada = signed_in(cast.sam), cast.ada()
    for what in ("close", "leave"):
        assert "Nobody else could administer" in act(sam, ada, what, sure="yes")
    ada.refresh_from_db()
    assert ada.is_active
    second = make_user(roles=[Role.ADMIN])
    assert "The account is closed." in act(sam, ada, "close")
    assert "Nobody else could administer" in act(sam, second, "close")


def test_ending_an_employment_takes_a_second_look() -> None:
    sam, bob = signed_in(cast.sam), cast.bob()
    assert "Tick the box to confirm" in act(sam, bob, "leave")
    bob.refresh_from_db()
    assert bob.is_active
    assert "The employment has ended" in act(sam, bob, "leave", sure="yes")
    bob.refresh_from_db()
    assert (bob.is_active, bob.closed_because) == (False, "left")

"""What a password must be, and changing one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from compliance.access import breached, links
from compliance.access.sessions import PROVED_AT
from compliance.models import AuditEvent, Code, Notice, OneTimeLink, User
from tests import cast
from tests.compliance.waiting import from_its_beginning

NEW = "amber kettle drifts slowly"
pytestmark = pytest.mark.django_db


def why_not(password: str, user: User | None = None) -> str:
    """What is wrong with a password; empty for a good one."""
    try:
        validate_password(password, user)
    except ValidationError as refused:
        return " ".join(refused.messages)
    return ""


# ── What it must be ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "password",
    [
        NEW,
        "fifteen letters",
        "only small letters in this one",
        "päärynä ja omena ñandú",
        "密码是一个很长的句子没有人会猜到的",
        "🜁🜂🜃🜄 four elements 🜁",
        "83 falcons 19 winters 47",
        "x" * 490 + "and one thousand characters".ljust(510, "y"),
    ],
)
def test_long_and_uncommon_is_enough(password: str) -> None:
    assert why_not(password) == ""


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("", "at least 15"),
        ("fourteen chars", "at least 15"),
        ("1qaz2wsx3edc4rfv", "first passwords an attacker tries"),
        ("PasswordPassword", "first passwords an attacker tries"),
        ("password-password-password", "first passwords an attacker tries"),
        ("Letmein!!!!!!!!!!!", "first passwords an attacker tries"),
        ("***iloveyou2026***", "first passwords an attacker tries"),
        ("qwertyuiopqwerty", "first passwords an attacker tries"),
        ("12345678901234567", "first passwords an attacker tries"),
        ("ababababababababab", "same few characters"),
        (" " * 20, "same few characters"),
        ("welcome to ClinChat today", "the name ClinChat"),
        ("x" * 1001, "at most 1,000"),
        ("x" * 10_000, "at most 1,000"),
        ("nul \x00 in the middle", "can be typed"),
        ("half \ud800 a character of it", "can be typed"),
    ],
)
def test_what_is_refused_and_why(password: str, words: str) -> None:
    assert words in why_not(password)


@pytest.mark.parametrize(
    "password", ["dr ADEYEMI was here", "adeyemi1987adeyemi!", "alice walks at dawn", "clinchat.example rocks"]
)
def test_name_and_address_of_the_person_are_left_out(password: str) -> None:
    assert "your name" in why_not(password, cast.alice())


def test_name_of_somebody_else_is_no_matter() -> None:
    assert why_not("alice walks at dawn", cast.bob()) == ""


def test_hospital_may_ask_for_more_or_less(settings: Any) -> None:
    settings.CLINCHAT_PASSWORD_LENGTH = 30
    assert "at least 30" in why_not(NEW)
    settings.CLINCHAT_PASSWORD_LENGTH = 8
    assert why_not("amberkettle") == ""
    assert "attacker" in why_not("trustno1")


def test_rules_of_composition_are_off_unless_the_hospital_wants_them(settings: Any) -> None:
    assert why_not(NEW) == ""
    settings.CLINCHAT_PASSWORD_RULES = True
    assert why_not(NEW) == "Add a capital letter and a digit."
    assert why_not("AmberKettle7drifts") == "Add a sign or a space."
    assert why_not("Amber kettle 7 drifts") == ""


# ── The list ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_list_holds_the_hundred_thousand_and_little_else() -> None:
    assert breached.FILE.stat().st_size // breached.BYTES >= 100_000
    assert breached.FILE.stat().st_size < 600_000
    entries = breached.FILE.read_bytes()
    cut = [entries[n : n + breached.BYTES] for n in range(0, len(entries), breached.BYTES)]
    assert cut == sorted(set(cut))
    assert all(map(breached.is_common, ("123456", "password", "dragon", "070162", "lhbjkjubz2957704")))
    assert not any(breached.is_common(f"no such password {n}") for n in range(1000))


def test_list_can_be_compiled_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words, out = tmp_path / "words.txt", tmp_path / "out.bin"
    words.write_text("first\nsecond\nthird\na very long one at the end\n")
    call_command("compile_breached", words, "--top", "2", "--output", out)
    assert out.stat().st_size == 3 * breached.BYTES
    monkeypatch.setattr(breached, "_entries", out.read_bytes)
    assert [breached.is_common(w) for w in ("first", "second", "third", "a very long one at the end")] == [
        True,
        True,
        False,
        True,
    ]
    with pytest.raises(CommandError, match="has 4 passwords, not 100000"):
        call_command("compile_breached", words, "--output", out)
    assert out.stat().st_size == 3 * breached.BYTES, "nothing was written"
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("compile_breached", tmp_path / "none.txt", "--output", out)


# ── Changing one's own ─────────────────────────────────────────────────────────────────────────────────────────


def change(client: Client, *, current: str = cast.PASSWORD, new: str = NEW, repeated: str = NEW) -> Any:
    fields = {"current": current, "new": new, "repeated": repeated}
    return client.post(reverse("settings-password"), fields)


def has(user: User, password: str) -> bool:
    return User.objects.get(pk=user.pk).check_password(password)


def test_new_password_is_on_record_told_and_ends_other_sessions(client: Client) -> None:
    alice = cast.alice()
    here, elsewhere = cast.sign_in(client, alice), cast.sign_in(Client(), alice)
    key, proved = here.session.session_key, here.session[PROVED_AT]
    links.make(alice, OneTimeLink.Purpose.PASSWORD, cast.sam())
    assert change(here)["Location"] == reverse("settings")
    assert has(alice, NEW)
    assert here.get(reverse("settings")).status_code == 200
    assert elsewhere.get(reverse("settings")).status_code == 302
    assert here.session.session_key != key
    assert here.session[PROVED_AT] == proved
    event = AuditEvent.objects.get(code=Code.AUTHN_PASSWORD_CHANGE)
    assert (event.actor_id, event.object_id, event.detail) == (alice.pk, str(alice.pk), {"how": "changed"})
    assert "Your password was changed" in Notice.objects.filter(user=alice).values_list("title", flat=True)
    assert not OneTimeLink.objects.live().filter(user=alice).exists()


def test_current_password_is_needed_and_tries_are_counted(client: Client) -> None:
    alice = cast.alice()
    cast.sign_in(client, alice)
    for _ in range(5):
        page = change(client, current="not mine at all")
        assert page.context["form"].errors["current"] == ["That is not your password. Check it and try again."]
    assert "Too many tries. Wait 30 s" in from_its_beginning(str(change(client).context["form"].errors["current"]))
    assert not has(alice, NEW)
    assert AuditEvent.objects.filter(code=Code.AUTHN_LOGIN_FAIL, object_id=str(alice.pk)).count() == 5


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"new": "f3w-letters", "repeated": "f3w-letters"}, "new"),
        ({"new": "passwordpassword", "repeated": "passwordpassword"}, "new"),
        ({"repeated": "another one altogether"}, "repeated"),
        ({"new": "a\x00b" * 10, "repeated": "a\x00b" * 10}, "new"),
        ({"new": "x" * 10_000, "repeated": "x" * 10_000}, "new"),
        ({"current": ""}, "current"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(client: Client, fields: dict[str, str], at: str) -> None:
    alice = cast.alice()
    page = change(cast.sign_in(client, alice), **fields)
    assert page.context["form"].errors[at]
    assert has(alice, cast.PASSWORD)
    assert not AuditEvent.objects.filter(code=Code.AUTHN_PASSWORD_CHANGE).exists()
    assert all(value.encode() not in page.content for value in fields.values() if value), "a password came back"


def test_unicode_is_kept_as_it_was_typed(client: Client) -> None:
    alice = cast.alice()
    typed = "  cafe\u0301 au lait, demain "  # spaces around it, and an accent as a character of its own
    change(cast.sign_in(client, alice), new=typed, repeated=typed)
    assert has(alice, typed)
    assert not has(alice, typed.strip())


def test_old_proof_is_not_enough(client: Client) -> None:
    alice = cast.alice()
    cast.sign_in(client, alice, proved=False)
    assert change(client)["Location"].startswith("/signin/again/")
    assert has(alice, cast.PASSWORD)


def test_password_in_the_directory_is_not_changed_here(client: Client) -> None:
    alice = cast.alice()
    alice.set_unusable_password()
    alice.directory, alice.directory_id = "ldap", "7"
    alice.save(update_fields=["password", "directory", "directory_id"])
    page = cast.sign_in(client, alice).get(reverse("settings-password"))
    assert "kept by the hospital's directory" in page.content.decode().replace("&#x27;", "'")
    assert change(client).status_code == 200
    assert not has(alice, NEW)

"""manage.py validate_phi_protection: each check passes on a sound system, and fails when what it looks at is broken."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import redis
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from chat import services
from chat.models import Conversation, Feedback, Turn
from compliance import mask_terms, masked_texts, masking, metrics, phi, phi_checks
from compliance.logs.lines import Lines
from compliance.models import AuditEvent, User, VaultEntry
from compliance.phi import lexicon, selftest
from compliance.phi_checks import State
from tests import cast

pytestmark = pytest.mark.django_db

SAID = "Mrs. Ottoline Quenby, MRN 48213907, born 03/14/1951, asks about warfarin."


@pytest.fixture(autouse=True)
def _sound(settings: Any) -> Iterator[None]:
    """Whatever earlier tests counted or broke."""
    own = redis.Redis.from_url(settings.REDIS_URL)
    if keys := list(own.scan_iter("metrics:*")):
        own.delete(*keys)
    mask_terms._Seen.at = float("-inf")
    lexicon.hashes.cache_clear()
    before = list(selftest._last)
    yield
    selftest._last[:] = before
    lexicon.hashes.cache_clear()


def run(sample: int = 100, handlers: Sequence[logging.Handler] = (Lines(),)) -> list[phi_checks.Result]:
    """With ClinChat's handlers alone: pytest adds its own."""
    with mock.patch.object(logging.root, "handlers", list(handlers)):
        return phi_checks.run(sample)


def result(key: str, **given: Any) -> phi_checks.Result:
    (found,) = (one for one in run(**given) if one.key == key)
    return found


def asked(text: str = SAID, comment: str = "") -> Turn:
    turn = services.ask(author=cast.alice(), text=text, submission=uuid.uuid4())
    if comment:
        services.rate(turn=turn, helpful=True, comment=comment)
    return turn


def test_a_sound_system_passes_every_check() -> None:
    asked(comment="Dr. Priya Raman agreed, call 212-555-0187.")
    found = {one.key: (one.state, one.observed) for one in run()}
    assert {state for state, _ in found.values()} == {State.PASS}, found
    assert len(found) == len(phi_checks.CHECKS) == 10
    assert "uenby" not in str(found)


# ── Each of them broken ────────────────────────────────────────────────────────────────────────────────────────


def test_self_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "restore", lambda text, *_: text)
    found = result("phi.self_test")
    assert (found.state, "not name, name-lower-case, " in found.observed) == (State.FAIL, True)


def test_a_word_list_of_another_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = tmp_path / "built.sha256"
    other.write_text(lexicon.MANIFEST.read_text().replace("  words.txt", "0  words.txt"))
    monkeypatch.setattr(lexicon, "MANIFEST", other)
    found = result("phi.lexicons")
    assert (found.state, "words.txt" in found.observed) == (State.FAIL, True)


def test_no_word_lists_at_all_is_no_pass(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "built.sha256").write_text("")
    monkeypatch.setattr(lexicon, "MANIFEST", tmp_path / "built.sha256")
    assert result("phi.lexicons").state is State.FAIL
    monkeypatch.setattr(lexicon, "MANIFEST", tmp_path / "nothing")
    assert result("phi.lexicons").state is State.ERROR


def test_a_model_that_is_not_as_configured(settings: Any) -> None:
    settings.PHI_NER = not phi.ner_active()
    assert result("phi.model").state is State.FAIL


def test_local_terms_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OperationalError("the patient is Ottoline Quenby")

    monkeypatch.setattr(mask_terms, "current", away)
    found = result("phi.local_terms")
    assert (found.state, found.observed) == (State.ERROR, "could not look: OperationalError")


def test_the_invented_patient_counts_for_nothing() -> None:
    before = metrics.read()
    assert result("phi.canary").state is State.PASS
    assert metrics.read() == before


def test_a_feature_that_stores_what_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "_title", lambda _: "About Ottoline Quenby")
    found = result("phi.canary")
    assert (found.state, "NAME" in found.observed, "uenby" in found.observed) == (State.FAIL, True, False)


def test_a_value_that_is_stored_as_plain_bytes() -> None:
    def bare(text: str) -> None:
        VaultEntry.objects.create(scope=uuid.uuid4(), token="[SSN-1]", label="SSN", blind_index=b"", value="sealed")
        value = phi_checks.CANARY[phi.Label.SSN].encode()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE compliance_vaultentry SET sealed = %s", [value])

    masked_texts.on_trial("bare", bare)
    try:
        found = result("phi.canary")
    finally:
        del masked_texts._trials["bare"]
    assert (found.state, "SSN" in found.observed) == (State.FAIL, True)


def test_masking_that_misses_a_class(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = phi.mask

    def blind(text: str, known: Any = ()) -> phi.Masked:
        """Masks all but the Social Security number."""
        value = phi_checks.CANARY[phi.Label.SSN]
        found = mask(text.replace(value, "something"), known)
        return phi.Masked(found.text.replace("something", value), found.spans, found.tokens, found.spellings, found.new)

    monkeypatch.setattr(phi, "mask", blind)
    found = result("phi.canary")
    assert (found.state, found.observed.partition(" of ")[0], "SSN" in found.observed) == (State.FAIL, "1", True)


def test_the_canary_leaves_nothing_behind() -> None:
    tables = (User, Conversation, Turn, Feedback, VaultEntry, AuditEvent)
    before = [model._default_manager.count() for model in tables]
    assert result("phi.canary").state is State.PASS
    assert [model._default_manager.count() for model in tables] == before


def test_no_feature_to_try_is_no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masked_texts, "_trials", {})
    assert result("phi.canary").state is State.FAIL


@pytest.mark.parametrize(("model", "field"), [(Turn, "question"), (Conversation, "title"), (Feedback, "comment")])
def test_something_left_in_a_stored_text(model: Any, field: str) -> None:
    asked(comment="Good.")
    model.objects.update(**{field: "Patient Maria Gonzalez, SSN 078-05-1120, with [NAME-1]"})
    found = result("phi.stored")
    assert (found.state, f"{field} SSN 1" in found.observed) == (State.FAIL, True)
    assert "Gonzalez" not in found.observed


def test_only_the_newest_texts_are_read_again() -> None:
    Turn.objects.filter(pk=asked().pk).update(question="Patient Maria Gonzalez, SSN 078-05-1120")
    Conversation.objects.update(title="A question")
    asked("When is metformin held?")
    assert result("phi.stored", sample=1).state is State.PASS
    assert result("phi.stored", sample=2).state is State.FAIL


def test_tokens_and_the_words_around_them_are_no_finding() -> None:
    asked("Mr. [NAME-1] and Dr. Okafor, seen at Mercy General Hospital on 3/4/2024, fax 312-555-0164, age 93.")
    assert result("phi.stored").state is State.PASS


@pytest.mark.parametrize("blob", [b"Ottoline Quenby", b"\x02\x01kOttoline Quenby"])
def test_a_vault_value_that_is_not_sealed(blob: bytes) -> None:
    asked()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE compliance_vaultentry SET sealed = %s WHERE token = '[NAME-1]'", [blob])
    found = result("phi.vault")
    assert (found.state, "1 do not open" in found.observed) == (State.FAIL, True)


def test_a_vault_value_moved_to_another_row() -> None:
    asked()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE compliance_vaultentry SET sealed = (SELECT sealed FROM compliance_vaultentry "
            "WHERE token = '[MRN-1]') WHERE token = '[NAME-1]'"
        )
    assert result("phi.vault").state is State.FAIL


def test_a_handler_that_writes_lines_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("clinchat.errors"), "handlers", [logging.StreamHandler(StringIO())])
    found = result("phi.logs")
    assert (found.state, " 1 without it" in found.observed) == (State.FAIL, True)


def test_a_library_brings_no_handler_of_its_own() -> None:
    """spaCy adds one when it is imported, which is after logging was set up."""
    library = logging.getLogger(f"library-{uuid.uuid4()}")
    for handler in (logging.StreamHandler(StringIO()), logging.NullHandler(), Lines()):
        library.addHandler(handler)
    assert [type(one) for one in library.handlers] == [logging.NullHandler, Lines]
    library.handlers.clear()  # the logger stays, for other tests to find
    assert not logging.getLogger("spacy").handlers


def test_a_line_that_is_not_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compliance.logs.masking._masked", lambda text, _: text)
    assert result("phi.logs").state is State.FAIL


def test_no_handlers_at_all_is_no_pass() -> None:
    assert result("phi.logs", handlers=[]).state is State.FAIL


def test_a_text_that_could_not_be_masked() -> None:
    masking.failed(where="question")
    found = result("phi.failures")
    assert (found.state, found.observed) == (State.FAIL, "1 in the last day")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("log_min_error_statement", "error"),
        ("log_error_verbosity", "default"),
        ("log_statement", "mod"),
        ("log_min_duration_statement", "250"),
        ("log_min_messages", "warning"),
        ("auto_explain.log_min_duration", "0"),
    ],
)
def test_a_database_that_logs_statements(setting: str, value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, %s, true)", [setting, value])
    found = result("phi.database_log")
    assert (found.state, found.observed) == (State.FAIL, f"1 of 10 settings otherwise: {setting}")


def test_numbers_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise metrics.Unavailable

    monkeypatch.setattr(metrics, "last_day", away)
    assert result("phi.failures").state is State.ERROR


# ── The command ────────────────────────────────────────────────────────────────────────────────────────────────


def said(*words: str) -> tuple[int, str]:
    out = StringIO()
    try:
        with mock.patch.object(logging.root, "handlers", [Lines()]):
            call_command("validate_phi_protection", *words, stdout=out)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue()
    return 0, out.getvalue()


def test_a_table_for_people() -> None:
    code, text = said()
    assert code == 0, text
    assert all(key in text for key in phi_checks.CHECKS)
    assert text.endswith("10 of 10 checks passed.\n")


def test_one_object_for_programs() -> None:
    masking.failed(where="question")
    code, text = said("--json")
    found = json.loads(text)
    assert (code, found["ok"]) == (1, False)
    assert {one["key"]: one["state"] for one in found["checks"]}["phi.failures"] == "fail"
    assert set(found["checks"][0]) == {"key", "state", "observed", "expected", "ms"}


@pytest.mark.parametrize("sample", ["0", "-1", "many", "9" * 9])
def test_a_sample_that_is_no_number(sample: str) -> None:
    with pytest.raises(CommandError, match="must be a number from 1 to 1000000"):
        call_command("validate_phi_protection", "--sample", sample)

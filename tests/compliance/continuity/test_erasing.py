"""Two people make the values of a patient, a person or a conversation unreadable, in every copy, on record."""

from __future__ import annotations

import json
import os
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from chat import services
from chat.models import Turn
from clinchat.lib import clock
from compliance import audit_words, data_keys, mask_reports, vault
from compliance.continuity.backup import key_copies
from compliance.continuity.backup.pruning import BASE_DAYS
from compliance.continuity.deletion import erasing, holds, subjects
from compliance.continuity.refusals import StoreFailed, WrongKey
from compliance.continuity.storage import keys, streams
from compliance.continuity.storage.stores import stores
from compliance.models import AuditEvent, Backup, DataKey, Erasure, MaskReport, WalShipping
from tests import cast
from tests.chat.making import make_turn
from tests.proving import State, look

pytestmark = pytest.mark.django_db
NUMBER = "88231904"
NAMED = f"Mrs. Ines Delacroix, MRN {NUMBER}, had surgery on 3/2/2024. Heparin?"


@pytest.fixture(autouse=True)
def store(settings: Any, tmp_path: Path) -> Path:
    key = os.urandom(32)
    settings.BACKUP_STORES = [str(tmp_path / "one"), str(tmp_path / "two")]
    settings.BACKUP_KEYS = lambda: [key]
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    return tmp_path


def about(number: str = NUMBER, author: Any = cast.alice) -> Turn:
    turn = make_turn(author=author(), text=NAMED.replace(NUMBER, number))
    services.stop(turn=turn)
    return turn


def values(turn: Turn) -> set[str]:
    return {entity.value for entity in vault.known(turn.conversation_id)}


def done(kind: str, subject: str) -> Erasure:
    asked = erasing.request(kind=kind, subject=subject, reason="As asked.", actor=cast.pat())
    return erasing.approve(erasure_id=asked.pk, actor=cast.carol())


@pytest.mark.parametrize("kind", ["patient", "person", "conversation"])
def test_nothing_of_whoever_it_is_opens_any_more(kind: str) -> None:
    mine, other = about(), about("11223344", cast.bob)
    subject = {"patient": NUMBER, "person": cast.alice().email, "conversation": str(mine.conversation_id)}[kind]
    erasure = done(kind, subject)
    assert (erasure.keys, erasure.values_count, erasure.status) == (1, 3, "done")
    assert values(mine) == {""}
    assert "Ines Delacroix" in values(other)
    assert NUMBER not in f"{erasure.subject} {Erasure.objects.values_list('subject', flat=True)}"


def test_the_page_shows_tokens_and_the_conversation_goes_on() -> None:
    turn = about()
    done("conversation", str(turn.conversation_id))
    page = cast.sign_in(Client(), cast.alice()).get(turn.conversation.get_absolute_url()).content.decode()
    assert "[NAME-1]" in page
    assert "Delacroix" not in page
    later = make_turn(author=cast.alice(), text="And Mr. Vanderberg?", conversation=turn.conversation)
    assert later.question == "And Mr. [NAME-2]?"
    assert values(later) == {"", "Vanderberg"}


def test_the_proof_is_in_the_trail() -> None:
    turn = about()
    Backup.objects.create(kind="base", name="b", environment="test", state="running")
    erasure = done("patient", NUMBER)
    told = AuditEvent.objects.filter(object_type="compliance.Erasure").latest("timestamp")
    assert audit_words.what(told).lower().endswith("made values unreadable for good")
    assert {"keys", "values_count", "gone_from_copies_at", "decided_by_id"} <= set(told.changes)
    keys = AuditEvent.objects.filter(object_type="compliance.DataKey", object_id=str(turn.conversation_id))
    assert [(event.action, "destroyed_at" in event.changes) for event in keys.order_by("timestamp")] == [
        ("C", False),
        ("U", True),
    ]
    assert erasure.subject == vault.pseudonym(NUMBER)


def test_one_person_alone_erases_nothing() -> None:
    turn = about()
    asked = erasing.request(kind="patient", subject=NUMBER, reason="As asked.", actor=cast.pat())
    with pytest.raises(erasing.SamePerson):
        erasing.approve(erasure_id=asked.pk, actor=cast.pat())
    with pytest.raises(IntegrityError), transaction.atomic():
        Erasure.objects.filter(pk=asked.pk).update(status="done", decided_by=cast.pat())
    with pytest.raises(erasing.AlreadyAsked):
        erasing.request(kind="patient", subject=vault.pseudonym(NUMBER), reason="Again.", actor=cast.carol())
    erasing.cancel(erasure_id=asked.pk, actor=cast.pat())
    with pytest.raises(erasing.AlreadyDecided):
        erasing.approve(erasure_id=asked.pk, actor=cast.carol())
    assert "Ines Delacroix" in values(turn)


@pytest.mark.parametrize("kind", ["patient", "person", "conversation"])
def test_a_hold_of_any_kind_stops_it(kind: str, settings: Any) -> None:
    turn = about()
    subject = {"patient": NUMBER, "person": cast.alice().email, "conversation": str(turn.conversation_id)}[kind]
    asked = erasing.request(kind="conversation", subject=str(turn.conversation_id), reason="x", actor=cast.pat())
    hold = holds.place(kind=kind, subject=subject, reason="A claim.", actor=cast.pat())
    with pytest.raises(holds.OnHold):
        erasing.approve(erasure_id=asked.pk, actor=cast.carol())
    with pytest.raises(holds.OnHold):
        erasing.request(kind="patient", subject=NUMBER, reason="x", actor=cast.pat())
    assert vault.erase([turn.conversation_id]) == vault.Erased()
    holds.end(hold_id=hold.pk, reason="Over.", actor=cast.carol())
    settings.LEGAL_HOLD = True
    with pytest.raises(holds.OnHold):
        erasing.approve(erasure_id=asked.pk, actor=cast.carol())
    settings.LEGAL_HOLD = False
    assert erasing.approve(erasure_id=asked.pk, actor=cast.carol()).keys == 1


@pytest.mark.parametrize(("kind", "subject"), [("patient", "1"), ("person", "nobody@example.org"), ("person", "x")])
def test_nobody_is_erased_by_mistake(kind: str, subject: str) -> None:
    with pytest.raises(subjects.NoSuchSubject):
        erasing.request(kind=kind, subject=subject, reason="x", actor=cast.pat())


def test_words_in_reports_go_too() -> None:
    turn = about()
    report = services.report_wrong(turn=turn, token="[NAME-1]")
    assert report.words == "Ines Delacroix"
    done("patient", NUMBER)
    report = MaskReport.objects.get()
    assert (report.words, report.status) == ("", "open")
    mask_reports.settle(report_id=report.pk, by=cast.pat(), outcome=mask_reports.Outcome.NOTHING, note="")


def test_it_says_when_copies_of_the_files_are_gone() -> None:
    assert erasing.gone_from_copies_at() is None
    soon = clock.now() + timedelta(days=BASE_DAYS)
    WalShipping.objects.create(since=clock.now(), as_of=clock.now(), position="0/0")
    assert abs((erasing.gone_from_copies_at() or soon) - soon) < timedelta(seconds=5)
    late = clock.now() + timedelta(days=90)
    Backup.objects.create(
        kind="base",
        name="b",
        environment="test",
        state="complete",
        keep_until=late,
        manifest_sha256="0" * 64,
        finished_at=clock.now(),
    )
    assert erasing.gone_from_copies_at() == late


def test_the_copy_beside_the_backups_is_written_anew(django_capture_on_commit_callbacks: Any) -> None:
    mine, other = about(), about("11223344", cast.bob)
    key_copies.write()
    before = [key_copies.read(store) for store in stores()]
    assert before == [data_keys.export()] * 2
    with django_capture_on_commit_callbacks() as callbacks:
        done("patient", NUMBER)
    assert any("write_data_keys" in repr(callback) for callback in callbacks)
    key_copies.write()
    for store in stores():
        held = key_copies.read(store)
        assert f'"id":"{DataKey.objects.get(scope=mine.conversation_id).pk}","scope"' in held.decode()
        assert held.count(b'"sealed":null') == 1
    assert "Ines Delacroix" in values(other)
    assert key_copies.restore(stores()[0]) == 0


def test_keys_of_a_lost_database_outlive_a_backup_of_the_empty_one_after_it(settings: Any) -> None:
    about()
    mine, lost = DataKey.objects.get(), uuid.uuid4()
    old = data_keys.export().decode().replace(str(mine.pk), str(lost))
    stores()[0].put(key_copies.NAME, streams.encrypt([old.encode()], key=keys.newest(), context=key_copies.NAME))
    key_copies.write()
    for store in stores():
        assert {one["id"] for one in json.loads(key_copies.read(store))["keys"]} == {str(mine.pk), str(lost)}
    settings.BACKUP_KEYS = lambda: [bytes(32)]
    with pytest.raises(WrongKey):
        key_copies.write()


def test_the_copy_opens_with_its_key_alone(settings: Any, store: Path) -> None:
    about()
    key_copies.write()
    written = (store / "one" / key_copies.NAME).read_bytes()
    assert b'"keys"' not in written
    settings.BACKUP_KEYS = lambda: [bytes(32)]
    with pytest.raises(WrongKey):
        key_copies.read(stores()[0])


def test_a_store_that_does_not_take_it_is_tried_again(settings: Any, store: Path) -> None:
    settings.BACKUP_STORES = [str(store / "one"), str(store / "missing" / "file")]
    (store / "missing").write_text("no folder")
    with pytest.raises(StoreFailed):
        key_copies.write()
    assert key_copies.written_at(stores()[0])


def test_what_was_never_restored_proves_nothing() -> None:
    found = look("crypto.erase_canary")
    assert (found.state, "no backup was restored" in found.observed) == (State.ERROR, True)

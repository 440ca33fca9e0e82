"""Sealed values are wrapped anew while people read and write; nothing is lost, nothing is written over."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction

from clinchat.lib import keys, sealed
from compliance import audit, audit_words, rotation
from compliance.models import AuditEvent, VaultEntry
from tests.lib import rings

pytestmark = pytest.mark.django_db(transaction=True)
NAME = "compliance.VaultEntry.value"
KEY = "compliance.DataKey.key"


@pytest.fixture(autouse=True)
def ring(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(rotation, "GRACE_SECONDS", 0.0)
    monkeypatch.setattr(rotation, "PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr(rotation, "WAIT_SECONDS", 0.05)
    return rings.use_file(settings, tmp_path / "sealing_key")


def fill(number: int) -> list[int]:
    scope = uuid.uuid4()
    made = VaultEntry.objects.bulk_create(
        VaultEntry(scope=scope, token=f"[NAME_{n}]", label="NAME", value=f"value {n}", blind_index=b"")
        for n in range(number)
    )
    return [entry.pk for entry in made]


def values() -> dict[int, str]:
    return {entry.pk: entry.value for entry in VaultEntry.objects.all()}


def blobs() -> dict[int, bytes]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, sealed FROM compliance_vaultentry")
        return {pk: bytes(blob) for pk, blob in cursor.fetchall()}


def rotate(*words: str) -> dict[str, Any]:
    out = StringIO()
    call_command("rotate_keys", *words, "--json", stdout=out, stderr=StringIO())
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


@pytest.fixture
def elsewhere() -> Callable[[Callable[[], object]], None]:
    """Runs something on a connection of its own, to its end."""
    failures: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        def inside() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001  # told to the test below
                failures.append(error)
            finally:
                connections.close_all()

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        assert failures == []

    return run


def test_every_sealed_column_is_found() -> None:
    found = {column.name for column in rotation.columns()}
    assert {NAME, "compliance.Authenticator.key"} <= found
    assert {column.model for column in rotation.columns()} <= set(audit.watched())


def test_every_value_is_wrapped_anew_and_none_is_changed() -> None:
    fill(1203)
    before, sealed_before = values(), blobs()
    first = keys.keys().current()
    report = rotate("--new")
    assert (report["wrapped"][NAME], report["left"], report["broken"]) == (1203, 0, {})
    assert report["key"] == keys.keys().current() != first
    after = blobs()
    assert {rings.wrapped_by(blob) for blob in after.values()} == {report["key"]}
    assert values() == before
    for pk, blob in after.items():
        assert sealed._parts(blob).value == sealed._parts(sealed_before[pk]).value


def test_a_second_run_has_nothing_to_do() -> None:
    fill(3)
    rotate("--new")
    before = blobs()
    assert rotate()["wrapped"] == {}
    assert blobs() == before


def test_a_run_that_is_broken_off_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    fill(5)
    monkeypatch.setattr(rotation, "BATCH", 2)
    keys.keys().renew()
    calls = iter(range(10))

    def stop(_done: int) -> None:
        if next(calls) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rotation.rewrap(stop)
    assert rotation.count(keys.keys().current()) == 3, "the key of the conversation, and two of its values, are done"
    assert rotate()["wrapped"] == {NAME: 3}


def test_what_is_written_meanwhile_stays(monkeypatch: pytest.MonkeyPatch, elsewhere: Any) -> None:
    changed, gone, *_ = fill(4)
    keys.keys().renew()
    write = rotation._write

    def late(column: Any, changes: Any) -> int:
        monkeypatch.setattr(rotation, "_write", write)
        elsewhere(lambda: _save(changed, "newer"))
        elsewhere(lambda: VaultEntry.objects.filter(pk=gone).delete())
        return write(column, changes)

    monkeypatch.setattr(rotation, "_write", late)
    assert rotate()["wrapped"] == {NAME: 2, KEY: 1}
    assert values()[changed] == "newer"
    assert gone not in values()


def _save(pk: int, value: str) -> None:
    entry = VaultEntry.objects.get(pk=pk)
    entry.value = value
    entry.save()


def test_a_row_somebody_holds_is_neither_waited_for_nor_forgotten(elsewhere: Any) -> None:
    held, *_ = fill(4)
    first = keys.keys().current()
    keys.keys().renew()
    with transaction.atomic():
        VaultEntry.objects.select_for_update().get(pk=held)
        elsewhere(lambda: _expect_left(1))
        assert rotation.used()[first] == 1
    assert rotate()["wrapped"] == {NAME: 1}


def _expect_left(number: int) -> None:
    with pytest.raises(SystemExit) as ended:
        call_command("rotate_keys", stdout=(out := StringIO()), stderr=StringIO())
    assert ended.value.code == 1
    assert f"{number} values are still wrapped with another key" in out.getvalue()


def test_readers_and_writers_do_not_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    pks = fill(300)
    monkeypatch.setattr(rotation, "BATCH", 20)
    ended, failures, reads = threading.Event(), [], []

    def work(number: int) -> None:
        try:
            while not ended.is_set():
                for pk in pks[number::4]:
                    reads.append(VaultEntry.objects.get(pk=pk).value)
                    if number % 2:
                        _save(pk, f"written {number}")
        except BaseException as error:  # noqa: BLE001  # told below
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            rotate("--new")
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert len(reads) > 300
    assert rotate()["left"] == 0
    assert set(values().values()) <= {"written 1", "written 3"} | {f"value {n}" for n in range(300)}


def test_a_value_that_was_moved_is_named_and_left_alone() -> None:
    one, other = fill(2)
    keys.keys().renew()
    VaultEntry.objects.filter(pk=other).update(value=blobs()[one])
    before = blobs()[other]
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("rotate_keys", "--retire", stdout=out, stderr=StringIO())
    assert f"{NAME} {other} does not open" in out.getvalue()
    assert blobs()[other] == before
    assert len(rotation.used()) == 2, "its key must not be removed"


def test_garbage_in_a_sealed_column_stops_nothing() -> None:
    one, other = fill(2)
    VaultEntry.objects.filter(pk=other).update(value=b"\x09")
    with pytest.raises(SystemExit):
        rotate("--new")
    assert rotation.used() == {keys.keys().current(): 1 + 1, "": 1}
    assert VaultEntry.objects.get(pk=one).value == "value 0"


def test_keys_are_removed_when_nothing_needs_them(ring: Path) -> None:
    fill(2)
    first = keys.keys().current()
    report = rotate("--new", "--retire")
    assert report["retired"] == [first]
    assert len(ring.read_text().split()) == 1
    assert sorted(values().values()) == ["value 0", "value 1"]


def test_no_key_is_removed_while_an_older_transaction_is_open(ring: Path, elsewhere: Any) -> None:
    """What it will store, sealed with the old key, nobody can see yet."""
    fill(1)
    with transaction.atomic():
        late = fill(1)

        def refused() -> None:
            with pytest.raises(CommandError, match="No key was removed"):
                rotate("--new", "--retire")

        elsewhere(refused)
    assert len(ring.read_text().split()) == 2
    rotate("--retire")
    assert len(ring.read_text().split()) == 1
    assert values()[late[0]] == "value 0"


def test_one_rotation_at_a_time(elsewhere: Any, ring: Path) -> None:
    def refused() -> None:
        with pytest.raises(CommandError, match="Another rotation"):
            rotate("--new")

    with rotation.alone():
        elsewhere(refused)
    assert len(ring.read_text().split()) == 1
    rotate("--new")


def test_keys_out_of_reach_are_said_to_be(ring: Path) -> None:
    fill(1)
    ring.unlink()
    with pytest.raises(CommandError, match="cannot be reached"):
        rotate()


def test_each_step_and_each_row_is_on_record() -> None:
    fill(3)
    before = AuditEvent.objects.count()
    rotate("--new", "--retire")
    events = list(AuditEvent.objects.order_by("timestamp")[before:])
    rows = [event for event in events if event.object_type == "compliance.VaultEntry"]
    assert [list(event.changes) for event in rows] == [["sealed"]] * 3
    steps = [event for event in events if event.object_type == rotation.OBJECT_TYPE]
    assert [audit_words.what(event) for event in steps] == [
        "New key for sealed values made",
        "Sealed values wrapped with the newest key",
        "Sealed values wrapped with the newest key",
        "Unused keys for sealed values removed",
    ]
    assert steps[1].detail == {"values": 3 + 1}


def test_a_value_put_in_by_hand_stays_visible_in_the_trail() -> None:
    one, other = fill(2)
    rotate("--new")
    before = AuditEvent.objects.count()
    VaultEntry.objects.filter(pk=other).update(value=blobs()[one])
    assert AuditEvent.objects.count() == before + 1

"""How the interaction table is doing, and what is left of it when the database goes away."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.test import Client
from pytest_django import Settings

from chat import days
from chat.interactions import backup, check, current, release, releases, selftest, status
from chat.interactions.types import Severity
from chat.models import LocalInteraction
from chat.tasks import keep_interactions_backup
from clinchat.lib import clock
from compliance import health
from tests import cast
from tests.chat.test_knowledge_base_status import numbers

pytestmark = pytest.mark.django_db
ADDRESS = "/api/admin/drug-db/health"


@pytest.fixture(autouse=True)
def folder(settings: Settings, tmp_path: Path) -> Iterator[Path]:
    """A folder of its own for the copy, and a process that has seen nothing yet."""
    settings.INTERACTIONS_BACKUP = str(tmp_path / "copy")
    new_process()
    yield tmp_path / "copy"
    new_process()


def new_process() -> None:
    current.forget()
    current._Seen.state = None


@contextmanager
def no_database() -> Iterator[None]:
    def lost(*_: object) -> object:
        raise OperationalError

    current.forget()
    with connection.execute_wrapper(lost):
        yield


def change(severity: str = "contraindicated", ends: int = 20) -> LocalInteraction:
    return LocalInteraction.objects.create(
        a="aspirin",
        b="warfarin",
        severity=severity,
        shipped="major",
        source_name="Pharmacy committee",
        source_ref="Minutes 12",
        reason="Two bleeds this year",
        expires_on=days.today() + timedelta(days=ends),
        status="approved",
        proposed_by=cast.edith(),
        decided_by=cast.dora(),
        decided_at=clock.now(),
    )


def gravest() -> Severity:
    return check.check_entries(current.current(), ["warfarin", "aspirin"]).found[0].severity


# ── The backup ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_process_goes_on_with_what_it_read_last(folder: Path) -> None:
    change()
    assert (gravest(), current.current().from_backup) == (Severity.CONTRAINDICATED, False)
    with no_database():
        state = current.current()
        assert (state.from_backup, gravest()) == (True, Severity.CONTRAINDICATED)
        assert health_of("interactions") is True
    current.forget()
    assert current.current().from_backup is False, "the database is back"


def test_a_new_process_reads_the_copy(folder: Path) -> None:
    change()
    gravest()
    assert (folder / backup.NAME).exists()
    new_process()
    with no_database():
        assert (gravest(), current.current().from_backup) == (Severity.CONTRAINDICATED, True)


@pytest.mark.parametrize(
    "content",
    [None, "", "{}", "[]", "[" * 100_000, '{"digest": "0", "content": "{}"}', '{"digest": "0", "content": 1}'],
)
def test_without_a_sound_copy_the_image_is_left(folder: Path, content: str | None) -> None:
    change()
    gravest()
    copy = folder / backup.NAME
    copy.unlink() if content is None else copy.write_text(content)
    new_process()
    with no_database():
        assert (gravest(), current.current().from_backup) == (Severity.MAJOR, True)


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_however_the_connection_is_lost_the_copy_is_used(folder: Path, error: type[Exception]) -> None:
    def lost(*_: object) -> object:
        raise error

    with connection.execute_wrapper(lost):
        assert current.current().from_backup


def test_a_damaged_image_without_a_copy_is_said_everywhere(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = tmp_path / "data"
    shutil.copytree(release.SHIPPED, damaged)
    (damaged / "rules.jsonl").write_text("{}\n")
    monkeypatch.setattr(release, "SHIPPED", damaged)
    release.shipped.cache_clear()
    try:
        with pytest.raises(current.Unavailable):
            current.current()
        assert health_of("interactions") is False
        alice = cast.sign_in(Client(), cast.alice())
        assert alice.post("/interactions/", {"medicines": "warfarin\naspirin"}).status_code == 503
        assert alice.get("/interactions/").status_code == 200
    finally:
        release.shipped.cache_clear()


def test_an_expired_change_ends_in_the_copy_as_well(folder: Path) -> None:
    change(ends=0)
    assert gravest() == Severity.CONTRAINDICATED
    new_process()
    with no_database(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(days, "today", lambda: clock.now().date() + timedelta(days=2))
        assert gravest() == Severity.MAJOR


def test_the_copy_is_kept_fresh(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_interactions_backup()
    first = backup.read(folder)
    assert first is not None
    keep_interactions_backup()
    again = backup.read(folder)
    assert again is not None
    assert again.at == first.at, "not written again within a minute"
    later = clock.now() + timedelta(minutes=2)
    monkeypatch.setattr(clock, "now", lambda: later)
    keep_interactions_backup()
    fresh = backup.read(folder)
    assert fresh is not None
    assert fresh.at == later
    with no_database():
        monkeypatch.setattr(clock, "now", lambda: later + timedelta(minutes=9))
        keep_interactions_backup()
    kept = backup.read(folder)
    assert kept is not None
    assert kept.at == later, "its age tells how long the database has been away"


def health_of(key: str) -> bool:
    return next(one.ok for one in health.run_checks() if one.key == key)


# ── What operators see ───────────────────────────────────────────────────────────────────────────────────────────


def told(client: Client) -> dict[str, Any]:
    answer = cast.sign_in(client, cast.otto()).get(ADDRESS)
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(("key", "code"), [("otto", 200), ("sam", 200), ("carol", 200), ("alice", 403), ("edith", 403)])
def test_who_watches_over_the_service_sees_it(client: Client, key: str, code: int) -> None:
    assert cast.sign_in(client, getattr(cast, key)()).get(ADDRESS).status_code == code


def test_everything_there_is_to_say(client: Client) -> None:
    releases.offer_shipped()  # another test may have emptied the database of what its migrations put there
    found = told(client)
    manifest = release.shipped().manifest
    assert (found["status"], found["problems"]) == ("ok", [])
    table = found["table"]
    assert table["version"] == manifest["version"]
    assert (table["covered"], table["not_covered"]) == (manifest["drugs_covered"], manifest["drugs_not_covered"])
    assert table["by_severity"] == manifest["interactions_by_severity"]
    assert (table["pairs"], table["onc_pairs"]) == (manifest["pairs"]["rows"], 1020)
    assert {one["name"] for one in found["files"]} == set(release.FILES)
    assert all(one["matches"] for one in found["files"])
    assert found["self_test"] == {"ok": True, "failures": [], "expansion": True}
    assert len(found["limits"]["common_without_data"]) == 24
    assert found["limits"]["reviewed_by_pharmacist"] is False
    old = {one["name"] for one in found["sources"] if one["old"]}
    assert {"VA NDF-RT interactions", "ANSM thesaurus", "ONC high-priority list"} <= old
    assert (found["backup"]["sound"], found["backup"]["same"], found["last_update"] is None) == (True, True, False)


def test_changes_of_the_hospital_are_counted(client: Client) -> None:
    made = change()
    found = told(client)
    assert found["local_changes"] == {"in_force": 1, "expiring": 1}
    assert found["backup"]["changes"] == 1
    assert found["last_update"] == made.decided_at.isoformat().replace("+00:00", "Z") if made.decided_at else None


def test_what_is_wrong_is_named(client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told(client)
    (folder / backup.NAME).write_text("not a copy")
    monkeypatch.setattr(selftest, "failures", lambda table: ("warfarin with amiodarone",))
    monkeypatch.setattr(release, "SHIPPED", folder)
    found = told(client)
    assert (found["status"], found["self_test"]["failures"]) == ("degraded", ["warfarin with amiodarone"])
    assert found["problems"] == ["self_test", "image", "backup_missing"]


def test_an_old_copy_is_a_problem(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    told(client)
    later = clock.now() + timedelta(minutes=6)
    monkeypatch.setattr("chat.interactions.status.clock.now", lambda: later)
    assert status.status()["problems"] == ["backup_old"]


def test_no_table_is_sound(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> object:
        raise current.Unavailable

    monkeypatch.setattr(current, "current", none)
    found = told(client)
    assert (found["status"], found["problems"], found["table"]) == ("degraded", ["no_sound_table"], None)
    assert health_of("interactions") is False


def test_prometheus_reads_it(client: Client) -> None:
    change()
    current.current()
    found = numbers(client)
    assert found[status.SOUND] == 1
    assert 0 <= found[status.BACKUP_AGE] < 60
    assert found[status.EXPIRING] == 1
    assert found[f"{status.PAIRS}['contraindicated']"] == 2139


@pytest.mark.parametrize(
    ("said", "years"),
    [("2020-10", 6), ("2020-12", 5), ("2014", 11), ("2011-2025 (see rules.jsonl)", 0), ("2014-05", 12), ("2027", 0)],
)
def test_the_age_of_a_source(monkeypatch: pytest.MonkeyPatch, said: str, years: int) -> None:
    monkeypatch.setattr(days, "today", lambda: clock.now().date().replace(2026, 11, 22))
    assert status._years(said) == years

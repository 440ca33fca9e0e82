"""After its database was lost the trail goes on behind the newest seal that was anchored, and says what is gone."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from clinchat.lib import clock
from compliance import audit
from compliance.audit import bundle, checkpoints, gaps, guards, seal, verify
from compliance.audit.search import EventFilter
from compliance.models import AuditEvent, Code, Crude, Seal, SealedEvent
from tests.compliance.sealed_trail import sql, triggers_off

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def sink(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "checkpoints.jsonl"
    settings.AUDIT_CHECKPOINT_FILES = [str(path)]
    monkeypatch.setattr(guards, "weaknesses", lambda: iter(()))  # in test databases triggers are off: tests/guards
    return path


def read(times: int = 1) -> None:
    for _ in range(times):
        audit.record(code=Code.SENSITIVE_READ, action=Crude.READ)


def seals(number: int) -> None:
    for _ in range(number):
        read(2)
        assert seal.seal_all() >= 2


def said_of(report: verify.Report) -> list[str]:
    return [warning for warning in report.warnings if "lost" in warning]


def set_back_to(number: int) -> None:
    """As a restored backup leaves it: what was sealed later is gone."""
    with triggers_off():
        sql(
            "DELETE FROM compliance_auditevent WHERE id IN "
            f"(SELECT event FROM compliance_sealedevent WHERE seal_id > {number})"
        )
        sql(f"DELETE FROM compliance_sealedevent WHERE seal_id > {number}")
        sql(f"DELETE FROM compliance_seal WHERE number > {number}")


def noted() -> gaps.Gap | None:
    return gaps.note_restore(restore_id="r", backup_key="b", as_of=clock.now() - timedelta(minutes=5))


@pytest.mark.parametrize("lost", [1, 2, 4])
def test_the_trail_goes_on_behind_the_newest_anchored_seal(lost: int) -> None:
    seals(3 + lost)
    set_back_to(3)
    assert {problem.kind for problem in verify.verify().problems} == {"rollback"}
    gap = noted()
    assert gap is not None
    assert (gap.first, gap.last) == (4, 3 + lost)
    seals(2)
    report = verify.verify()
    assert report.problems == []
    assert said_of(report) == [gaps.declared()[0].words()]
    assert Seal.objects.order_by("-number").values_list("number", flat=True)[0] == 5 + lost
    assert SealedEvent.objects.order_by("-position").values_list("position", flat=True)[0] == 2 * (3 + lost) + 5
    read()
    seal.seal_all()
    assert verify.verify(scope=verify.Scope.INCREMENTAL).ok


def test_what_the_backup_held_unsealed_is_sealed_behind_the_gap() -> None:
    seals(2)
    read(3)
    waiting = [str(pk) for pk in AuditEvent.objects.values_list("pk", flat=True)]
    seal.seal_all()
    with triggers_off():
        sql("DELETE FROM compliance_sealedevent WHERE seal_id > 2")
        sql("DELETE FROM compliance_seal WHERE number > 2")
    assert noted() is not None
    assert seal.seal_all() == 4
    assert verify.verify().problems == []
    assert {str(pk) for pk in SealedEvent.objects.values_list("event", flat=True)} >= set(waiting)


def test_nothing_is_sealed_while_no_restore_is_on_record() -> None:
    seals(3)
    set_back_to(2)
    read(2)
    assert seal.seal_all() == 0
    assert seal.SET_BACK in seal.state().conditions
    noted()
    assert seal.seal_all() == 3
    assert seal.state().conditions == []


def test_a_restore_that_lost_nothing_is_on_record_and_excuses_nothing() -> None:
    seals(3)
    assert noted() is None
    event = AuditEvent.objects.get(code=Code.SYS_RESTORE)
    assert event.detail["lost_seals"] is None
    seal.seal_all()
    assert gaps.declared() == []
    assert said_of(verify.verify()) == []


def test_an_event_that_came_later_excuses_nothing() -> None:
    """Whoever removes seals and writes the event of a restore afterwards is found."""
    seals(9)
    with triggers_off():
        sql("DELETE FROM compliance_sealedevent WHERE seal_id IN (3, 4)")
        sql("DELETE FROM compliance_seal WHERE number = 3")
    detail: dict[str, audit.JSON] = {"lost_seals": {"first": 3, "last": 4}}
    audit.record(code=Code.SYS_RESTORE, action=Crude.EXECUTE, detail=detail)
    seal.seal_all()
    assert {"gap", "root"} <= {problem.kind for problem in verify.verify().problems}


def test_an_event_that_is_not_sealed_excuses_nothing() -> None:
    seals(4)
    set_back_to(2)
    noted()
    assert "gap" in {problem.kind for problem in verify.verify().problems}


def test_a_forged_checkpoint_is_not_believed(sink: Path) -> None:
    seals(3)
    set_back_to(2)
    sink.write_text(sink.read_text().replace('"signature":"', '"signature":"00'))
    with pytest.raises(gaps.Unfit):
        noted()
    assert not AuditEvent.objects.filter(code=Code.SYS_RESTORE).exists()


def test_checkpoints_of_another_trail_are_none_of_ours(sink: Path) -> None:
    seals(3)
    other = sink.read_text()
    with triggers_off():
        sql("DELETE FROM compliance_auditevent")
        sql("DELETE FROM compliance_sealedevent")
        sql("DELETE FROM compliance_seal")
    sink.unlink()
    seals(1)
    sink.write_text(other)
    assert not gaps.set_back()
    with pytest.raises(gaps.Unfit):
        noted()


def checked(file: Path) -> tuple[int, str]:
    program = bundle.STANDALONE / "verify.py"
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(program), str(file)], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout


def bundled(tmp_path: Path) -> Path:
    plan = bundle.plan(EventFilter())
    assert plan is not None
    file = tmp_path / "bundle.zip"
    with file.open("w+b") as out:
        bundle.write(plan, out)
    return file


def test_a_bundle_says_what_is_lost(tmp_path: Path) -> None:
    seals(6)
    set_back_to(3)
    noted()
    seals(2)
    code, said = checked(bundled(tmp_path))
    assert code == 0, said
    assert "Lost         seals 4 to 6: gone with a database" in said


def test_a_bundle_without_that_event_does_not_verify(tmp_path: Path) -> None:
    seals(6)
    set_back_to(3)
    noted()
    seals(5)
    with triggers_off():
        sql("DELETE FROM compliance_auditevent WHERE code = 'sys_restore'")
    code, said = checked(bundled(tmp_path))
    assert code == 1
    assert "Missing: seals 4 to 5." in said


def test_the_seal_that_came_back_is_the_checkpoint_itself(sink: Path) -> None:
    seals(4)
    before = sink.read_text().splitlines()[-1]
    set_back_to(2)
    noted()
    back = Seal.objects.get(number=4)
    assert checkpoints.line(back) == before
    assert gaps.without_events(back)

"""check_interactions and evaluate drugs: what programs read, exit codes, and work without the database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from pytest_django import Settings

from chat.interactions import current
from chat.models import InteractionCheck
from compliance import phi
from compliance.models import AuditEvent
from tests.processes import PATIENCE, ROOT, environment

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh(settings: Settings, tmp_path: Path) -> Iterator[None]:
    settings.INTERACTIONS_BACKUP = str(tmp_path / "copy")
    current.forget()
    current._Seen.state = None
    yield
    current.forget()
    current._Seen.state = None


def run(*names: str, **options: Any) -> tuple[int, str]:
    """Exit code and what was said."""
    out = StringIO()
    try:
        call_command("check_interactions", *names, stdout=out, **options)
    except CommandError as error:
        return error.returncode, str(error.args[0])
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue()
    return 0, out.getvalue()


def test_for_programs() -> None:
    code, said = run("Coumadin 5 mg", "amiodarone", "zyxo", "Percocet", "Tylenol", json=True)
    told = json.loads(said)
    assert code == 1
    assert (told["found"][0]["a"], told["found"][0]["severity"]) == ("amiodarone", "major")
    assert told["duplicates"][0]["names"] == ["Percocet", "Tylenol"]
    made = InteractionCheck.objects.get(pk=told["id"])
    assert (made.where, made.by) == ("command", None)
    assert AuditEvent.objects.filter(object_type="chat.InteractionCheck", object_id=str(made.pk)).exists()


def test_for_people() -> None:
    code, said = run("warfarin", "aspirin", "metformin", "zyrtac")
    assert code == 1
    assert "MAJOR: aspirin with warfarin" in said
    assert "Not recognized, so not checked: zyrtac (did you mean Zyrtec" in said
    assert "none found in this table. Absence of an interaction here is not proof that there is none." in said


def test_nothing_that_interrupts() -> None:
    assert run("atorvastatin", "metformin")[0] == 0


def test_a_text_is_masked() -> None:
    code, said = run(text="Maria Delacroix takes warfarin, start aspirin?", json=True)
    assert (code, json.loads(said)["found"][0]["b"]) == (1, "warfarin")
    assert "Delacroix" not in str(InteractionCheck.objects.get().result)


@pytest.mark.parametrize(
    ("names", "options"),
    [
        ((), {}),
        (("warfarin",), {}),
        (("warfarin", "Warfarin"), {}),
        (("warfarin", "aspirin"), {"text": "warfarin and aspirin"}),
        ((), {"text": "Is warfarin there?"}),
        (tuple(f"medicine {n}" for n in range(31)), {}),
    ],
)
def test_what_cannot_be_checked(names: tuple[str, ...], options: dict[str, str]) -> None:
    assert run(*names, **options)[0] == 2
    assert not InteractionCheck.objects.exists()


def test_no_table_and_no_masking(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object, **__: object) -> object:
        raise current.Unavailable

    def down(*_: object, **__: object) -> object:
        raise phi.PhiUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(current, "current", none)
        assert run("warfarin", "aspirin")[0] == 2
    monkeypatch.setattr("compliance.masking.mask", down)
    assert run("warfarin", "zyxoprane")[0] == 2


def test_without_the_database_the_copy_is_used() -> None:
    def lost(*_: object) -> object:
        raise OperationalError

    run("warfarin", "metformin")
    before = InteractionCheck.objects.count()
    current.forget()
    current._Seen.state = None
    with connection.execute_wrapper(lost):
        for options in ({}, {"backup": True}, {"text": "warfarin with aspirin"}):
            names = () if "text" in options else ("warfarin", "aspirin", "zyxoprane")
            code, said = run(*names, **options)
            assert code == 1
            assert "from the backup copy" in said
            assert "Not on record: the database does not answer." in said
    assert InteractionCheck.objects.count() == before


def test_the_copy_alone_on_request() -> None:
    code, said = run("warfarin", "aspirin", backup=True, json=True)
    told = json.loads(said)
    assert (code, told["table"]["backup"], told["id"] is not None) == (1, True, True)
    assert InteractionCheck.objects.get().from_backup is True


def test_with_a_server_that_does_not_answer(tmp_path: Path) -> None:
    env = environment() | {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nothing",
        "REDIS_URL": "redis://127.0.0.1:9/0",
        "CLINCHAT_INTERACTIONS_BACKUP": str(tmp_path),
        "PATH": os.environ["PATH"],
    }
    began = time.monotonic()
    command = [sys.executable, "manage.py", "check_interactions", "--json", "warfarin", "aspirin", "zyxoprane"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert (told["table"]["backup"], told["found"][0]["severity"]) == (True, "major")
    assert time.monotonic() - began < PATIENCE


# ── Measuring ────────────────────────────────────────────────────────────────────────────────────────────────────


def evaluate(tmp_path: Path, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    gold, predictions = tmp_path / "gold.jsonl", tmp_path / "predictions.jsonl"
    gold.write_text("".join(json.dumps(row) + "\n" for row in rows))
    call_command("evaluate", "drugs", gold=gold, predictions=predictions, stdout=StringIO())
    return [json.loads(line) for line in predictions.read_text().splitlines()]


def test_predictions_keep_their_contract(tmp_path: Path) -> None:
    table = current.current().table
    lacking = next(drug.name for drug in table.drugs.values() if not drug.covered)
    text, listed = evaluate(
        tmp_path,
        {"id": "1", "type": "text", "text": "Can Coumadin go with aspirin?"},
        {"id": "2", "type": "list", "drugs": ["warfarin", lacking]},
    )
    assert text["mentions"] == [
        {"start": 4, "end": 12, "ids": ["warfarin"]},
        {"start": 21, "end": 28, "ids": ["aspirin"]},
    ]
    assert set(text["pairs"][0]) == {"a", "b", "severity", "mechanism", "management", "sources"}
    assert (text["pairs"][0]["severity"], text["latency_ms"] > 0) == ("major", True)
    assert (listed["mentions"], listed["pairs"], len(listed["not_covered"])) == ([], [], 1)
    assert not InteractionCheck.objects.exists()


@pytest.mark.parametrize("row", [{"id": "1", "type": "text"}, {"id": "1", "type": "list", "drugs": "warfarin"}])
def test_gold_without_what_is_needed(tmp_path: Path, row: dict[str, Any]) -> None:
    with pytest.raises(CommandError, match="needs the text fields"):
        evaluate(tmp_path, row)

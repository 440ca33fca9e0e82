"""A store whose disk is not mounted is not one without backups, and what vanished from a store is missed."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from compliance.continuity.backup import backups, pruning, reading
from compliance.continuity.refusals import StoreFailed
from compliance.continuity.storage import stores
from compliance.models import Backup

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def place(settings: Any, tmp_path: Path) -> Path:
    settings.BACKUP_STORES = [str(tmp_path / "store")]
    return tmp_path / "store"


def run(*words: str) -> tuple[int, str, str]:
    out, said = io.StringIO(), io.StringIO()
    try:
        call_command("backup", *words, stdout=out, stderr=said)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue(), said.getvalue()
    return 0, out.getvalue(), said.getvalue()


@pytest.mark.parametrize("command", [["list"], ["list", "--json"], ["verify"]])
def test_the_commands_say_that_it_is_not_there(place: Path, command: list[str]) -> None:
    with pytest.raises(CommandError, match=r"is not there\. Is its disk mounted") as refused:
        run(*command)
    assert refused.value.returncode == 1
    assert str(place) in str(refused.value)


def test_a_backup_is_not_called_damaged_because_its_disk_is_away(place: Path) -> None:
    made = backups.create(type=Backup.Type.MANUAL)
    place.rename(place.with_name("elsewhere"))
    with pytest.raises(StoreFailed):
        reading.verify(made.key)
    made.refresh_from_db()
    assert made.verified_ok is None
    done = pruning.prune()
    assert (done.removed, len(done.failed)) == ([], 1)
    place.with_name("elsewhere").rename(place)
    assert reading.verify(made.key).key == made.key


def test_one_that_vanished_is_named_and_believed_again_when_it_is_back(place: Path) -> None:
    made, left = (backups.create(type=Backup.Type.MANUAL, name=name) for name in ("gone", "left"))
    assert run("list")[0] == 0
    there = place / "backups" / made.key
    there.rename(place / "taken")
    code, out, said = run("list")
    assert (code, "1 in" in out, f"{made.key}  not there" in said) == (3, True, True)
    code, out, _ = run("list", "--json")
    assert (code, json.loads(out)["lost"]) == (3, [made.key])
    pruning.prune()
    made.refresh_from_db()
    assert (made.state, made.stores) == ("complete", [])
    (place / "taken").rename(there)
    pruning.prune()
    made.refresh_from_db()
    assert made.stores == [stores.primary().name]
    left.refresh_from_db()
    assert left.stores == [stores.primary().name]

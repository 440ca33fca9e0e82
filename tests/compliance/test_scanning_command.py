"""manage.py scan: a table, one JSON object, and an exit code that is 0 only when every scanner is clean."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from compliance import scanning
from compliance.models import ScanRun
from compliance.scanning import build_digest
from tests.compliance import scratch_tree

pytestmark = pytest.mark.django_db
FINDS = """
    seed = [word for word in words if word.endswith("seeded.py")][0]
    read = [word for word in words if word.endswith(".py")]
    shape = {"issue_severity": "HIGH", "line_number": 3, "test_name": "blacklist"}
    found = [{**shape, "filename": name, "test_id": "B602"} for name in FOUND + [seed]]
    say({"errors": [], "metrics": dict.fromkeys(read, {}), "results": found})
"""


@pytest.fixture
def tree(tmp_path: Path, settings: Any) -> Path:
    settings.BASE_DIR = scratch_tree.make(tmp_path)
    return tmp_path


def bandit(tree: Path, *found: str) -> None:
    scratch_tree.install_python(tree, "bandit", FINDS.replace("FOUND", repr(list(found))))


def run(*words: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("scan", *words, stdout=out, stderr=StringIO())
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue()
    return 0, out.getvalue()


def test_clean(tree: Path) -> None:
    bandit(tree)
    code, text = run("--only", "bandit")
    assert code == 0
    assert "1 of 1 scanners are clean." in text
    assert text.splitlines()[1].split()[:5] == ["bandit", "clean", "1.9.4", "yes", "0/0/0/0"]
    assert (ScanRun.objects.get().state, ScanRun.objects.get().build) == ("clean", build_digest(tree))


def test_findings(tree: Path) -> None:
    bandit(tree, "./clinchat/one.py")
    code, text = run("--only", "bandit")
    assert code == 1
    assert "high: clinchat/one.py:3: bandit B602: Use of something known to be unsafe." in text


def test_an_error_is_not_clean(tree: Path) -> None:
    bandit(tree)
    code, text = run("--only", "bandit", "dast")
    assert code == 1
    assert "1 of 2 scanners are clean." in text
    assert "dast: no scanner attacks the running portal" in text
    assert set(ScanRun.objects.values_list("scanner", "state")) == {("bandit", "clean"), ("dast", "error")}


def test_json(tree: Path) -> None:
    bandit(tree, "./clinchat/one.py")
    code, text = run("--only", "bandit", "--json")
    said = json.loads(text)
    assert code == 1
    assert (said["clean"], said["kept"], said["build"]) == (False, True, build_digest(tree))
    assert [one["scanner"] for one in said["scans"]] == ["bandit"]
    assert said["scans"][0]["findings"][0]["place"] == "clinchat/one.py:3"


def test_a_scanner_that_is_none() -> None:
    with pytest.raises(CommandError, match="invalid choice"):
        call_command("scan", "--only", "nikto")


def test_nothing_installed_is_nothing_clean(tree: Path) -> None:
    code, text = run()
    assert code == 1
    assert f"0 of {len(scanning.SCANNERS)} scanners are clean." in text

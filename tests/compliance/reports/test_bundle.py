"""The auditor's bundle verifies on a machine without ClinChat, with nothing but Python."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from clinchat.lib import clock
from compliance.models import AuditEvent
from compliance.reports import bundle
from tests.compliance.reports import making
from tests.compliance.reports.making import Made, Verify


def test_it_verifies_and_gives_the_score(zipped: Path, made: Made, verify: Verify) -> None:
    code, said = verify(zipped)
    assert code == 0, said
    assert made.written.damaged == ()
    assert f"Score        {made.written.score}" in said
    assert said.endswith("VERIFIED with the keys given.\n")


def test_it_verifies_with_python_alone(zipped: Path, keys: Path, tmp_path: Path) -> None:
    folder = making.unpack_programs(zipped, tmp_path / "outside")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "verify_controls.py", str(zipped), "--public-keys", str(keys)],
        cwd=folder,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    asked = subprocess.run(
        [sys.executable, "-I", "-S", "verify_controls.py", "--help"],
        cwd=folder,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 0
    assert "--public-keys FILE" in asked.stdout


def test_without_its_helpers_it_says_which(zipped: Path, keys: Path, tmp_path: Path) -> None:
    folder = making.unpack_programs(zipped, tmp_path / "outside")
    (folder / "ed25519.py").unlink()
    (folder / "verify.py").unlink()
    done = subprocess.run(
        [sys.executable, "-I", "-S", "verify_controls.py", str(zipped), "--public-keys", str(keys)],
        cwd=folder,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "must lie beside" in done.stderr


def test_everything_is_in_it(made: Made, zipped: Path) -> None:
    files, month = making.contents(zipped), made.month
    named = set(files)
    assert {"README.txt", "results.jsonl", "earlier.jsonl", "score.json", "audit.zip", "proof.zip"} <= named
    assert {"policies/use-1.0.md", "acknowledgements.jsonl", "attestations.jsonl", "exceptions.jsonl"} <= named
    assert f"reports/{month.month:%Y-%m}-1.json" in named
    (attested,) = making.lines(files["attestations.jsonl"])
    assert files[f"artifacts/{attested['document_sha256']}"] == b"%PDF a document"
    (accepted,) = making.lines(files["acknowledgements.jsonl"])
    assert accepted["policy"] == "use"
    assert len(making.lines(files["results.jsonl"])) == len(making.lines(files["earlier.jsonl"])) > 90
    assert json.loads(files["score.json"])["moments"][0]["score"]["at"] == month.last.isoformat()


@pytest.mark.django_db
def test_days_that_cannot_be(settings: object) -> None:
    today = clock.now().date()
    for first, last in (
        (today, today - timedelta(days=1)),
        (today, today + timedelta(days=1)),
        (today - timedelta(days=366), today),
    ):
        with pytest.raises(bundle.BadPeriod):
            bundle.period(first, last)
    with pytest.raises(bundle.NoResults):
        bundle.period(today - timedelta(days=365), today)


@pytest.mark.django_db
def test_a_page_has_a_limit() -> None:
    month = making.the_month()
    for minute in range(3):
        making.keep("audit.grants", month.start + timedelta(minutes=minute))
    days = (month.start.date(), month.last.date())
    assert bundle.period(*days, limit=3).start == month.start
    with pytest.raises(bundle.TooMany):
        bundle.period(*days, limit=2)


@pytest.mark.django_db
def test_without_a_sealer_nothing_is_exported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bundle, "PATIENCE", 0.0)
    month = making.the_month()
    making.keep("audit.grants", month.start)
    with (tmp_path / "bundle.zip").open("w+b") as file, pytest.raises(bundle.NotSealed):
        bundle.write(bundle.period(month.month, month.last.date()), file)
    handed = AuditEvent.objects.get(object_type="compliance.Export")
    assert (handed.detail["broken_off"], handed.detail["count"]) == (True, 0)


@pytest.mark.django_db
def test_what_is_not_sealed_yet_is_left_for_the_next_one() -> None:
    now = clock.now()
    making.keep("audit.grants", now - timedelta(hours=2))
    making.keep("audit.fields", now - timedelta(minutes=20))
    days = ((now - timedelta(days=2)).date(), now.date())
    assert bundle.period(*days).end == now.replace() - timedelta(minutes=20)

"""manage.py compliance_report: for somebody who has never seen ClinChat, and for scripts."""

from __future__ import annotations

import hashlib
import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from clinchat.lib import clock
from compliance.management.commands.compliance_report import Command
from compliance.models import AuditEvent, MonthlyReport
from compliance.reports import bundle
from tests.compliance.reports import making


def run(*words: object) -> dict[str, Any]:
    out = io.StringIO()
    call_command("compliance_report", *map(str, words), "--json", stdout=out)
    said: dict[str, Any] = json.loads(out.getvalue())
    return said


def refused(*words: object) -> tuple[int, str]:
    with pytest.raises(CommandError) as caught:
        call_command("compliance_report", *map(str, words), stdout=io.StringIO())
    return caught.value.returncode, str(caught.value)


def test_the_help_explains_itself() -> None:
    text = Command().create_parser("manage.py", "compliance_report").format_help()
    for words in ("examples:", "exit code:", "--month YYYY-MM", "--bundle FILE.zip", "README.txt"):
        assert words in text


@pytest.mark.django_db
def test_the_last_month_without_words(tmp_path: Path) -> None:
    month = making.the_month()
    making.keep("audit.grants", month.start)
    said = run()
    assert said["month"] == f"{month.month:%Y-%m}"
    assert said == run()
    assert MonthlyReport.objects.count() == 1
    out = io.StringIO()
    call_command("compliance_report", stdout=out)
    assert f"sha256: {said['sha256']}" in out.getvalue()


@pytest.mark.django_db
def test_files_of_each_form_are_exports_on_record(tmp_path: Path) -> None:
    making.keep("audit.grants", making.the_month().start)
    said = {ending: run("--out", tmp_path / f"report.{ending}") for ending in ("pdf", "html", "json")}
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    assert said["pdf"]["sha256"] in (tmp_path / "report.html").read_text()
    assert hashlib.sha256((tmp_path / "report.json").read_bytes()).hexdigest() == said["json"]["sha256"]
    found = AuditEvent.objects.filter(detail__has_key="export").order_by("timestamp")
    assert list(found.values_list("detail__export", flat=True)) == ["pdf", "html", "json"]
    assert oct((tmp_path / "report.pdf").stat().st_mode & 0o777) == "0o600"


@pytest.mark.django_db
def test_the_running_month_is_said_to_be_so() -> None:
    assert run("--month", f"{clock.now():%Y-%m}")["provisional"] is True


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--month", "2026-13"), 2, "must look like"),
        (("--month", "2199-01"), 2, "has not begun"),
        (("--out", "a.txt"), 2, "must end in"),
        (("--out", "/nowhere/a.pdf"), 1, "no folder"),
        (("--from", "2026-01-01"), 2, "go with --bundle"),
        (("--bundle", "a.zip"), 2, "Say which days"),
        (("--bundle", "a.zip", "--from", "x", "--to", "2026-01-01"), 2, "A day must look like"),
        (("--bundle", "a.zip", "--from", "2020-01-01", "--to", "2026-01-01"), 2, "at most 366 days"),
        (("--bundle", "a.zip", "--from", "2020-01-01", "--to", "2020-01-02"), 1, "No check was made"),
        (("--bundle", "a.zip", "--month", "2026-01", "--from", "2020-01-01", "--to", "2020-01-02"), 2, "does not go"),
    ],
)
def test_what_is_refused(
    words: tuple[str, ...], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    got, why = refused(*words)
    assert (got, said in why) == (code, True), why
    assert list(tmp_path.iterdir()) == []


@pytest.mark.django_db
def test_a_file_that_exists_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("mine")
    assert refused("--out", path)[0] == 1
    assert path.read_text() == "mine"
    run("--out", path, "--force")
    assert path.read_bytes().startswith(b"{")


@pytest.mark.django_db(transaction=True)
def test_a_bundle(tmp_path: Path) -> None:
    month = making.the_month()
    making.keep("audit.grants", month.start + timedelta(days=1))
    path = tmp_path / "bundle.zip"
    with making.sealing():
        said = run("--bundle", path, "--from", month.month, "--to", clock.now().date())
    assert said["results"] == 1
    assert "results.jsonl" in making.contents(path)


@pytest.mark.django_db
def test_without_a_sealer_no_bundle_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "PATIENCE", 0.0)
    month = making.the_month()
    making.keep("audit.grants", month.start)
    code, why = refused("--bundle", tmp_path / "b.zip", "--from", month.month, "--to", month.last.date())
    assert (code, "not being sealed" in why) == (1, True)
    assert list(tmp_path.iterdir()) == []

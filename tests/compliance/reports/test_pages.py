"""The pages of reports: who reads them, who takes them away, and that each export is on record."""

from __future__ import annotations

import hashlib
import io
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from clinchat.lib import clock
from compliance import audit
from compliance.audit import seal
from compliance.models import AuditEvent, ControlResult, MonthlyReport
from compliance.reports import bundle, monthly
from tests import cast
from tests.compliance.reports import making
from tests.proving import look

State = ControlResult.State


@pytest.fixture
def report(db: None) -> MonthlyReport:
    month = making.the_month()
    making.keep("crypto.key_hygiene", month.start + timedelta(days=3), State.FAIL, "1 key too many")
    making.keep("audit.fields", month.start + timedelta(days=3))
    return monthly.make(month.month, cast.carol())


def exports() -> list[tuple[Any, ...]]:
    found = AuditEvent.objects.filter(detail__has_key="export").order_by("timestamp")
    return list(found.values_list("actor_name", "object_type", "detail__export"))


@pytest.mark.django_db(transaction=True)
def test_the_page_shows_figures_charts_tables_and_the_seal(client: Client, report: MonthlyReport) -> None:
    seal.seal_all()
    page = cast.sign_in(client, cast.carol()).get(reverse("report", args=[report.pk])).content.decode()
    sealed = monthly.sealed(report)
    assert sealed
    assert sealed.seal
    for words in (
        report.sha256,
        str(sealed.event),
        "Open findings",
        "1 key too many",
        "<svg",
        "No event was sealed by the end of the month",
        "Sealed",
    ):
        assert words in page
    assert "ClinChat keeps no register of incidents yet" in page
    assert "No backup was ever found whole" in page
    assert 'href="/compliance/audit/?since=' in page


def test_an_operator_reads_but_takes_nothing_away(client: Client, report: MonthlyReport) -> None:
    cast.sign_in(client, cast.otto())
    assert client.get(reverse("reports")).status_code == 200
    page = client.get(reverse("report", args=[report.pk]))
    assert page.status_code == 200
    assert reverse("report-pdf", args=[report.pk]) not in page.content.decode()
    for name in ("report-pdf", "report-json"):
        assert client.post(reverse(name, args=[report.pk])).status_code == 403
    assert client.get(reverse("reports-bundle")).status_code == 403


def test_a_clinician_sees_nothing_of_it(client: Client, report: MonthlyReport) -> None:
    cast.sign_in(client, cast.alice())
    assert client.get(reverse("reports")).status_code == 403
    assert client.get(reverse("report", args=[report.pk])).status_code == 403


def test_files_are_exports_on_record(client: Client, report: MonthlyReport) -> None:
    cast.sign_in(client, cast.audra())
    pdf = client.post(reverse("report-pdf", args=[report.pk]))
    assert pdf.content.startswith(b"%PDF")
    plain = client.post(reverse("report-json", args=[report.pk]))
    assert hashlib.sha256(plain.content).hexdigest() == report.sha256
    who = cast.audra().name
    assert exports() == [(who, "compliance.MonthlyReport", "pdf"), (who, "compliance.MonthlyReport", "json")]


def test_files_are_in_the_ledger_of_exports(
    client: Client, report: MonthlyReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast.sign_in(client, cast.audra())
    files = {client.post(reverse(name, args=[report.pk])).content for name in ("report-pdf", "report-json")}
    out = tmp_path / "month.json"
    with audit.bind(kind=audit.ActorKind.COMMAND, name="manage.py"):
        call_command("compliance_report", month=f"{report.month:%Y-%m}", out=out, stdout=io.StringIO())
    told = AuditEvent.objects.filter(object_type="compliance.Export").values_list("detail__sha256", flat=True)
    assert set(told) == {hashlib.sha256(one).hexdigest() for one in files}
    later = clock.now() + timedelta(minutes=15)
    monkeypatch.setattr(clock, "now", lambda: later)
    found = look("export.ledger")
    assert (found.state, found.subjects) == (State.PASS, 3), found.failing


def test_making_one_again_adds_nothing_while_the_figures_are_the_same(client: Client, report: MonthlyReport) -> None:
    cast.sign_in(client, cast.sam())
    there = {"month": f"{report.month:%Y-%m}"}
    assert client.post(reverse("reports-make"), there)["Location"] == reverse("report", args=[report.pk])
    making.keep("audit.coverage", making.the_month().start + timedelta(days=4))
    assert client.post(reverse("reports-make"), there)["Location"] != reverse("report", args=[report.pk])
    assert [one.number for one in MonthlyReport.objects.filter(month=report.month)] == [2, 1]
    assert b"number 2" in client.get(reverse("report", args=[report.pk])).content
    assert client.post(reverse("reports-make"), {"month": "2199-01"}).status_code == 200
    assert MonthlyReport.objects.count() == 2


def test_the_running_month_is_marked(client: Client, report: MonthlyReport) -> None:
    cast.sign_in(client, cast.sam())
    now = client.post(reverse("reports-make"), {"month": f"{clock.now():%Y-%m}"}, follow=True).content.decode()
    assert "until now" in now
    assert "The month was not over" in now
    assert "Month not over" in client.get(reverse("reports")).content.decode()


@pytest.mark.django_db(transaction=True)
def test_the_bundle_is_downloaded_and_on_record(client: Client, report: MonthlyReport) -> None:
    cast.sign_in(client, cast.audra())
    month = making.the_month()
    given = {"first": month.month.isoformat(), "last": clock.now().date().isoformat()}
    with making.sealing():
        response = client.post(reverse("reports-bundle"), given)
    content = b"".join(response)
    packed = zipfile.ZipFile(io.BytesIO(content))
    assert "results.jsonl" in packed.namelist()
    assert exports() == [(cast.audra().name, "compliance.ControlResult", "bundle")]
    told = AuditEvent.objects.get(object_type="compliance.Export").detail
    assert told["sha256"] == hashlib.sha256(content).hexdigest()


def test_a_bundle_that_cannot_be_made_says_why(client: Client, report: MonthlyReport) -> None:
    cast.sign_in(client, cast.audra())
    page = client.post(reverse("reports-bundle"), {"first": "2020-01-01", "last": "2026-01-01"}).content.decode()
    assert bundle.BadPeriod.line in page
    page = client.post(reverse("reports-bundle"), {"first": "2020-01-01", "last": "2020-01-02"}).content.decode()
    assert bundle.NoResults.line in page
    assert "Choose a day." in client.post(reverse("reports-bundle"), {}).content.decode()
    assert exports() == []

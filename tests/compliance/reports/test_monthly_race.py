"""Two processes that make the report of a month at the same time make one."""

from __future__ import annotations

import threading
from contextvars import copy_context
from datetime import timedelta

import pytest
from django.db import connections

from compliance import tasks
from compliance.models import MonthlyReport, Notice
from compliance.reports import monthly, sections
from tests import cast
from tests.compliance.reports.making import keep, the_month


@pytest.mark.django_db(transaction=True)
def test_two_at_once_make_one(monkeypatch: pytest.MonkeyPatch) -> None:
    cast.carol()
    keep("audit.grants", the_month().start + timedelta(days=3))
    together, real = threading.Barrier(2, timeout=60), monthly.collected

    def collected(period: sections.Period) -> dict[str, object]:
        data = real(period)
        together.wait()
        return data

    monkeypatch.setattr(monthly, "collected", collected)

    def work() -> None:
        try:
            tasks.make_monthly_report()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=copy_context().run, args=(work,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert MonthlyReport.objects.count() == 1
    assert Notice.objects.filter(title="Monthly report ready").count() == 1

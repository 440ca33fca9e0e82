"""What each address of reports leaves in the audit trail; see test_event_matrix."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from compliance.models import MonthlyReport
from compliance.reports import monthly
from tests.guards.rows import HANDED_OUT, READ, Row

REPORT = {"report_id": "report"}
ROWS: dict[str, Row] = {
    "reports": Row(),
    "reports-make": Row(post={}),
    "reports-bundle": Row(post={}),
    "report": Row(leaves=(READ,), arguments=REPORT),
    "report-pdf": Row(leaves=(READ, HANDED_OUT), post={}, arguments=REPORT),
    "report-json": Row(leaves=(READ, HANDED_OUT), post={}, arguments=REPORT),
}


def things() -> dict[str, Any]:
    """One of everything these addresses can name."""
    return {"report": report()}


def report() -> UUID:
    month = monthly.last_month()
    data = {
        "month": f"{month.month:%Y-%m}",
        "from": month.start.isoformat(),
        "before": month.end.isoformat(),
        "provisional": False,
        "sections": [],
    }
    return MonthlyReport.objects.create(month=month.month, data=data, sha256=monthly.sha256(data)).pk

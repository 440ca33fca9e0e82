"""docs/audit.md names every field, code, watched table and kind of problem there is, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from django.db import connection

from compliance import audit
from compliance.models import AuditEvent, Code
from tests.guards.test_documents import ROOT

TEXT = (ROOT / "docs/audit.md").read_text()
BEYOND_DJANGO = {"form", "xid"}


def first_cells(heading: str) -> set[str]:
    """What stands in backticks in the first column of the table below a heading."""
    section = re.split(r"^##+ ", TEXT.split(f"## {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert rows
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_the_fields() -> None:
    assert first_cells("Fields") == {field.column for field in AuditEvent._meta.concrete_fields} | BEYOND_DJANGO


def test_the_codes() -> None:
    assert first_cells("Codes") == set(Code.values)


def test_the_watched_tables() -> None:
    assert first_cells("Watched tables") == {one.object_type for one in audit.watched().values()}
    for one in audit.watched().values():
        row = next(
            line for line in TEXT.splitlines() if f"`{one.object_type}`" in line.partition("|")[2].partition("|")[0]
        )
        shown = row.split("|")[2]
        assert shown.strip().startswith("all") or set(one.shown) <= set(re.split(r"[;,\s]+", shown)), one.object_type


def test_the_kinds_of_problems() -> None:
    folder = Path(ROOT / "compliance/audit")
    found = set(re.findall(r'report\.add\(\s*"(\w+)"', (folder / "verify.py").read_text()))
    found |= set(re.findall(r'yield "(\w+)"', (folder / "guards.py").read_text()))
    assert len(found) > 10
    assert first_cells("What a problem means") == found


def test_what_it_says_of_the_table_is_so(db: None) -> None:
    with connection.cursor() as cursor:
        columns = {
            column.name for column in connection.introspection.get_table_description(cursor, "compliance_auditevent")
        }
    assert columns == first_cells("Fields")

"""A monthly report as PDF: the same as its page, with the checkpoint printed for who compares it years later."""

from __future__ import annotations

from clinchat.lib import ui_tags
from clinchat.lib.pdf import Document
from compliance.models import MonthlyReport
from compliance.reports.shown import Part, Shown, Table, shown

LEAST, MOST = 9, 30
"""Characters a column is taken to have when the page is divided among them."""


def pdf(report: MonthlyReport) -> bytes:
    one = shown(report)
    made = Document(title=f"ClinChat monthly report: {one.title}", as_of=f"Number {report.number}")
    for words in _proof(one):
        made.paragraph(words)
    for part in one.parts:
        _part(made, part)
    return made.made()


def _proof(one: Shown) -> list[str]:
    report = one.report
    by = report.made_by.name if report.made_by else "ClinChat"
    sealed = f"seal {one.seal.seal:,} of the audit trail" if one.seal and one.seal.seal else "not sealed yet"
    event = f"event {one.seal.event}, {sealed}" if one.seal else "no event in the audit trail"
    said = [
        f"Period: {one.period}. Made {ui_tags.moment(report.made_at)} by {by}.",
        f"SHA-256 of the figures: {report.sha256}",
        f"On record: {event}.",
    ]
    if one.provisional:
        said.insert(0, "The month was not over when this was made: its figures are those until then.")
    return said


def _part(made: Document, part: Part) -> None:
    made.heading(part.title)
    for note in part.notes:
        made.paragraph(note)
    made.table(["Figure", "Value"], [[fact.name, fact.words] for fact in part.facts], widths=[60, 40])
    for line in part.lines:
        made.lines(line)
    for bars in part.bars:
        made.bars(bars)
    for table in part.tables:
        _table(made, table)


def _table(made: Document, table: Table) -> None:
    made.title(table.title)
    if not table.rows:
        made.paragraph(table.none)
        return
    head = [cell.words for cell in table.head]
    widest = [max(len(row[n].words) for row in table.rows) for n in range(len(head))]
    widths = [max(LEAST, min(MOST, max(wide, len(name)))) for wide, name in zip(widest, head, strict=True)]
    made.table(head, [[cell.words for cell in row] for row in table.rows], widths=widths)
    if table.more:
        made.paragraph(f"And {table.more:,} more.")

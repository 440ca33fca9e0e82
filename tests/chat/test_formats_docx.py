"""DOCX: structure kept, what Word would not print listed, bombs and broken files refused."""

from __future__ import annotations

import io
from collections.abc import Callable

import docx
import pytest
from docx.document import Document
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from docx.shared import Pt, RGBColor

from tests.chat.papers import archive, locked_archive, only, parsed, refusal

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def saved(document: Document) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def minimal(body: str, **parts: str) -> bytes:
    """A DOCX file of hand-written parts."""
    files = {"word/document.xml": f"<w:document {W}><w:body>{body}</w:body></w:document>"} | parts
    return archive({name: content.encode() for name, content in files.items()})


def paragraph(runs: str) -> str:
    return f"<w:p>{runs}</w:p>"


def run(text: str, properties: str = "") -> str:
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


@pytest.fixture(scope="module")
def protocol() -> bytes:
    document = docx.Document()
    document.add_heading("Heparin protocol", 0)
    document.add_heading("Dosing", 1)
    document.add_paragraph("Give 80 units/kg.")
    for style in ("Bullet", "Number"):
        for text in ("first", "second"):
            document.add_paragraph(f"{text} {style}", style=f"List {style}")
    document.add_heading("Table", 2)
    table = document.add_table(3, 3)
    for i, row in enumerate((("aPTT", "Bolus", "Rate"), ("< 35", "80", "+4"), ("35 to 45", "40", "+2"))):
        for j, text in enumerate(row):
            table.cell(i, j).text = text
    document.add_paragraph("After the table.")
    return saved(document)


def test_headings_lists_and_tables_are_kept(protocol: bytes) -> None:
    source = only(protocol, "heparin_v2.docx")
    assert (source.title, source.external_id, source.format) == ("Heparin protocol", "heparin-v2", "markdown")
    assert source.text == (
        "# Heparin protocol\n\n## Dosing\n\nGive 80 units/kg.\n\n- first Bullet\n- second Bullet\n\n"
        "1. first Number\n2. second Number\n\n### Table\n\n"
        "| aPTT | Bolus | Rate |\n|---|---|---|\n| < 35 | 80 | +4 |\n| 35 to 45 | 40 | +2 |\n\nAfter the table.\n"
    )


def test_the_name_does_not_decide_what_a_file_is(protocol: bytes) -> None:
    assert parsed(protocol, "heparin.pdf").media_type.endswith("wordprocessingml.document")


def _hide(document: Document, how: str) -> None:
    run = document.add_paragraph("Seen. ").add_run("a secret sentence")
    match how:
        case "hidden":
            run.font.hidden = True
        case "white":
            run.font.color.rgb = RGBColor(255, 255, 255)
        case "tiny":
            run.font.size = Pt(1)
        case "struck out":
            run.font.strike = True


@pytest.mark.parametrize("how", ["hidden", "white", "tiny", "struck out"])
def test_what_word_would_not_print_is_left_out_and_listed(how: str) -> None:
    document = docx.Document()
    _hide(document, how)
    source = only(saved(document), "a.docx")
    assert source.text == "Seen.\n"
    assert [(hidden.how, hidden.excerpt) for hidden in source.hidden] == [(how, "a secret sentence")]


def test_tracked_changes_are_taken_as_accepted() -> None:
    document = docx.Document()
    body = document.add_paragraph("Give ")._p
    body.append(parse_xml(f"<w:del {nsdecls('w')}><w:r><w:delText>10 mg</w:delText></w:r></w:del>"))
    body.append(parse_xml(f"<w:ins {nsdecls('w')}><w:r><w:t>5 mg</w:t></w:r></w:ins>"))
    source = only(saved(document), "a.docx")
    assert source.text == "Give 5 mg\n"
    assert [(hidden.how, hidden.excerpt) for hidden in source.hidden] == [("tracked deletion", "10 mg")]


def test_signs_and_exponents_keep_their_meaning() -> None:
    symbol = '<w:r><w:sym w:font="Symbol" w:char="F0B3"/></w:r>'
    body = paragraph(
        run("Platelets ") + symbol + run(" 50 x 10") + run("9", '<w:vertAlign w:val="superscript"/>') + run("/L")
    )
    assert only(minimal(body), "a.docx").text == "Platelets ≥ 50 x 10⁹/L\n"


def test_footnotes_follow_the_text_with_their_numbers() -> None:
    notes = f'<w:footnotes {W}><w:footnote w:id="2"><w:p>{run("Cockcroft and Gault.")}</w:p></w:footnote></w:footnotes>'
    body = paragraph(run("Clearance") + '<w:r><w:footnoteReference w:id="2"/></w:r>' + run(" below 30."))
    text = only(minimal(body, **{"word/footnotes.xml": notes}), "a.docx").text
    assert text == "Clearance¹ below 30.\n\n## Notes\n\n1. Cockcroft and Gault.\n"


def test_cells_merged_downwards_stand_in_each_row() -> None:
    def cell(text: str, merge: str = "") -> str:
        return f"<w:tc><w:tcPr>{merge}</w:tcPr>{paragraph(run(text))}</w:tc>"

    first, goes_on = '<w:vMerge w:val="restart"/>', "<w:vMerge/>"
    rows = (cell("Drug") + cell("Dose"), cell("Apixaban", first) + cell("5 mg"), cell("", goes_on) + cell("2.5 mg"))
    text = only(minimal(f"<w:tbl>{''.join(f'<w:tr>{row}</w:tr>' for row in rows)}</w:tbl>"), "a.docx").text
    assert text.endswith("| Apixaban | 5 mg |\n| Apixaban | 2.5 mg |\n")


def test_comments_are_listed() -> None:
    comments = f'<w:comments {W}><w:comment w:id="0"><w:p>{run("Ask the pharmacist")}</w:p></w:comment></w:comments>'
    source = only(minimal(paragraph(run("Text.")), **{"word/comments.xml": comments}), "a.docx")
    assert [(hidden.how, hidden.excerpt) for hidden in source.hidden] == [("comment", "Ask the pharmacist")]


def bomb() -> bytes:
    return archive({"word/document.xml": b"<w:document>" + b" " * 80_000_000})


def many_parts() -> bytes:
    parts = {f"word/{i}.xml": b"" for i in range(10_001)}
    return archive({"word/document.xml": b"<a/>"} | parts)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (bomb, "unpacks to far more than it holds"),
        (many_parts, "more than 10,000 parts"),
        (lambda: locked_archive(minimal("<w:p/>")), "the file has a password"),
        (lambda: minimal(paragraph(run("x")))[:-30], "the file is damaged"),
        (lambda: archive({"word/document.xml": b"<w:document>"}), "its part word/document.xml is damaged"),
        (lambda: minimal(paragraph("")), "the document has no text"),
        (lambda: archive({"xl/workbook.xml": b"<a/>"}), "this is a workbook"),
        (lambda: archive({"a.txt": b"hello"}), "this is a ZIP archive"),
        (lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "an older Office file, or one with a password"),
    ],
    ids=["bomb", "many-parts", "password", "cut-off", "broken", "empty", "workbook", "archive", "doc"],
)
def test_what_cannot_be_read_is_refused_with_the_reason(make: Callable[[], bytes], why: str) -> None:
    assert why in refusal(make(), "a.docx")

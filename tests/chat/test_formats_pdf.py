"""PDF: what a reader of the pages sees, in their order, and a refusal with its reason for the rest."""

from __future__ import annotations

import pytest
from PIL import Image, ImageDraw, ImageFont

from chat.corpus import loaders, structure
from chat.corpus.formats import MAX_PAGES, ocr
from tests.chat.papers import Sheet, only, parsed, pdf, refusal

BODY = (
    "Warfarin inhibits the synthesis of clotting factors and is monitored with the",
    "international normalized ratio, which should be checked every week at first.",
    "Later it may be checked every four weeks when results have been stable.",
)
BLUE = (0.2, 0.2, 0.5)
LEFT = [f"Left column line {i} speaks about anticoagulants at length" for i in range(1, 13)]
RIGHT = [f"Right column line {i} speaks about the kidney at length" for i in range(1, 13)]


def test_headings_come_from_size_and_weight() -> None:
    sheet = Sheet().text(50, 60, "Warfarin guideline", size=22).text(50, 100, "Monitoring", size=14, bold=True)
    sheet.lines(50, 125, BODY).text(50, 200, "In pregnancy", bold=True).lines(50, 220, BODY)
    source = only(pdf(sheet), "guideline.pdf")
    assert source.title == "Warfarin guideline"
    found = [(part.section, part.level) for part in structure.parts(source.text, markdown=True)]
    assert found == [("Monitoring", 2), ("Monitoring > In pregnancy", 3)]
    assert " ".join(BODY) in source.text


def test_two_columns_are_read_one_after_the_other() -> None:
    sheet = Sheet().text(50, 60, "A title that spans both of the columns of the page", size=18)
    sheet.lines(50, 100, LEFT, size=9).lines(310, 100, RIGHT, size=9)
    text = only(pdf(sheet), "a.pdf").text
    assert " ".join(LEFT) in text
    assert " ".join(RIGHT) in text
    assert text.index("Left column line 12") < text.index("Right column line 1 ")


def test_a_ruled_table_becomes_rows_that_stand_alone() -> None:
    rows = [["CrCl", "Dose"], ["< 30", "500 mg daily"], ["30 to 50", "750 mg daily"]]
    sheet = Sheet().lines(50, 60, BODY).grid(50, 120, [120, 160], rows).lines(50, 220, BODY)
    source = only(pdf(sheet), "a.pdf")
    assert "| CrCl | Dose |\n|---|---|\n| < 30 | 500 mg daily |" in source.text
    assert "| < 30 | 500 mg daily |" in [source.text[a:b] for a, b in structure.sentences(source.text)]
    assert source.text.count("750 mg daily") == 1


def test_aligned_columns_without_rules_are_a_table() -> None:
    sheet = Sheet().lines(50, 60, BODY)
    rows = ("Drug", "Dose", "Interval"), ("Apixaban", "5 mg", "12 h"), ("Edoxaban", "60 mg", "24 h")
    for i, row in enumerate(rows):
        for x, cell in zip((60, 200, 340), row, strict=True):
            sheet.text(x, 130 + 14 * i, cell)
    text = only(pdf(sheet), "a.pdf").text
    assert "| Drug | Dose | Interval |\n|---|---|---|\n| Apixaban | 5 mg | 12 h |" in text


def test_running_heads_and_page_numbers_are_left_out_and_pages_are_kept() -> None:
    sheets = []
    for number in range(1, 5):
        sheet = Sheet().text(50, 30, "Hospital guideline 2026").text(290, 820, f"Page {number} of 4")
        sheets.append(sheet.lines(50, 100, (f"Statement {number} stands alone.", "It has a second line.")))
    source = only(pdf(*sheets), "a.pdf")
    assert "Hospital guideline" not in source.text
    assert "of 4" not in source.text
    assert len(source.pages) == 4
    for number in range(1, 5):
        assert structure.page_of(source.pages, source.text.index(f"Statement {number}")) == number


def test_a_paragraph_over_two_pages_is_one_and_knows_both() -> None:
    first = Sheet().lines(50, 600, (*BODY, "The sentence that begins here goes on over the end of this page and"))
    second = Sheet().lines(50, 60, ("continues on the next one before it ends.", "Another sentence follows it."))
    source = only(pdf(first, second), "a.pdf")
    sentence = (
        "The sentence that begins here goes on over the end of this page and continues on the next one before it ends."
    )
    assert sentence in source.text
    assert structure.page_of(source.pages, source.text.index("The sentence")) == 1
    assert structure.page_of(source.pages, source.text.index("continues")) == 2


def test_words_divided_at_the_end_of_a_line_are_whole_again() -> None:
    lines = (
        "Patients take the anticoagulant every day and low-",
        "dose aspirin is stopped; the antico-",
        "agulant is not.",
    )
    text = only(pdf(Sheet().lines(50, 60, lines)), "a.pdf").text
    assert "low-dose aspirin is stopped; the anticoagulant is not." in text


def test_exponents_do_not_become_digits() -> None:
    sheet = (
        Sheet()
        .text(50, 60, "Platelets must exceed 50 x 10")
        .text(184.5, 60, "9", size=6, rise=4)
        .text(188, 60, "/L to start.")
    )
    assert "10⁹/L" in only(pdf(sheet), "a.pdf").text


def test_lists_keep_their_items_and_depth() -> None:
    sheet = Sheet().lines(50, 60, ("Check the following things before the first dose:",))
    sheet.text(60, 80, "\u2022 Kidney function is measured in everyone who").text(68, 92, "starts the drug.")
    sheet.text(60, 104, "\u2022 Weight is measured.").text(80, 116, "\u2022 Twice a week in heart failure.")
    sheet.text(60, 128, "\u2022 Blood pressure is measured.")
    text = only(pdf(sheet), "a.pdf").text
    assert "- Kidney function is measured in everyone who starts the drug.\n- Weight is measured.\n  - Twice" in text


@pytest.mark.parametrize(
    ("how", "sheet"),
    [
        ("white", Sheet().text(50, 300, "Ignore this hidden sentence", color=(1, 1, 1))),
        ("tiny", Sheet().text(50, 300, "Ignore this hidden sentence", size=1)),
        ("off-page", Sheet().text(-300, 300, "Ignore this hidden sentence")),
        ("invisible", Sheet().text(50, 300, "Ignore this hidden sentence", mode=3)),
        (
            "white",
            Sheet()
            .box(40, 280, 300, 40, (0.2, 0.2, 0.5))
            .text(50, 300, "Ignore this hidden sentence", color=(0.2, 0.2, 0.5)),
        ),
    ],
    ids=["white", "tiny", "off-page", "invisible", "as-its-ground"],
)
def test_what_nobody_sees_is_left_out_and_listed(how: str, sheet: Sheet) -> None:
    source = only(pdf(sheet.lines(50, 60, BODY)), "a.pdf")
    assert "hidden sentence" not in source.text
    (hidden,) = source.hidden
    assert (hidden.how, hidden.page) == (how, 1)
    assert "Ignore this hidden sentence" in hidden.excerpt


def test_white_text_on_a_dark_box_is_seen() -> None:
    sheet = Sheet().lines(50, 60, BODY).box(40, 280, 300, 40, (0, 0, 0.4)).text(50, 300, "In white", color=(1, 1, 1))
    source = only(pdf(sheet), "a.pdf")
    assert "In white" in source.text
    assert not source.hidden


def test_a_page_that_is_only_a_picture_among_others_is_listed() -> None:
    sheets = [Sheet().lines(50, 150, (f"Page {i} says this.",)).lines(50, 200, BODY) for i in range(9)]
    source = only(pdf(Sheet(picture=True), *sheets), "a.pdf")
    assert [(h.how, h.page) for h in source.hidden] == [("picture", 1)]
    assert structure.page_of(source.pages, source.text.index("Page 0")) == 2


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (
            pdf(Sheet(picture=True), Sheet(picture=True)),
            "the PDF is a scan without text; its text can be recognized (OCR)",
        ),
        (pdf(Sheet(picture=True), Sheet().lines(50, 60, BODY)), "pages 1 of 2 are scans without text"),
        (pdf(Sheet()), "the PDF has no text"),
        (pdf(Sheet().lines(50, 60, BODY), locked=True), "the PDF has a password"),
        (pdf(*[Sheet()] * (MAX_PAGES + 1)), f"the file has {MAX_PAGES + 1} pages; at most {MAX_PAGES} are read"),
        (b"%PDF-1.4\nnothing that makes sense", "the PDF is damaged"),
    ],
    ids=["scan", "half-a-scan", "empty", "password", "long", "damaged"],
)
def test_what_cannot_be_read_is_refused_with_the_reason(content: bytes, why: str) -> None:
    assert why in refusal(content, "a.pdf")


def test_a_title_is_taken_from_the_file_where_the_pages_have_none() -> None:
    assert only(pdf(Sheet().lines(50, 60, BODY), title="Anticoagulation"), "a.pdf").title == "Anticoagulation"
    assert only(pdf(Sheet().lines(50, 60, BODY), title="Microsoft Word - x.docx"), "My file_2.pdf").title == "My file 2"


def test_the_text_under_a_scan_is_read() -> None:
    """Scanners lay invisible text over the picture of a page."""
    sheet = Sheet(picture=True)
    for i, line in enumerate(BODY):
        sheet.text(50, 60 + 12 * i, line, mode=3)
    reading = parsed(pdf(sheet), "a.pdf")
    assert " ".join(BODY) in reading.sources[0].text
    assert not reading.sources[0].hidden


def scanned(*lines: str) -> bytes:
    """A page as a scanner gives it: a picture of its words."""
    image = Image.new("L", (1240, 1754), 255)
    draw = ImageDraw.Draw(image)
    for i, line in enumerate(lines):
        draw.text((100, 150 + 60 * i), line, fill=0, font=ImageFont.load_default(36))
    return pdf(Sheet(picture=True), scan=(1240, 1754, image.tobytes()))


def test_a_scan_is_read_where_that_is_asked_for_and_possible() -> None:
    content = scanned("Apixaban is given twice daily.", "The dose is 5 mg.")
    reading = loaders.read_bytes(content, name="scan.pdf", ocr=True)
    if ocr.available():
        assert reading.sources[0].text == "Apixaban is given twice daily. The dose is 5 mg.\n"
        assert reading.sources[0].pages == (0,)
    else:
        assert "text recognition (tesseract) is not installed here" in reading.problems[0].what

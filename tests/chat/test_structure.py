"""Sentences and passages are exact slices of the stored text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.corpus import chunking, structure
from chat.llm import minilm

texts = st.text(alphabet=st.sampled_from("ab cD.E!?:\n-*1) “”é\t#|"), max_size=400) | st.text(max_size=200)


@given(texts)
@settings(max_examples=300, deadline=None)
def test_sentences_are_disjoint_ordered_and_lose_no_letter(text: str) -> None:
    at = 0
    kept = []
    for start, end in structure.sentences(text):
        assert at <= start < end <= len(text)
        assert text[start:end] == text[start:end].strip()
        kept.append(text[start:end])
        at = end
    markers = sum(c.isalpha() for c in text)
    assert sum(c.isalpha() for s in kept for c in s) == markers


@given(texts, st.booleans())
@settings(max_examples=150, deadline=None)
def test_passages_cover_every_letter_and_fit_the_model(text: str, markdown: bool) -> None:
    covered = set()
    for piece in chunking.pieces(text, markdown=markdown):
        assert 0 <= piece.start < piece.end <= len(text)
        assert len(minilm.tokens(text[piece.start : piece.end])) <= chunking.CHUNK_TOKENS + 5
        covered |= set(range(piece.start, piece.end))
    parts = structure.parts(text, markdown=markdown)
    letters = {i for p in parts for i in range(p.start, p.end) if text[i].isalpha()}
    assert letters <= covered


def split(text: str) -> list[str]:
    return [text[a:b] for a, b in structure.sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Give 0.5 mg. Repeat once.", ["Give 0.5 mg.", "Repeat once."]),
        ("Dr. Chan saw E. coli. It grew.", ["Dr. Chan saw E. coli.", "It grew."]),
        ("Give calcium (e.g. gluconate). Then insulin.", ["Give calcium (e.g. gluconate).", "Then insulin."]),
        ("Pain in the abdomen.Nausea may follow.", ["Pain in the abdomen.", "Nausea may follow."]),
        ("Stop:\n- metformin\n- lisinopril\n\nThen wait.", ["Stop:", "metformin", "lisinopril", "Then wait."]),
        ("A line that goes\non here. Next.", ["A line that goes\non here.", "Next."]),
        ("The limit is 1 mg/L. Vitamin K. Then wait.", ["The limit is 1 mg/L.", "Vitamin K.", "Then wait."]),
        ("INR 2.5 vs. 3.0 was seen. Why? Nobody knows!", ["INR 2.5 vs. 3.0 was seen.", "Why?", "Nobody knows!"]),
    ],
)
def test_where_sentences_end(text: str, expected: list[str]) -> None:
    assert split(text) == expected


def test_headings_make_the_place_of_a_passage() -> None:
    text = "# Warfarin\n\nIntro here.\n\n## Dosing\n\nDose text.\n\n### Kidney\n\nKidney text.\n\n"
    text += "## Monitoring\n\nINR text.\n"
    found = [(p.section, text[p.start : p.end].strip()) for p in chunking.pieces(text, markdown=True)]
    assert found == [
        ("", "Intro here."),
        ("Dosing", "Dose text."),
        ("Dosing > Kidney", "Kidney text."),
        ("Monitoring", "INR text."),
    ]


def test_a_long_text_is_cut_at_sentences() -> None:
    text = " ".join(f"Sentence number {i} says that warfarin needs an INR check every week." for i in range(60))
    found = list(chunking.pieces(text, markdown=False))
    assert len(found) > 4
    assert all(text[p.start : p.end].startswith("Sentence number") for p in found)
    assert all(text[p.start : p.end].endswith(".") for p in found)


TABLE = """# Doc

## Dosing

Give it slowly. The dose depends on:

- age
  - over 65 years give half
- weight

Table 2. Dose by kidney function

| CrCl | Dose \\| route |
| --- | ---: |
| < 30 | 500 mg daily. By mouth |
| 30 to 50 |  |

After the table.
"""


def test_blocks_are_paragraphs_items_and_rows() -> None:
    (part,) = structure.parts(TABLE, markdown=True)
    found = [(b.shape.value, b.depth, TABLE[b.start : b.end]) for b in structure.blocks(TABLE, part.start, part.end)]
    assert found == [
        ("paragraph", 0, "Give it slowly. The dose depends on:"),
        ("item", 0, "- age"),
        ("item", 2, "- over 65 years give half"),
        ("item", 0, "- weight"),
        ("paragraph", 0, "Table 2. Dose by kidney function"),
        ("head", 0, "| CrCl | Dose \\| route |"),
        ("row", 0, "| < 30 | 500 mg daily. By mouth |"),
        ("row", 0, "| 30 to 50 |  |"),
        ("paragraph", 0, "After the table."),
    ]


def test_a_row_of_a_table_is_one_statement_and_its_rule_is_none() -> None:
    assert "| < 30 | 500 mg daily. By mouth |" in split(TABLE)
    assert not any("---" in sentence for sentence in split(TABLE))


def test_rows_of_a_table_have_cells() -> None:
    rows = [block for block in structure.blocks(TABLE) if block.shape in {structure.Shape.HEAD, structure.Shape.ROW}]
    assert [[TABLE[a:b] for a, b in structure.cells(TABLE, row.start, row.end)] for row in rows] == [
        ["CrCl", "Dose \\| route"],
        ["< 30", "500 mg daily. By mouth"],
        ["30 to 50", ""],
    ]


@pytest.mark.parametrize(("offset", "page"), [(0, 1), (9, 1), (10, 3), (25, 3), (30, 4)])
def test_pages_are_found_by_offset(offset: int, page: int) -> None:
    assert structure.page_of((0, 10, 10, 30), offset) == page


def test_a_source_without_pages_has_none() -> None:
    assert structure.page_of((), 5) is None


def test_a_passage_within_a_table_is_led_by_its_header() -> None:
    rows = "".join(f"| {i} to {i + 1} mL/min | {i * 10} mg every {i} hours with food |\n" for i in range(40))
    text = f"## Doses\n\nAs the\nTable 3 shows:\n\n| Clearance | Dose |\n| --- | --- |\n{rows}"
    first, *rest = chunking.pieces(text, markdown=True)
    assert first.lead == ""
    assert text[first.start : first.end].startswith("As the")
    assert rest
    for piece in rest:
        assert piece.lead.endswith("| Clearance | Dose |")
        passage = text[piece.start : piece.end]
        assert passage.startswith("| ")
        assert passage.endswith(" |")
        assert len(minilm.tokens(f"{piece.lead} {passage}")) <= chunking.CHUNK_TOKENS


def test_a_passage_within_a_list_is_led_by_what_introduces_it() -> None:
    items = "".join(f"- Item number {i} says to give the drug slowly over an hour.\n" for i in range(40))
    text = f"## Steps\n\nSome words first. Do all of this:\n\n{items}"
    first, *rest = chunking.pieces(text, markdown=True)
    assert "Do all of this:\n\n- Item number 0" in text[first.start : first.end]
    assert {piece.lead for piece in rest} == {"Do all of this:"}
    assert all(text[piece.start : piece.end].startswith("- Item") for piece in rest)
    assert all(text[piece.start : piece.end].endswith("hour.") for piece in rest)


def test_an_item_below_another_is_led_by_it() -> None:
    items = "".join(f"  - Sub-item number {i} says to give the drug slowly over an hour.\n" for i in range(30))
    text = f"Do this:\n\n- When clearance is below 30:\n{items}"
    *_, last = chunking.pieces(text, markdown=True)
    assert last.lead == "Do this: - When clearance is below 30:"


def test_passages_know_the_part_they_stand_in() -> None:
    text = "Intro.\n\n## A\n\nText.\n\n## B\n\n" + "A sentence of several words stands here. " * 60
    parts = [piece.part for piece in chunking.pieces(text, markdown=True)]
    assert parts[:2] == [0, 1]
    assert set(parts[2:]) == {2}
    assert len(parts) > 4


@pytest.mark.parametrize(
    "text",
    ["word " * 3000, "x" * 5000, "- " + "word " * 500, "| " + "word " * 400 + "| b |\n" * 2],
    ids=["words", "letters", "item", "row"],
)
def test_what_is_too_long_to_be_kept_whole_is_cut(text: str) -> None:
    found = list(chunking.pieces(text, markdown=True))
    assert len(found) > 1
    assert all(len(minilm.tokens(text[p.start : p.end])) <= chunking.CHUNK_TOKENS + 5 for p in found)
    assert found[-1].end >= len(text.rstrip())


@pytest.mark.parametrize(
    "text",
    ["# a" + " " * 200_000 + "b", "| " * 100_000, "\n" * 200_000, "- " * 100_000, "." * 100_000],
    ids=["heading", "bars", "lines", "markers", "stops"],
)
def test_odd_text_takes_no_time(text: str) -> None:
    assert list(structure.sentences(text)) is not None
    assert structure.parts(text, markdown=True) is not None
    assert list(structure.blocks(text)) is not None

"""Sentences and passages are exact slices of the stored text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.corpus import chunking, structure
from chat.llm import minilm

texts = st.text(alphabet=st.sampled_from("ab cD.E!?:\n-*1) “”é\t#"), max_size=400) | st.text(max_size=200)


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

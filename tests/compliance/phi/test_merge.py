from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from compliance.phi.merge import resolve
from compliance.phi.types import Candidate, Label, Span, Strength

TEXT = "abcdefghijklmnopqrstuvwxyz0123456789"


def candidates() -> st.SearchStrategy[list[Candidate]]:
    offsets = st.tuples(st.integers(0, len(TEXT)), st.integers(0, len(TEXT))).filter(lambda pair: pair[0] < pair[1])
    one = st.builds(
        lambda pair, label, strength: Candidate(pair[0], pair[1], label, strength),
        offsets,
        st.one_of(st.none(), st.sampled_from(Label)),
        st.sampled_from(Strength),
    )
    return st.lists(one, max_size=12)


@given(candidates())
def test_spans_are_sorted_disjoint_and_cover_what_no_clinical_wording_claims(found: list[Candidate]) -> None:
    spans = resolve(TEXT, found)
    assert all(left.end <= right.start for left, right in pairwise(spans))
    covered = {i for span in spans for i in range(span.start, span.end)}
    firm = {i for c in found if c.label and c.strength > Strength.WEAK for i in range(c.start, c.end)}
    every = {i for c in found if c.label for i in range(c.start, c.end)}
    assert firm <= covered <= every


def test_the_stronger_wins_and_the_rest_of_the_loser_stays_masked() -> None:
    spans = resolve(
        "0123456789", [Candidate(0, 8, Label.OTHER_ID, Strength.WEAK), Candidate(2, 5, Label.MRN, Strength.FIRM)]
    )
    assert spans == (Span(0, 2, Label.OTHER_ID), Span(2, 5, Label.MRN), Span(5, 8, Label.OTHER_ID))


def test_clinical_wording_removes_weak_candidates_only() -> None:
    keep = Candidate(0, 14, None, Strength.FIRM)
    assert resolve("Wilson disease", [keep, Candidate(0, 6, Label.NAME, Strength.WEAK)]) == ()
    assert resolve("Wilson disease", [keep, Candidate(0, 6, Label.NAME, Strength.FIRM)]) == (Span(0, 6, Label.NAME),)

"""Names of patients, relatives and clinicians: every word is weighed, and what belongs to a name joins it.

A name that a cue carries (title, role, label, an age that follows) is firm; one that rests on the lists is weak and
gives way to clinical wording such as "Wilson disease".
"""

from __future__ import annotations

from collections.abc import Iterator

from compliance.phi.detectors import name_cues as cues
from compliance.phi.detectors.name_evidence import Evidence
from compliance.phi.detectors.name_forms import by_form
from compliance.phi.detectors.name_points import ACCEPTED, BESIDE, DOUBT, IN_A_LIST, MODEL, POINTS, START
from compliance.phi.detectors.ner import entities
from compliance.phi.lexicon import lexicon
from compliance.phi.types import Candidate, Label, Strength
from compliance.phi.words import Shape, read_words

_NEAR = 160  # characters before and behind a word that the model is shown at most


def detect(text: str) -> Iterator[Candidate]:
    evidence = Evidence(text, read_words(text), lexicon())
    yield from _spans(evidence)
    yield from by_form(text, evidence.words, evidence.known)


def reasons(evidence: Evidence) -> dict[int, list[str]]:
    """For each word worth weighing, by index, the names of what speaks for and against it."""
    looked = [i for i in range(len(evidence.words)) if evidence.possible(i)]
    known = {i: [*evidence.own(i), *evidence.beside(i)] for i in looked}
    before = {i: list(evidence.before(i)) for i in looked}
    behind = {i: list(evidence.behind(i)) for i in looked}
    carried: set[int] = set()
    for i in looked:
        known[i] += before[i]
        if i - 1 in known and evidence.joins(i - 1) and (i - 1 in carried or not cues.CUES.isdisjoint(before[i - 1])):
            carried.add(i)
            known[i].append("second word behind a cue")
    carried = set()
    for i in reversed(looked):
        known[i] += behind[i]
        if i + 1 in known and evidence.joins(i) and (i + 1 in carried or not cues.CUES.isdisjoint(behind[i + 1])):
            carried.add(i)
            known[i].append("second word before a cue")
    for given in known.values():
        if cues.COMPANY.isdisjoint(given):
            given += [f"{reason}, alone" for reason in given if reason in cues.NEED_A_CUE]
        if cues.SURE.isdisjoint(given):
            given += [f"{reason}, alone" for reason in given if reason in cues.NEED_A_SURE_CUE]
    return known


def _spans(evidence: Evidence) -> Iterator[Candidate]:
    known = reasons(evidence)
    points = {i: START + sum(POINTS.get(reason, 0) for reason in given) for i, given in known.items()}
    _second_opinion(evidence, points)
    taken = _grown(evidence, points)
    run: list[int] = []
    for i in sorted(taken):
        if run and not (i == run[-1] + 1 and (evidence.joins(run[-1]) or _turns(evidence, run, known))):
            yield from _candidate(evidence, run, known)
            run = []
        run.append(i)
    if run:
        yield from _candidate(evidence, run, known)


def _second_opinion(evidence: Evidence, points: dict[int, float]) -> None:
    """The model is asked where a word with a capital is neither clearly a name nor clearly none."""
    doubtful = [
        i for i, score in points.items() if abs(score - ACCEPTED) < DOUBT and evidence.words[i].shape is Shape.CAPITAL
    ]
    if doubtful:
        parts = list(_parts(evidence.text, [evidence.words[i].start for i in doubtful]))
        said = {at: kind for start, end, kind in entities(evidence.text, parts) for at in range(start, end)}
        for i in doubtful:
            points[i] += MODEL.get(said.get(evidence.words[i].start, ""), 0)


def _parts(text: str, places: list[int]) -> Iterator[tuple[int, int]]:
    """The sentences or lines around ascending offsets, or as much of each as the model needs; none twice."""
    end = 0
    for at in places:
        if at >= end:
            marks = ("\n", ". ")
            start = max(end, at - _NEAR, *(text.rfind(mark, end, at) + 1 for mark in marks))
            ends = [text.find(mark, at, at + _NEAR) for mark in marks]
            end = min([end for end in ends if end >= 0], default=min(at + _NEAR, len(text)))
            yield start, end


def _grown(evidence: Evidence, points: dict[int, float]) -> set[int]:
    """The accepted words, the joined words that a name beside them carries, and those listed with them."""
    taken = {i for i, score in points.items() if score >= ACCEPTED}
    fresh = sorted(taken)
    while fresh:
        i = fresh.pop()
        for j, joined in ((i - 1, i - 1), (i + 1, i)):
            if j in points and j not in taken and evidence.joins(joined) and points[j] >= ACCEPTED - BESIDE:
                taken.add(j)
                fresh.append(j)
        for j in _listed(evidence, i):
            margin = IN_A_LIST if evidence.words[j].shape is not Shape.LOWER else IN_A_LIST / 4
            if j in points and j not in taken and points[j] >= ACCEPTED - margin:
                taken.add(j)
                fresh.append(j)
    return taken | _between(evidence, taken)


def _listed(evidence: Evidence, i: int) -> Iterator[int]:
    """Words a comma, "and" or a line break joins to word i."""
    words, text = evidence.words, evidence.text
    for left, right in ((i - 1, i), (i, i + 1)):
        if left < 0 or right == len(words) or words[left].shape is not words[right].shape:
            continue
        if cues.BETWEEN.fullmatch(text, words[left].end, words[right].start):
            yield left if right == i else right
    for left, middle, right in ((i - 2, i - 1, i), (i, i + 1, i + 2)):
        if left >= 0 and right < len(words) and words[middle].low in ("and", "or", "vs"):
            yield left if right == i else right


def _between(evidence: Evidence, taken: set[int]) -> set[int]:
    """Particles before and inside a name, initials inside and behind it, and a suffix."""
    words, found = evidence.words, set()
    for i in taken:
        found |= _leading(evidence, i, taken)
        j = i + 1
        if j < len(words) and j not in taken and (evidence.joins(i) or evidence.turned(i)):
            after = words[j]
            inside = j + 1 in taken and evidence.joins(j)
            initial = after.shape is Shape.INITIAL and evidence.possible(j) and (inside or _ends_name(evidence, j))
            if initial or after.low in cues.SUFFIXES or (inside and after.low in cues.PARTICLES):
                found.add(j)
    return found


def _ends_name(evidence: Evidence, i: int) -> bool:
    """Whether an initial belongs to the name before it: "Singh B", not "Hepatitis B virus" or "I am"."""
    end = evidence.end(i)
    return (end > evidence.words[i].end or evidence.words[i].low != "i") and (
        evidence.text[end : end + 1] in ("", ".", ",", ")", ":", ";", "\n")
        or evidence.end(i) > evidence.words[i].end
        or cues.BEFORE_ID.match(evidence.text, end) is not None
        or cues.BEFORE_AGE.match(evidence.text, end) is not None
    )


def _leading(evidence: Evidence, i: int, taken: set[int]) -> set[int]:
    """The "van der" before Meer, the "St." before Claire, the "S." before both."""
    words, found = evidence.words, set()
    while i and i - 1 not in taken:
        saint = words[i - 1].low == "st" and evidence.text[words[i - 1].end : words[i].start] == ". "
        if not saint and not (evidence.joins(i - 1) and words[i - 1].low in cues.LEADING):
            break
        if words[i].shape is Shape.LOWER and words[i - 1].shape is not Shape.LOWER:
            break
        i -= 1
        found.add(i)
    if i and "small initial before" in evidence.before(i):
        return found | {i - 1}
    dotted = i and words[i - 1].shape is Shape.INITIAL and evidence.end(i - 1) > words[i - 1].end
    return found | {i - 1} if dotted and evidence.joins(i - 1) and words[i].shape is not Shape.LOWER else found


def _turns(evidence: Evidence, run: list[int], known: dict[int, list[str]]) -> bool:
    """Whether the comma behind the run stands inside "Lopez, Maria" and not between two people."""
    given = known.get(run[-1], [])
    return (
        evidence.turned(run[-1])
        and "turned with a given name" in given
        and not any(reason.startswith(("name left", "maybe name left", "initial")) for reason in given)
    )


def _particle(evidence: Evidence, i: int) -> bool:
    """A "van" or "ben" that is not the first name Van or Ben."""
    word = evidence.words[i]
    return word.low in cues.PARTICLES and (word.shape is Shape.LOWER or evidence.facts(i).given < 4)


def _candidate(evidence: Evidence, run: list[int], known: dict[int, list[str]]) -> Iterator[Candidate]:
    if all(evidence.words[i].shape is Shape.INITIAL or _particle(evidence, i) for i in run):
        return
    firm = any(not cues.CUES.isdisjoint(known.get(i, ())) for i in run)
    start, end = evidence.words[run[0]].start, evidence.end(run[-1])
    yield Candidate(start, end, Label.NAME, Strength.FIRM if firm else Strength.WEAK)

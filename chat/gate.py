"""The gate before a release: the collection's labeled questions, asked of it as it would be.

Each question is asked of the product's own stages, so what is measured is what a reader would get. Two evaluations are
compared question by question, over the same questions: the difference is then the release's and not the sample's.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction

from chat import calibration
from chat.corpus import vectors
from chat.models import Collection, Document, Evaluation, LabelledQuestion, Release
from chat.pipeline import answer, retrieve, search, verify
from chat.pipeline.types import Draft, Passage, Question, Reader, Sentence
from clinchat import __version__
from compliance import free_text
from compliance.models import User

CUTOFF = 10
NDCG_TOLERANCE = 0.01
"""Mean nDCG may fall by so much: other documents move the weights of words a little, and near ties change places."""
HALF_A_QUESTION = 0.5
"""With few questions one pair that changed places moves the mean by more than that. It may; a lost document may not."""
WRONGLY_TOLERANCE = 0.02
"""So much more of the answerable may go unanswered: with fewer than 50 questions not one."""
RIGHTLY_TOLERANCE = 0.05
"""So much less of the unanswerable may be declined; there are fewer of them, so one weighs more."""
ANSWERED = 60
"""For so many questions the answer itself is composed and its quotes checked; for the others, which would take minutes,
every sentence that could be quoted is."""
WORST = 10
MOST_QUESTIONS = 2000
"""Of one collection: a release waits for all of them, each a search of its own."""
LONGEST_QUESTION = 1000
GRADES = (1, 2, 3)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}")
_KIND = re.compile(r"[a-z0-9_-]{0,40}")
MEASURES = {
    "ndcg": "Order of the documents (nDCG at 10)",
    "declined_wrongly": "Answerable questions without an answer",
    "declined_rightly": "Unanswerable questions declined",
    "quotes": "Quotes that stand in the source word for word",
}
"""What can fall, by the name it has in Evaluation.fallen."""


class NoQuestions(Exception):
    """The collection has no labeled questions, so nothing can be measured."""


class MalformedQuestions(Exception):
    """Nothing was stored. `problems` are sentences that name the line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__()
        self.problems = list(problems)


# ── Questions ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Added:
    """What became of a set of questions that was sent."""

    new: int
    changed: int
    same: int
    removed: int


def add_questions(
    *, collection: Collection, rows: Iterable[str | Mapping[str, Any]], by: User | None, replace: bool = False
) -> Added:
    """Store labeled questions: lines of JSON, or what they hold. With `replace` all others of the collection go.

    {"id", "question", "relevant": {external id of a document: grade 1 to 3}, "answerable", "kind"}; an answerable
    question names at least one document of the collection, any other none. Their text is masked for good. Raises
    MalformedQuestions, or phi.PhiUnavailable; then nothing was stored.
    """
    known = set(Document.objects.filter(collection=collection).values_list("external_id", flat=True))
    read = _Reading(known)
    for number, row in enumerate(rows, 1):
        read.take(number, row)
    if not read.rows and not read.problems:
        read.problems.append("There is no question in it.")
    if read.problems:
        raise MalformedQuestions(read.problems)
    wanted = {name: _masked(row) for name, row in read.rows.items()}
    return _store(collection, wanted, by, replace=replace)


def remove_questions(*, collection: Collection, external_ids: Iterable[str] | None = None) -> int:
    """Take some questions out of a collection's set, or all of them. Returns how many went."""
    going = collection.questions.all()
    if external_ids is not None:
        going = going.filter(external_id__in=list(external_ids))
    return going.delete()[0]


class _Reading:
    """Rows by the id of their question, and what is wrong with the others."""

    def __init__(self, known: set[str]) -> None:
        self.known = known
        self.rows: dict[str, dict[str, Any]] = {}
        self.lines: dict[str, int] = {}
        self.problems: list[str] = []

    def take(self, number: int, row: str | Mapping[str, Any]) -> None:
        if isinstance(row, str):
            if not row.strip():
                return
            try:
                row = json.loads(row)
            except (ValueError, RecursionError):
                self.problems.append(f"Line {number}: this is not JSON.")
                return
        if not isinstance(row, Mapping):
            self.problems.append(f"Line {number}: this is not an object with names and values.")
        elif problem := self._wrong(row):
            self.problems.append(f"Line {number}: {problem}")
        else:
            self.rows[row["id"]], self.lines[row["id"]] = dict(row), number

    def _wrong(self, row: Mapping[str, Any]) -> str:
        """What is wrong with a row, as the rest of a sentence; nothing if nothing is."""
        name, text, relevant = row.get("id"), row.get("question"), row.get("relevant") or {}
        if not isinstance(name, str) or not _ID.fullmatch(name):
            return "“id” must be at most 100 letters, digits, dots, colons, slashes and hyphens."
        if name in self.lines:
            return f"the id is that of line {self.lines[name]} as well."
        if len(self.rows) == MOST_QUESTIONS:
            return f"a collection has at most {MOST_QUESTIONS:,} questions."
        if not isinstance(text, str) or not text.strip() or len(text) > LONGEST_QUESTION or not _one_line(text):
            return f"“question” must be a text of at most {LONGEST_QUESTION:,} characters, without control characters."
        if not isinstance(row.get("kind", ""), str) or not _KIND.fullmatch(row.get("kind", "")):
            return "“kind” must be a word of small letters, digits and hyphens."
        return self._wrong_labels(row, relevant)

    def _wrong_labels(self, row: Mapping[str, Any], relevant: Any) -> str:
        if not isinstance(relevant, Mapping) or not all(
            isinstance(grade, int) and not isinstance(grade, bool) and grade in GRADES for grade in relevant.values()
        ):
            return "“relevant” must give each document a grade of 1, 2 or 3."
        if not isinstance(row.get("answerable", bool(relevant)), bool):
            return "“answerable” must be true or false."
        if row.get("answerable", bool(relevant)) != bool(relevant):
            return "an answerable question names its documents in “relevant”, any other names none."
        if unknown := [name for name in relevant if name not in self.known]:
            return f"there is no document “{unknown[0][:60]}” in this collection."
        return ""


def _one_line(text: str) -> str:
    """The text with single spaces; nothing when it holds what cannot be printed."""
    line = " ".join(text.split())
    return line if line.isprintable() else ""


def _masked(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "text": free_text.masked(_one_line(row["question"]), where="labelled-question", longest=LONGEST_QUESTION),
        "relevant": dict(row.get("relevant") or {}),
        "kind": row.get("kind", ""),
    }


@transaction.atomic
def _store(collection: Collection, wanted: Mapping[str, Mapping[str, Any]], by: User | None, *, replace: bool) -> Added:
    Collection.objects.select_for_update(no_key=True).get(pk=collection.pk)  # two uploads take turns
    there = {q.external_id: q for q in collection.questions.all()}
    if not replace and len(there.keys() | wanted.keys()) > MOST_QUESTIONS:
        raise MalformedQuestions([f"A collection has at most {MOST_QUESTIONS:,} questions, with those it has already."])
    removed = remove_questions(collection=collection, external_ids=there.keys() - wanted.keys()) if replace else 0
    new = [
        LabelledQuestion(collection=collection, external_id=name, added_by=by, **row)
        for name, row in wanted.items()
        if name not in there
    ]
    changed = []
    for name, row in wanted.items():
        if name in there and any(getattr(there[name], key) != value for key, value in row.items()):
            for key, value in row.items():
                setattr(there[name], key, value)
            changed.append(there[name])
    LabelledQuestion.objects.bulk_create(new)
    LabelledQuestion.objects.bulk_update(changed, ["text", "relevant", "kind"])
    return Added(len(new), len(changed), len(wanted) - len(new) - len(changed), removed)


# ── Asking ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class _Measured:
    """What came of each question. `scores`: nDCG, recall, and 1.0 if it got no answer, by external id."""

    model: str
    scores: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    quotes: int = 0
    quotes_wrong: int = 0


def evaluate(*, collection: Collection) -> Evaluation:
    """Ask the collection its questions as it stands, and keep the figures beside those of the time before.

    Raises NoQuestions.
    """
    questions = _questions(collection)
    if not questions:
        raise NoQuestions
    before = _last(collection, questions)
    made = _compared(collection, questions, before)
    made.save()
    return made


def evaluate_if_any(collection_id: UUID) -> None:
    """As `evaluate`, for the worker: a collection without questions, or that is gone, is nothing to speak of."""
    collection = Collection.objects.filter(pk=collection_id).first()
    if collection:
        with suppress(NoQuestions):
            evaluate(collection=collection)


def before(*, collection: Collection) -> Evaluation | None:
    """The figures that a change is compared with: of the state in force, measured now unless that was done already.

    To be asked inside the transaction of the change, before anything is switched. None: no questions.
    """
    questions = _questions(collection)
    if not questions:
        return None
    known = collection.evaluations.filter(state_sha256=_state(collection, questions)).first()
    if known:
        return known
    made = _compared(collection, questions, None)
    made.save()
    return made


def judge(*, collection: Collection, before: Evaluation | None, release: Release | None = None) -> Evaluation | None:
    """How the collection answers its questions now, inside the transaction of a change, compared with `before`.

    Unsaved: `keep` stores it. None: the collection has no labeled questions, so nothing can be compared.
    """
    questions = _questions(collection)
    if not questions:
        return None
    made = _compared(collection, questions, before)
    made.release = release
    return made


def keep(evaluation: Evaluation) -> None:
    """Store an evaluation, and the one it was compared with if that went away with the transaction it was made in."""
    if evaluation.against is not None:
        evaluation.against.save()
    evaluation.save()


def questions_sha256(questions: Sequence[LabelledQuestion]) -> str:
    """Which questions they are and what is expected of them: equal for equal sets alone."""
    lines = [f"{q.external_id}\t{q.text}\t{sorted(q.relevant.items())}\n" for q in questions]
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def _questions(collection: Collection) -> list[LabelledQuestion]:
    return list(collection.questions.all())


def _last(collection: Collection, questions: Sequence[LabelledQuestion]) -> Evaluation | None:
    """The newest evaluation of a state that was in force, over the same questions with the same model."""
    same = collection.evaluations.filter(questions_sha256=questions_sha256(questions), model=vectors.active().model)
    return same.exclude(release__isnull=False, passed=False).first()


def _state(collection: Collection, questions: Sequence[LabelledQuestion]) -> str:
    """Everything an answer to these questions depends on; with an equal state measuring again would change nothing."""
    published = collection.releases.filter(state=Release.State.PUBLISHED)
    manifest = published.order_by("-number").values_list("manifest_sha256", flat=True).first()
    model = vectors.active().model
    parts = (questions_sha256(questions), manifest or "", model, calibration.current(model).key, __version__)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _compared(collection: Collection, questions: Sequence[LabelledQuestion], before: Evaluation | None) -> Evaluation:
    found = _measure(collection, questions)
    answerable = [found.scores[q.external_id] for q in questions if q.relevant]
    unanswerable = [found.scores[q.external_id] for q in questions if not q.relevant]
    made = Evaluation(
        collection=collection,
        against=before,
        questions_sha256=questions_sha256(questions),
        state_sha256=_state(collection, questions),
        model=found.model,
        answerable=len(answerable),
        unanswerable=len(unanswerable),
        ndcg=_mean([s[0] for s in answerable]),
        recall=_mean([s[1] for s in answerable]),
        declined_wrongly=_mean([s[2] for s in answerable]),
        declined_rightly=_mean([s[2] for s in unanswerable]),
        quotes=found.quotes,
        quotes_wrong=found.quotes_wrong,
        scores={key: [round(value, 4) for value in scores] for key, scores in found.scores.items()},
    )
    made.fallen = fallen(made, before)
    made.passed = not made.fallen
    made.worst = worst(questions, made, before)
    return made


def _measure(collection: Collection, questions: Sequence[LabelledQuestion]) -> _Measured:
    measured = _Measured(model=vectors.active().model)
    composed = {q.pk for q in sorted(questions, key=lambda q: _order(q.external_id))[:ANSWERED]}
    for labelled in questions:
        asked, found = ask(labelled, collection)
        draft = Draft(())
        if found.judged().answered:
            draft = _composed(found) if labelled.pk in composed else _all_of(found.passages)
        verdict = verify.verify(draft, asked)
        measured.quotes += len(draft.sentences)
        measured.quotes_wrong += verdict.removed
        ranked = list(dict.fromkeys(p.external_id for p in found.passages))
        declined = 0.0 if verdict.kept else 1.0
        measured.scores[labelled.external_id] = (*score(labelled.relevant, ranked), declined)
    return measured


def ask(labelled: LabelledQuestion, collection: Collection) -> tuple[Question, search.Found]:
    """The question as the pipeline asks it of the whole collection, and what it finds."""
    asked = Question(labelled.text, Reader((collection.pk,), everything=True))
    return asked, search.search(asked)


def _composed(found: search.Found) -> Draft:
    """The answer as its reader would get it (chat.pipeline.run)."""
    beside = retrieve.beside(found.passages)
    return answer.extract(found.passages, found.understood.readings[0].text, found.vector, beside=beside)


def _all_of(passages: Sequence[Passage]) -> Draft:
    """Every sentence of the best passages that could be quoted."""
    spans = (span for passage in passages[: answer.PASSAGES] for span in answer.candidates(passage))
    return Draft(tuple(Sentence(p, p.text[a - p.start : b - p.start], a, b, 0.0) for p, a, b in spans))


def _order(external_id: str) -> str:
    """Puts questions into an order that has nothing to do with how their ids were given."""
    return hashlib.sha256(external_id.encode()).hexdigest()


# ── Judging ──────────────────────────────────────────────────────────────────────────────────────────────────────


def score(relevant: Mapping[str, int], ranked: Sequence[str]) -> tuple[float, float]:
    """nDCG and recall at ten of the documents in the order found (Järvelin & Kekäläinen 2002: gain 2^grade - 1)."""
    if not relevant:
        return 0.0, 0.0
    gains = [2 ** relevant.get(document, 0) - 1 for document in ranked[:CUTOFF]]
    best = sorted((2**grade - 1 for grade in relevant.values()), reverse=True)[:CUTOFF]
    hits = sum(document in relevant for document in ranked[:CUTOFF])
    return _dcg(gains) / _dcg(best), hits / min(CUTOFF, len(relevant))


def _dcg(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(place + 2) for place, gain in enumerate(gains))


def fallen(after: Evaluation, before: Evaluation | None) -> list[str]:
    """Names of the measures that fell. A wrong quote is one whatever was before."""
    names = []
    if before is not None and before.questions_sha256 == after.questions_sha256:
        tolerated = max(NDCG_TOLERANCE, HALF_A_QUESTION / max(after.answerable, 1))
        if before.ndcg - after.ndcg > tolerated:
            names.append("ndcg")
        if after.declined_wrongly - before.declined_wrongly > WRONGLY_TOLERANCE:
            names.append("declined_wrongly")
        if _answers(before) and before.declined_rightly - after.declined_rightly > RIGHTLY_TOLERANCE:
            names.append("declined_rightly")
    if after.quotes_wrong:
        names.append("quotes")
    return names


def _answers(evaluation: Evaluation) -> bool:
    """Whether it answered anything: a collection without documents declines everything, which nothing can keep up."""
    return any(declined < 1 for _, _, declined in evaluation.scores.values())


def worst(questions: Iterable[LabelledQuestion], after: Evaluation, before: Evaluation | None) -> list[str]:
    """External ids of the questions that lost most against the time before; without one, of those answered worst."""
    had = before.scores if before else {}
    losses = []
    for question in questions:
        name, answerable = question.external_id, bool(question.relevant)
        loss = _worth(had.get(name, (1.0, 1.0, 0.0 if answerable else 1.0)), answerable=answerable)
        losses.append((loss - _worth(after.scores[name], answerable=answerable), name))
    return [name for loss, name in sorted(losses, key=lambda one: (-one[0], one[1]))[:WORST] if loss > 0]


def _worth(scores: Sequence[float], *, answerable: bool) -> float:
    ndcg, _, declined = scores
    return ndcg - declined if answerable else declined


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0

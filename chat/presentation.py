"""A recorded turn in the shape pages and event streams show it. Reads only; knows nothing of requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

from django.urls import reverse

from chat import changed_sources, days
from chat.changed_sources import Change
from chat.interactions import presentation as interactions
from chat.models import Citation, DocumentVersion, InteractionCheck, Turn
from chat.models.library import Kind
from chat.pipeline.record import also
from compliance import phi

Status = Turn.Status
REASONS = {
    "Unavailable": "The search service stopped responding. Your question is saved.",
    "Lost": "The answer was interrupted. Your question is saved.",
    "NotQueued": "The answer service could not be reached. Your question is saved.",
}


MOST_NAMED = 5
"""Words that are missing and are named."""


@dataclass(frozen=True)
class Source:
    """One quoted passage. `before` and `after` are the rest of the stored chunk around the quote.

    `state` is a DocumentVersion.Status, or `stale` when the version is current and past its review date.
    """

    n: int
    title: str
    kind: str
    kind_label: str
    place: str
    page: str
    before: str
    quote: str
    after: str
    words: int
    owner: str
    origin: str
    reviewed: date | None
    review_by: date | None
    starter: bool
    state: str
    document_url: str
    statements: list[int]


@dataclass(frozen=True)
class TurnView:
    """Everything the page says about one question and its answer. `seconds` counts from question to answer."""

    id: UUID
    number: int
    asked_at: datetime
    question: tuple[phi.Segment, ...]
    also: list[str]
    medicines: list[str]
    interactions: interactions.CheckView | None
    masked_question: str
    identifiers: list[dict[str, str]]
    intervals: list[str]
    status: str
    blocks: list[dict[str, Any]]
    sources: list[Source]
    changes: list[Change]
    closest: list[Source]
    unknown: list[str]
    missing: list[str]
    supported: int
    total: int
    removed: int
    newest: date | None
    passages: int
    documents: int
    seconds: float
    reason: str
    reference: str
    rated: str
    events_url: str
    stop_url: str
    retry_url: str
    feedback_url: str
    remark_url: str
    report_url: str
    interactions_url: str

    @property
    def waits(self) -> bool:
        """Whether the answer is shown only once its reader has read an alert."""
        return self.interactions is not None and self.interactions.waits

    @property
    def unfinished(self) -> bool:
        return self.status in Turn.UNFINISHED

    @property
    def forgotten(self) -> bool:
        """Whether what the tokens of the question stand for is kept no longer."""
        return any(not found["value"] for found in self.identifiers)


def view(turn: Turn, *, entities: Iterable[phi.Entity]) -> TurnView:
    """The turn for a reader who may see the values in `entities`; without them tokens stay tokens."""
    entities = tuple(entities)
    question = phi.segments(turn.question, entities, turn.spellings)
    citations = _citations(turn)
    all_sources = _sources(turn, citations)
    statements = [b for b in turn.blocks if b["claim"]]
    removed = turn.evidence.get("removed", 0)
    feedback = getattr(turn, "feedback", None)
    return TurnView(
        id=turn.pk,
        number=turn.number,
        asked_at=turn.created_at,
        question=question,
        also=also(turn.evidence.get("searched_also", [])),
        medicines=turn.medicines,
        interactions=checked(turn),
        masked_question=turn.question,
        identifiers=_used(turn, entities, question),
        intervals=_intervals(turn.days),
        status="partly" if turn.status == Status.ANSWERED and removed else turn.status,
        blocks=turn.blocks,
        sources=[s for s in all_sources if s.n],
        changes=changed_sources.since(citations),
        closest=[s for s in all_sources if not s.n],
        unknown=turn.evidence.get("unknown", [])[:MOST_NAMED],
        missing=_missing(turn),
        supported=len(statements),
        total=len(statements) + removed,
        removed=removed,
        newest=max((s.reviewed for s in all_sources if s.reviewed), default=None),
        passages=len([s for s in all_sources if s.n]),
        documents=len({s.title for s in all_sources if s.n}),
        seconds=(turn.finished_at - turn.created_at).total_seconds() if turn.finished_at else 0.0,
        reason=REASONS.get(turn.reason, ""),
        reference=reference(turn),
        rated="" if feedback is None else "yes" if feedback.helpful else "no",
        events_url=reverse("answer-events", args=[turn.pk]),
        stop_url=reverse("answer-stop", args=[turn.pk]),
        retry_url=reverse("answer-retry", args=[turn.pk]),
        feedback_url=reverse("answer-feedback", args=[turn.pk]),
        remark_url=f"{reverse('remark-new')}?about=answer&subject={turn.pk}",
        report_url=reverse("answer-mask-report", args=[turn.pk]),
        interactions_url=reverse("answer-interactions", args=[turn.pk]),
    )


def checked(turn: Turn) -> interactions.CheckView | None:
    """The check of its medicines; None where there is nothing to tell, or a turn is older than checks are."""
    made: InteractionCheck | None = getattr(turn, "interaction_check", None)
    if made is None:
        return interactions.CheckView(available=False) if "interactions" in turn.evidence else None
    shown = interactions.view(made)
    return None if shown.quiet else shown


def _missing(turn: Turn) -> list[str]:
    """Words of the question that the closest passages do not hold, and other documents do."""
    unknown = turn.evidence.get("unknown", [])
    return [word for word in turn.evidence.get("missing", []) if word not in unknown][:MOST_NAMED]


def _used(turn: Turn, entities: Iterable[phi.Entity], question: Iterable[phi.Segment]) -> list[dict[str, str]]:
    """What stands masked in the question: each token once, with what was first written for it there.

    Without a value where it is kept no longer.
    """
    labels = {e.token: phi.label_words[e.label] for e in entities}
    written: dict[str, str] = {}
    for part in question:
        if part.token:
            written.setdefault(part.token, part.text)
    tokens = [token for token in dict.fromkeys(phi.tokens_of(turn.question)) if token in labels]
    return [{"token": token, "label": labels[token], "value": written.get(token, "")} for token in tokens]


def _intervals(days: dict[str, int]) -> list[str]:
    """How far each masked date of a question is from the one before it."""
    order = sorted(days.items(), key=lambda item: item[1])
    return [_apart(later, earlier, after - before) for (earlier, before), (later, after) in pairwise(order)]


def _apart(later: str, earlier: str, days: int) -> str:
    return f"{later} is {days} day{'' if days == 1 else 's'} after {earlier}"


def _citations(turn: Turn) -> list[Citation]:
    """In the order of their numbers."""
    return list(turn.citations.select_related("version__document__collection", "chunk").defer("version__text"))


def _sources(turn: Turn, citations: Sequence[Citation]) -> list[Source]:
    claims: dict[int, list[int]] = {}
    for number, block in enumerate((b for b in turn.blocks if b["claim"]), 1):
        for n in block["cites"]:
            claims.setdefault(n, []).append(number)
    return [_source(c, claims.get(c.n, [])) for c in citations]


def _source(citation: Citation, statements: list[int]) -> Source:
    version, chunk = citation.version, citation.chunk
    document = version.document
    return Source(
        n=citation.n,
        title=version.title,
        kind=version.kind,
        kind_label=Kind(version.kind).label,
        place=citation.section,
        page=f"p. {citation.page}" if citation.page else "",
        before=chunk.text[: max(0, citation.start - chunk.start)],
        quote=citation.quote,
        after=chunk.text[citation.end - chunk.start :],
        words=len(citation.quote.split()),
        owner=version.owner,
        origin=version.source,
        reviewed=version.reviewed,
        review_by=version.review_by,
        starter=document.collection.starter,
        state=_state(version),
        document_url=citation.get_absolute_url(),
        statements=statements,
    )


def _state(version: DocumentVersion) -> str:
    overdue = version.review_by is not None and version.review_by < days.today()
    return "stale" if overdue and version.status == DocumentVersion.Status.PUBLISHED else version.status


def reference(turn: Turn) -> str:
    """What a reader quotes to the service desk."""
    return f"A-{turn.pk.hex[:8].upper()}"


def ending_events(turn: Turn) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events that show a finished turn (UI.md section 5): its statements, sources, support and how it ended."""
    shown = view(turn, entities=())
    yield "interactions", {"checked": shown.interactions is None or shown.interactions.available}
    if shown.also:
        yield "understood", {"also": shown.also}
    if turn.status == Status.ANSWERED:
        for block in turn.blocks:
            yield (
                "part",
                {
                    "block": block["kind"],
                    "claim": block["claim"],
                    "text": block["text"],
                    "cites": block["cites"],
                },
            )
        yield (
            "sources",
            {"sources": [_plain(s) for s in shown.sources], "changes": [asdict(c) for c in shown.changes]},
        )
        yield (
            "support",
            {
                "supported": shown.supported,
                "total": shown.total,
                "removed": shown.removed,
                "newest": _date(shown.newest),
                "passages": shown.passages,
                "documents": shown.documents,
                "seconds": round(shown.seconds, 1),
            },
        )
        yield (
            "done",
            {"summary": f"Answer ready. {_count(shown.supported, 'statement')}, {_count(shown.passages, 'source')}."},
        )
    elif turn.status == Status.ABSTAINED:
        summary = "No supported answer. This does not mean it is safe or that no guidance exists."
        lacking = {"unknown": shown.unknown, "missing": shown.missing}
        yield "abstain", {"closest": [_plain(s) for s in shown.closest], "summary": summary, **lacking}
    elif turn.status == Status.STOPPED:
        yield "failed", {"reason": "You stopped this answer.", "reference": shown.reference, "stopped": True}
    else:
        yield "failed", {"reason": shown.reason, "reference": shown.reference, "stopped": False}


def _plain(source: Source) -> dict[str, Any]:
    return {**asdict(source), "reviewed": _date(source.reviewed), "review_by": _date(source.review_by)}


def _date(value: date | None) -> str:
    return f"{value:%b} {value.day}, {value.year}" if value else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

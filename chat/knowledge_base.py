"""How the knowledge base is doing: for operators, for Prometheus and for the page about its quality."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Count, Max, Q, QuerySet

from chat import calibration, days, model_change, starting
from chat.corpus import vectors
from chat.models import (
    Chunk,
    Collection,
    Document,
    DocumentVersion,
    EmbeddingIndex,
    Evaluation,
    IndexProof,
    Release,
    Turn,
    Upload,
)
from clinchat.lib import clock
from compliance import health, metrics

State = Release.State
Status = DocumentVersion.Status
DAY = timedelta(days=1)
STALE_PROOF = timedelta(hours=48)
"""A nightly proof so old says nothing of today."""
STAGES = ("embed", "retrieve", "rerank", "answer", "verify")

LAST_UPDATE = "clinchat_knowledge_base_last_update"
DOCUMENTS = "clinchat_knowledge_base_documents"
PASSAGES = "clinchat_knowledge_base_passages"
WAITING = "clinchat_knowledge_base_waiting"
OVERDUE = "clinchat_knowledge_base_review_overdue"
RECALL = "clinchat_knowledge_base_index_recall"
PROOF = "clinchat_knowledge_base_proof_ok"
PROOF_AT = "clinchat_knowledge_base_last_proof"
FELL = "clinchat_knowledge_base_measures_fallen"


def register() -> None:
    health.register("search", "Search index", starting.can_search)
    for name, words, read in (
        (LAST_UPDATE, "When a release was published last, in seconds since 1970", _last_update),
        (PASSAGES, "Passages that are searched", lambda: float(Chunk.objects.filter(live=True).count())),
        (WAITING, "Passages that wait to be embedded for the searched index", _waiting),
        (OVERDUE, "Searched documents whose date of review has passed", lambda: float(overdue().count())),
        (RECALL, "Share of the ten nearest passages that the vector index found in the last nightly proof", _recall),
        (PROOF, "1 if the last nightly proof found nothing wrong, else 0", _proof_ok),
        (PROOF_AT, "When the nightly proof was made last, in seconds since 1970", _proof_at),
        (FELL, "Measures that fell in the newest evaluation of each collection, together", _fallen),
    ):
        metrics.register(name, metrics.Gauge(words, read))
    metrics.register(DOCUMENTS, metrics.Gauge("Versions of documents by their state", _documents, "state"))


# ── Parts ────────────────────────────────────────────────────────────────────────────────────────────────────────


def last_update() -> datetime | None:
    """When what is searched changed last."""
    found: datetime | None = Release.objects.filter(state=State.PUBLISHED).aggregate(at=Max("published_at"))["at"]
    return found


def overdue() -> QuerySet[DocumentVersion]:
    """The searched versions whose date of review has passed."""
    return _searched().filter(review_by__lt=days.today())


def proof() -> IndexProof | None:
    """What the last nightly proof found."""
    return IndexProof.objects.first()


def _searched() -> QuerySet[DocumentVersion]:
    return DocumentVersion.objects.filter(status=Status.PUBLISHED)


def by_state() -> dict[str, int]:
    """Versions in each state; a document that is searched may have one on its way as well."""
    found = dict(DocumentVersion.objects.values_list("status").annotate(n=Count("pk")))
    return {str(status): found.get(status, 0) for status in Status}


# ── Numbers for Prometheus ───────────────────────────────────────────────────────────────────────────────────────


def _last_update() -> float | None:
    at = last_update()
    return at.timestamp() if at else None


def _documents() -> dict[str, float]:
    return {state: float(number) for state, number in by_state().items()}


def _waiting() -> float:
    searched = EmbeddingIndex.objects.filter(state=EmbeddingIndex.State.ACTIVE).first()
    return float(vectors.waiting(searched).count()) if searched else 0.0


def _recall() -> float | None:
    last = proof()
    return last.recall if last else None


def _proof_ok() -> float | None:
    last = proof()
    return float(last.ok) if last else None


def _proof_at() -> float | None:
    last = proof()
    return last.at.timestamp() if last else None


def _fallen() -> float:
    return float(sum(len(one.fallen) for one in newest_evaluations().values()))


def newest_evaluations() -> dict[Any, Evaluation]:
    """The newest evaluation of a state that was in force, by collection."""
    in_force = Evaluation.objects.exclude(release__isnull=False, passed=False)
    in_force = in_force.filter(model__in=EmbeddingIndex.objects.filter(state="active").values("model"))
    newest = in_force.order_by("collection", "-at").distinct("collection").defer("scores")
    return {one.collection_id: one for one in newest}


# ── All of it ────────────────────────────────────────────────────────────────────────────────────────────────────


def status() -> dict[str, Any]:
    """Everything there is to say, as plain values. Raises what the database raises when it is away."""
    problems, evaluations = _problems(), newest_evaluations()
    return {
        "status": "degraded" if problems else "ok",
        "problems": problems,
        "last_update": last_update(),
        "documents": {"total": Document.objects.count(), "versions": by_state()},
        "collections": [_collection(one, evaluations.get(one.pk)) for one in _collections()],
        "passages": Chunk.objects.filter(live=True).count(),
        "embedding": [asdict(one) for one in model_change.indexes()],
        "calibration": _calibration(),
        "proof": _proof(),
        "uploads": _uploads(),
        "search": _times(),
        "bytes": _bytes(),
    }


def _problems() -> list[str]:
    """What somebody should look at, in words of the code."""
    last = proof()
    found = []
    searched = EmbeddingIndex.objects.filter(state=EmbeddingIndex.State.ACTIVE).first()
    if not starting.can_search():
        found.append("embedding_model")
    elif searched and not calibration.fits(searched.model):
        found.append("threshold_not_fitted")
    if last is not None and not last.ok:
        found.append("proof_failed")
    if last is not None and clock.now() - last.at > STALE_PROOF:
        found.append("proof_old")
    if any(one.fallen for one in newest_evaluations().values()):
        found.append("measures_fallen")
    return found


def _collections() -> QuerySet[Collection]:
    published = Q(documents__versions__status=Status.PUBLISHED)
    past = Q(documents__versions__review_by__lt=days.today())
    return Collection.objects.order_by("slug").annotate(
        searched=Count("documents__versions", filter=published),
        review_overdue=Count("documents__versions", filter=published & past),
        without_licence=Count("documents__versions", filter=published & Q(documents__versions__licence="")),
        without_owner=Count("documents__versions", filter=published & Q(documents__versions__owner="")),
        unreviewed=Count("documents__versions", filter=published & Q(documents__versions__decided_by=None)),
    )


def _collection(found: Any, evaluation: Evaluation | None) -> dict[str, Any]:
    release = found.releases.filter(state=State.PUBLISHED).order_by("-number").first()
    return {
        "name": found.slug,
        "release": release.number if release else None,
        "published_at": release.published_at if release else None,
        "manifest_sha256": release.manifest_sha256 if release else "",
        "documents": found.searched,
        "passages": found.live_chunks,
        "review_overdue": found.review_overdue,
        "without_licence": found.without_licence,
        "without_owner": found.without_owner,
        "without_clinical_review": found.unreviewed,
        "questions": found.questions.count(),
        "evaluation": _evaluation(evaluation) if evaluation else None,
    }


def _evaluation(found: Evaluation) -> dict[str, Any]:
    return {
        "at": found.at,
        "passed": found.passed,
        "fallen": found.fallen,
        "ndcg": round(found.ndcg, 4),
        "recall": round(found.recall, 4),
        "declined_wrongly": round(found.declined_wrongly, 4),
        "declined_rightly": round(found.declined_rightly, 4),
        "quotes_wrong": found.quotes_wrong,
    }


def _calibration() -> dict[str, Any] | None:
    active = EmbeddingIndex.objects.filter(state=EmbeddingIndex.State.ACTIVE).first()
    if active is None:
        return None
    row = calibration.active(active.model)
    if row is None:
        return {"fitted": False, "at": None, "asked": None, "threshold": calibration.current(active.model).threshold}
    return {"fitted": True, "at": row.at, "asked": row.asked, "threshold": row.threshold}


def _proof() -> dict[str, Any] | None:
    last = proof()
    if last is None:
        return None
    return {
        "at": last.at,
        "ok": last.ok,
        "found": last.found,
        "recall": last.recall,
        "sampled": last.sampled,
        "seconds": last.seconds,
    }


def _uploads() -> dict[str, Any]:
    unread = Upload.objects.unread().order_by("created_at")
    oldest = unread.values_list("created_at", flat=True).first()
    return {"waiting": unread.count(), "oldest_at": oldest, "malware_scanner": bool(settings.CLAMD)}


TIMES = """
SELECT percentile_disc(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY (evidence #>> ARRAY['timings_ms', %(stage)s])::float8)
FROM chat_turn WHERE created_at >= %(since)s AND evidence #>> ARRAY['timings_ms', %(stage)s] IS NOT NULL
"""


def _times() -> dict[str, Any]:
    """How long the stages of the questions of the last day took."""
    since = clock.now() - DAY
    asked = Turn.objects.filter(created_at__gte=since).exclude(evidence={}).count()
    stages = {}
    with connection.cursor() as cursor:
        for stage in STAGES:
            cursor.execute(TIMES, {"stage": stage, "since": since})
            (found,) = cursor.fetchone()
            if found:
                stages[stage] = {"p50": round(found[0], 1), "p95": round(found[1], 1)}
    return {"questions_24h": asked, "ms": stages}


def _bytes() -> dict[str, int]:
    """Room that each part takes, its indexes included."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_total_relation_size('chat_documentversion'), pg_total_relation_size('chat_chunk'), "
            "pg_total_relation_size('chat_vector'), "
            "pg_total_relation_size('chat_posting') + pg_total_relation_size('chat_term')"
        )
        return dict(zip(("texts", "passages", "vectors", "words"), cursor.fetchone(), strict=True))

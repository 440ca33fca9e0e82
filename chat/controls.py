"""The checks of what is kept and of what goes out: documents are what was stored, and models see masked text alone."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction

from clinchat.lib import clock
from compliance.access.roles import Role
from compliance.controls.registry import JSON, CannotLook, Found, check

# ── Documents ────────────────────────────────────────────────────────────────────────────────────────────────────

BUDGET: Final = 4.0
"""Seconds of reading texts again; the newest come first, then as many others as there is time for."""
NEWEST: Final = 500
BATCH: Final = 200
_AGAIN: Final = """
    WITH batch AS MATERIALIZED (
        SELECT id, title, text, sha256, status FROM chat_documentversion WHERE id = ANY(%(ids)s::uuid[])
    )
    SELECT b.id::text, encode(sha256(convert_to(b.text, 'UTF8')), 'hex') <> b.sha256,
        c.n, c.wrong > 0 OR c.n <> c.last OR (b.status = 'published' AND c.n = 0)
    FROM batch b CROSS JOIN LATERAL (
        SELECT count(*) AS n, coalesce(max(c.ordinal), 0) AS last, count(*) FILTER (
            WHERE substr(b.text, c.start + 1, c."end" - c.start) <> c.text
            OR encode(sha256(convert_to(c.text, 'UTF8')), 'hex') <> c.sha256
            OR encode(sha256(convert_to(concat_ws(' - ', nullif(b.title, ''), nullif(c.section, '')) || '. '
                || concat_ws(E'\\n', nullif(c.lead, ''), c.text), 'UTF8')), 'hex') <> c.search_sha256) AS wrong
        FROM chat_chunk c WHERE c.version_id = b.id
    ) c
"""


@check("integrity.docs_hash", seconds=30)
def docs_hash() -> Found:
    """The text of every stored version against its SHA-256, its passages against the text and theirs, the manifest of
    each collection's newest release against what is searched, and each drug table against its manifest.

    All of it where that takes four seconds at most; else the newest versions, and a part of the others that is another
    one every day. How many of how many is said.
    """
    total, looked, chunks, failing = _texts()
    releases, tables = _manifests(), _drug_tables()
    failing += [name for name, sound in (*releases, *tables) if not sound]
    return Found(
        not failing,
        f"{len(failing)} changed in {looked:,} of {total:,} documents with {chunks:,} passages, {len(releases)} "
        f"manifests and {len(tables)} drug tables",
        looked + len(releases) + len(tables),
        failing,
        {
            "versions": total,
            "looked_at": looked,
            "passages": chunks,
            "manifests": dict(releases),
            "tables": len(tables),
        },
    )


def _texts() -> tuple[int, int, int, list[str]]:
    """How many versions there are and were looked at, how many passages those have, and what is not as it was."""
    from chat.models import DocumentVersion

    began = time.monotonic()
    newest = list(DocumentVersion.objects.order_by("-created_at").values_list("pk", flat=True)[:NEWEST])
    others = _rotated(list(DocumentVersion.objects.exclude(pk__in=newest).order_by("pk").values_list("pk", flat=True)))
    looked = chunks = 0
    failing: list[str] = []
    for ids in _batches([*newest, *others]):
        if looked >= len(newest) and time.monotonic() - began > BUDGET:
            break
        with connection.cursor() as cursor:
            cursor.execute(_AGAIN, {"ids": [str(one) for one in ids]})
            for pk, other_text, number, other_chunks in cursor.fetchall():
                looked, chunks = looked + 1, chunks + number
                failing += [f"document:{pk}"] if other_text else [f"passages:{pk}"] if other_chunks else []
    return len(newest) + len(others), looked, chunks, failing


def _rotated(ids: list[UUID]) -> list[UUID]:
    """Beginning somewhere else each day, so that all of them have their turn."""
    start = clock.now().date().toordinal() * 7919 % len(ids) if ids else 0
    return ids[start:] + ids[:start]


def _batches(ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]


def _manifests() -> list[tuple[str, bool]]:
    """The newest release of each collection, and whether what is searched now is what its manifest says."""
    from chat import releases
    from chat.models import Release

    published = Release.objects.filter(state=Release.State.PUBLISHED).order_by("collection", "-number")
    return [
        (f"release:{one.pk}", releases.digest(one.collection_id) == (one.documents, one.manifest_sha256))
        for one in published.distinct("collection")
    ]


def _drug_tables() -> list[tuple[str, bool]]:
    """That of the image, and each that is stored: every file against its manifest, and the manifest against the row."""
    from chat.interactions import release
    from chat.models import DrugTable

    found = []
    for pk, sha256, packed in DrugTable.objects.values_list("pk", "sha256", "packed"):
        try:
            found.append((f"drug-table:{pk}", release.unpack(bytes(packed)).sha256 == sha256))
        except release.Damaged:
            found.append((f"drug-table:{pk}", False))
    try:
        release.read(release.SHIPPED)
    except release.Damaged:
        return [*found, ("drug-table:image", False)]
    return [*found, ("drug-table:image", True)]


# ── What goes out ────────────────────────────────────────────────────────────────────────────────────────────────

SAMPLE: Final = 100


@check("phi.egress_canary", seconds=30)
def egress_canary() -> Found:
    """A question that names an invented patient in every class is asked and answered: nothing of it may stand in a row,
    in what the models are told, in what goes to the page meanwhile, in a log line or in a metric.

    The models are overheard where the pipeline calls them and are not asked. The labeled set is the texts the release
    ships with; its threshold is all of them, each identifier masked and each text as it was when its values are put
    back.
    """
    from compliance import phi, phi_checks

    with suppress(phi.PhiUnavailable):  # seen below; loading the lists takes seconds that no write should wait for
        phi.warm()
    names = ("canary", "logs", "database_log", "failures")
    seen = {name: phi_checks.CHECKS[f"phi.{name}"][1](SAMPLE).ok for name in names}
    told = _told()
    test = phi.self_test()  # the last, for where it fails no text is taken any more
    clear = {
        place: sorted({one for text in texts for one in phi_checks.clear_in(text)}) for place, texts in told.items()
    }
    failing = [f"phi.{name}" for name, ok in seen.items() if not ok]
    failing += [f"{place}.{label}" for place, labels in clear.items() for label in labels]
    failing += [f"self_test.{name}" for name in test.failed]
    classes = {label for labels in clear.values() for label in labels}
    evidence: dict[str, JSON] = {
        "classes": len(phi_checks.CANARY),
        "texts": {place: len(texts) for place, texts in told.items()},
        "checks": seen,
        "labeled_texts": test.cases,
        "recall": round(1 - len(test.failed) / test.cases, 4) if test.cases else 0.0,
    }
    return Found(
        not failing and test.ok,
        f"{len(classes)} of {len(phi_checks.CANARY)} classes in clear in what models, pages and metrics get; "
        f"{test.cases - len(test.failed)} of {test.cases} labeled texts masked; {sum(seen.values())} of {len(seen)} "
        "stores and logs clean",
        len(phi_checks.CANARY) * len(told) + len(seen) + test.cases,
        failing,
        evidence,
    )


def _told() -> Mapping[str, list[str]]:
    """What a question of the canary would tell the models, the page and the metrics. Raises CannotLook."""
    from chat import access, services
    from chat.llm import encoders
    from chat.pipeline import answer, record, run
    from chat.pipeline.types import Outcome, Question
    from compliance import metrics, phi_checks
    from compliance.controls import canary

    page: list[str] = []
    outcome = Outcome()
    with transaction.atomic():
        author = canary.person(Role.CLINICIAN, cleared=True, factor=False, signed_in=False).user
        turn = services.ask(author=author, text=phi_checks.canary_question(), submission=uuid.uuid4())
        question = Question(turn.question, access.reader(author), turn=turn.pk)

        def publish(event: str, data: dict[str, Any]) -> None:
            page.append(json.dumps([event, data]))

        with encoders.overheard() as heard:
            run.find_answer(question, outcome, publish=publish)
            if outcome.understood is not None and outcome.passages:
                vector = _vector(outcome.model)
                answer.extract(outcome.passages, outcome.understood.readings[0].text, vector)
        transaction.set_rollback(True)
    if not heard:
        raise CannotLook("nothing was given to the embedding model")
    evidence = json.dumps(record.evidence(question, outcome), default=str)
    return {"models": heard, "page": page, "evidence": [evidence], "metrics": [metrics.exposition()[0].decode()]}


def _vector(model: str) -> Any:
    from chat.corpus import vectors
    from chat.llm import encoders
    from chat.pipeline.types import Vectored

    return Vectored(vectors.active().pk, model, encoders.get(model).embed_query("overheard"))

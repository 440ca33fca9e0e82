"""The order of the stages, what ends them early, and what the reader sees meanwhile."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from django.db import DatabaseError

from chat import access, calibration
from chat.interactions import checks
from chat.llm import encoders
from chat.models import Turn
from chat.pipeline import abstain, answer, rerank, retrieve, understand, verify
from chat.pipeline.errors import Stopped, Unavailable
from chat.pipeline.record import ANSWERER, also, record
from chat.pipeline.types import Draft, Ending, Outcome, Publish, Question
from clinchat.lib import clock
from compliance import audit, metrics

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
"""A running turn older than this has lost its worker."""


def run(turn_id: UUID, *, publish: Publish) -> bool:
    """Answer a queued turn and record how it ended, whatever happens. Safe to run twice: the second finds none queued.

    Returns whether this call ended the turn. Raises nothing for a failing stage; the turn then ends as failed.
    """
    turn = Turn.objects.select_related("conversation__author").filter(pk=turn_id).first()
    if turn is None:
        logger.info("turn %s is gone; nothing to do", turn_id)
        return False
    with audit.bind(actor=turn.conversation.author):
        return _run(turn, publish)


def _run(turn: Turn, publish: Publish) -> bool:
    claimed = Turn.objects.filter(pk=turn.pk, status=Turn.Status.QUEUED).update(
        status=Turn.Status.RUNNING, deadline_at=clock.now() + LEASE
    )
    if not claimed:
        logger.info("turn %s is not queued; nothing to do", turn.pk)
        return False
    question = Question(turn.question, access.reader(turn.conversation.author), turn=turn.pk)
    outcome = Outcome()
    _check_medicines(turn, outcome, publish)
    try:
        find_answer(question, outcome, publish=publish, proceed=lambda: _proceed(turn.pk))
    except Stopped:
        return False
    except Unavailable as error:
        outcome.ending, outcome.reason = Ending.FAILED, type(error).__name__
    except Exception as error:  # noqa: BLE001  # any other fault must end the turn too; its text may quote the question
        outcome.ending, outcome.reason = Ending.FAILED, Unavailable.__name__
        logger.error("turn %s failed with %s", turn.pk, type(error).__name__)
    try:
        return record(turn, question=question, outcome=outcome)
    except Exception as error:  # noqa: BLE001  # PostgreSQL's own words could quote the row
        # Still running in the database: it is declared lost at its deadline, and its author can retry it.
        logger.error("turn %s could not be recorded: %s", turn.pk, type(error).__name__)
        return False


def _check_medicines(turn: Turn, outcome: Outcome, publish: Publish) -> None:
    """Look for interactions, before anything else and whatever becomes of the answer. It is a table, not a model."""
    publish("step", {"label": "Checking the medicines for interactions", "state": "now"})
    started = time.perf_counter()
    try:
        made = checks.for_turn(turn)
        outcome.interactions = {"check": str(made.pk), "table": made.table}
    except Exception as error:  # noqa: BLE001  # the answer is written all the same, and says that nothing was checked
        logger.error("turn %s: its medicines were not checked: %s", turn.pk, type(error).__name__)
        metrics.count(metrics.INTERACTIONS_UNAVAILABLE)
    outcome.timings_ms["interactions"] = round((time.perf_counter() - started) * 1000, 1)
    publish("interactions", {"checked": bool(outcome.interactions)})


def find_answer(
    question: Question, outcome: Outcome, *, publish: Publish, proceed: Callable[[], None] = lambda: None
) -> None:
    """The stages in their order. Fills in `outcome` as it goes, so that a failure leaves what was known.

    `proceed` is asked before each stage and raises Stopped to end the run. Raises Unavailable when the database
    or the embedding model fails. Writes nothing but the audit events of the retrieval and of the call of the answerer.
    """

    @contextmanager
    def stage(name: str, label: str) -> Iterator[None]:
        proceed()
        publish("step", {"label": label, "state": "now"})
        started = time.perf_counter()
        try:
            yield
        except (DatabaseError, encoders.Failed) as error:
            logger.warning("stage %s: %s", name, type(error).__name__)
            raise Unavailable from None
        finally:
            outcome.timings_ms[name] = round((time.perf_counter() - started) * 1000, 1)

    with stage("understand", "Reading your question"):
        understood = outcome.understood = understand.understand(question)
        outcome.unknown = list(understood.strange)
        if understood.instead:
            publish("understood", {"also": also(understood.instead)})
        documents = retrieve.searchable(question)
    with stage("embed", "Reading your question"):
        vector = retrieve.embed(*(reading.text for reading in understood.readings))
        outcome.model = vector.model
    with stage("retrieve", f"Searching {documents:,} approved document{'' if documents == 1 else 's'}"):
        passages = retrieve.retrieve(question, vector, understood)
    with stage("rerank", "Ranking passages"):
        outcome.passages = rerank.rerank(passages, understood)
        held = calibration.current(vector.model)
        judged = abstain.judge(understood, outcome.passages, held.weights, held.threshold)
        outcome.confidence, outcome.missing = judged.probability, list(judged.missing)
        _record(question, passages=len(passages), answered=judged.answered)
    draft = Draft(())
    if judged.answered:
        with stage("answer", "Choosing sentences to quote"):
            beside = retrieve.beside(outcome.passages)
            draft = answer.extract(outcome.passages, understood.readings[0].text, vector, beside=beside)
    with stage("verify", "Matching quotes with the stored source"):
        outcome.verdict = verify.verify(draft, question)
    outcome.ending = Ending.ANSWERED if outcome.verdict.kept else Ending.ABSTAINED


def _record(question: Question, *, passages: int, answered: bool) -> None:
    """Put the retrieval on record, and the call of the answerer before it is made."""
    kind, turn = ("chat.Turn", str(question.turn)) if question.turn else ("chat.Question", "")
    found: dict[str, audit.JSON] = {"step": "retrieve", "passages": passages}
    called: dict[str, audit.JSON] = {"step": "answer", "model": ANSWERER}
    read, execute = audit.Crude.READ, audit.Crude.EXECUTE
    acts = [audit.Act(audit.Code.SENSITIVE_READ, read, object_type=kind, object_id=turn, detail=found)]
    if answered:
        acts.append(audit.Act(audit.Code.SENSITIVE_READ, execute, object_type=kind, object_id=turn, detail=called))
    audit.record_all(*acts)


def _proceed(turn_id: UUID) -> None:
    if not Turn.objects.filter(pk=turn_id, status=Turn.Status.RUNNING).exists():
        raise Stopped

"""Answering with another embedding model: built beside the searched index, measured before and after, then switched."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db import transaction

from chat import calibration, gate
from chat.corpus import vectors
from chat.llm import encoders
from chat.models import Collection, EmbeddingIndex, Evaluation
from clinchat.lib import clock

logger = logging.getLogger(__name__)

State = EmbeddingIndex.State


class NoIndex(Exception):
    """There is no index of that model."""


class Searched(Exception):
    """The index is the one that is searched."""


class BeingBuilt(Exception):
    """An index of another model is being built. `model` names it."""

    def __init__(self, model: str) -> None:
        super().__init__()
        self.model = model


class Fallen(Exception):
    """With this model labeled questions are answered worse; nothing was changed. `evaluations` are those that fell."""

    def __init__(self, evaluations: Sequence[Evaluation]) -> None:
        super().__init__()
        self.evaluations = list(evaluations)


@dataclass(frozen=True)
class Index:
    """One index as an operator sees it. `installed`: this process can make its vectors."""

    model: str
    dimensions: int
    state: State
    vectors: int
    waiting: int
    installed: bool


def indexes() -> list[Index]:
    """The searched index first, then the others, the newest first."""
    rows = sorted(EmbeddingIndex.objects.order_by("-created_at"), key=lambda row: row.state != State.ACTIVE)
    return [
        Index(
            model=row.model,
            dimensions=row.dimensions,
            state=State(row.state),
            vectors=row.vectors.count(),
            waiting=vectors.waiting(row).count(),
            installed=encoders.find(row.model) is not None,
        )
        for row in rows
    ]


def waiting(model: str) -> int:
    """How many passages the index of the model still needs."""
    found = EmbeddingIndex.objects.filter(model=model).first()
    return vectors.waiting(found or EmbeddingIndex(pk=0)).count()


def build(*, model: str, anew: bool = False, progress: Callable[[int], None] = lambda _: None) -> EmbeddingIndex:
    """Fill the index of a model beside the searched one. Goes on where an earlier call was interrupted.

    `anew` builds the approximate index over its vectors again. Raises encoders.Unknown and BeingBuilt.
    """
    other = EmbeddingIndex.objects.filter(state=State.BUILDING).exclude(model=model).first()
    if other and not EmbeddingIndex.objects.filter(model=model).exists():
        raise BeingBuilt(other.model)
    return vectors.build(model, anew=anew, progress=progress)


def activate(*, model: str, progress: Callable[[int], None] = lambda _: None) -> list[Evaluation]:
    """Search the index of the model from now on, unless labeled questions are answered worse with it.

    What it lacks is embedded first. Returns the evaluation of each collection that has questions. Raises NoIndex,
    Searched, encoders.Unknown, or Fallen with the comparisons; then the index before is still searched.
    """
    index = _index(model)
    if index.state == State.ACTIVE:
        raise Searched
    vectors.fill(index, progress=progress)
    evaluations: list[Evaluation] = []
    try:
        with transaction.atomic():
            vectors.lock_publishers()
            vectors.fill(index)  # what came while the lock was waited for
            asked = [c for c in Collection.objects.order_by("slug") if c.questions.exists()]
            before = {collection.pk: gate.before(collection=collection) for collection in asked}
            vectors.activate(index)
            calibration.refit()
            for collection in asked:
                found = gate.judge(collection=collection, before=before[collection.pk])
                if found:
                    gate.keep(found)
                    evaluations.append(found)
            if fell := [one for one in evaluations if not one.passed]:
                raise Fallen(fell)
    except Fallen as fallen:
        calibration.forget()
        for one in evaluations:
            gate.keep(one)
        raise fallen from None
    logger.info("the index of the embedding model %s is searched since %s", model, clock.now().isoformat())
    return evaluations


def drop(*, model: str) -> None:
    """Remove the index of a model that is not searched. Raises NoIndex and Searched."""
    index = _index(model)
    if index.state == State.ACTIVE:
        raise Searched
    vectors.drop(index)


def _index(model: str) -> EmbeddingIndex:
    found = EmbeddingIndex.objects.filter(model=model).first()
    if found is None:
        raise NoIndex
    return found

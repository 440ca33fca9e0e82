"""The stages that find passages, in their order: for whoever needs what an answer would rest on, without the answer."""

from __future__ import annotations

from dataclasses import dataclass

from chat import calibration
from chat.pipeline import abstain, rerank, retrieve, understand
from chat.pipeline.types import Passage, Question, Understanding, Vectored


@dataclass(frozen=True)
class Found:
    """What a question was taken to mean, and the passages found for it, best first."""

    understood: Understanding
    vector: Vectored
    passages: list[Passage]

    def judged(self) -> abstain.Judgement:
        """Whether ClinChat would answer from them, with the calibration in force."""
        held = calibration.current(self.vector.model)
        return abstain.judge(self.understood, self.passages, held.weights, held.threshold)


def search(question: Question) -> Found:
    """Understand, embed, retrieve, rerank."""
    understood = understand.understand(question)
    vector = retrieve.embed(*(reading.text for reading in understood.readings))
    passages = rerank.rerank(retrieve.retrieve(question, vector, understood), understood)
    return Found(understood, vector, passages)

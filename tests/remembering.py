"""What is worked out once and used by many tests. Nothing here stands in for a result: the real one is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

_read: dict[tuple[Any, tuple[int, ...]], Any] = {}


@contextmanager
def vectors() -> Iterator[None]:
    """Inside, a model reads the same text once; what it says of a text depends on nothing else (chat.llm.network).

    For fixtures that load documents: most of their time was the models, reading the same three monographs each time.
    """
    from chat.llm.network import Network

    run = Network.run

    def remembered(self: Network, tokens: Sequence[int]) -> Any:
        key = (self, tuple(tokens))
        if key not in _read:
            _read[key] = run(self, tokens)
        return _read[key].copy()

    with patch.object(Network, "run", remembered):
        yield

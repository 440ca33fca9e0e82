"""Runs the graphs that chat.llm.build writes: one text at a time, several at once, without torch.

A text by itself needs no padding and no mask, and its vector does not depend on what is embedded beside it. Each run
takes one thread; the threads of one pool share the texts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from chat.llm import files

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

T = TypeVar("T")
THREADS = min(os.cpu_count() or 1, 4)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, "encoder")


os.register_at_fork(after_in_child=_pool.cache_clear)  # the threads stay in the parent


def each(work: Callable[[Sequence[int]], T], texts: Sequence[Sequence[int]]) -> list[T]:
    """`work` on the tokens of each text, in order."""
    if len(texts) < 2:
        return [work(tokens) for tokens in texts]
    longest_first = sorted(range(len(texts)), key=lambda i: -len(texts[i]))  # no thread is left with a long one
    found = _pool().map(work, [texts[i] for i in longest_first])
    by_text = dict(zip(longest_first, found, strict=True))
    return [by_text[i] for i in range(len(texts))]


class Network:
    """A graph with the table of its words. The table is mapped: processes share its memory."""

    def __init__(self, name: str, *, width: int) -> None:
        """`width` is how many numbers a word has. Raises files.Unbuilt."""
        import numpy as np
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # as fast without, and the memory of a long text is given back
        path = str(files.checked(f"{name}.onnx"))
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        layout = np.dtype([("scale", "<f4"), ("numbers", "i1", width)])
        self._words = np.memmap(files.checked(f"{name}.words"), dtype=layout, mode="r")

    def run(self, tokens: Sequence[int]) -> Vectors:
        """What the graph gives for one text."""
        import numpy as np

        rows = self._words[np.asarray(tokens)]
        words = rows["numbers"].astype(np.float32) * rows["scale"][:, None]
        found: Vectors = self._session.run(None, {"words": words[None]})[0][0]
        return found


def tokenizer(path: Any) -> Any:
    """The tokenizers library's reading of a file, which neither pads nor cuts."""
    from tokenizers import Tokenizer

    # One pool of threads is enough. Also keeps forked workers quiet.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    found = Tokenizer.from_file(str(path))
    found.no_padding()
    found.no_truncation()
    return found

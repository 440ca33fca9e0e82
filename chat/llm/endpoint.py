"""Embeddings from a server that speaks OpenAI's interface (vLLM, llama.cpp, Ollama, TEI …), by configuration.

The server gets the texts of the library and the masked questions, so it belongs to the institution. What it answers is
checked before it is used: as many vectors as texts, of the configured length, of finite numbers, not all zero.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from chat.llm import minilm
from chat.llm.encoders import Failed

if TYPE_CHECKING:
    import requests

    from chat.llm.network import Vectors

BATCH = 32
CONNECT, PASSAGES, QUERY = 3.0, 60.0, 8.0
"""Seconds: until connected, until passages are answered, until a question is."""
PASSAGE_PAUSES = (1.0, 2.0, 4.0, 8.0)
QUERY_PAUSES = (0.2,)
"""Seconds before each further try of one that came back with 429 or a server error."""
LONGEST_PAUSE = 30.0
"""Seconds the server may ask for with Retry-After."""
LARGEST_ANSWER = 64 * 1024 * 1024
MAX_TOKENS = 512


class EndpointError(Failed):
    """The server gave no usable vectors. No message holds what it said: it may quote what it was asked."""


class Unreachable(EndpointError):
    """No connection, or no answer in time."""

    def __init__(self) -> None:
        super().__init__("the embedding endpoint cannot be reached, or does not answer in time")


class Refused(EndpointError):
    """It answered with an error; `status` is the HTTP status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the embedding endpoint answered with status {status}")
        self.status = status


class Busy(Refused):
    """It answered 429 or with a server error, to every try. `after` is how many seconds it asked to wait."""

    def __init__(self, status: int, after: float) -> None:
        super().__init__(status)
        self.after = after


class WrongAnswer(EndpointError):
    """It answered something else than the vectors asked for; the message says in which respect."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The encoder (chat.llm.encoders). `url` is the base, to which /embeddings is added; prefixes get a space after
    them."""

    url: str
    model: str
    dimensions: int
    key: str = field(default="", repr=False)
    ca_file: str = ""
    query_prefix: str = ""
    passage_prefix: str = ""
    max_tokens: int = MAX_TOKENS

    @property
    def name(self) -> str:
        return f"endpoint:{self.model}"

    def tokens(self, text: str) -> list[int]:
        """Those of all-MiniLM-L6-v2, the unit of passages: the server's own are not known."""
        return minilm.tokens(text)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """One unit vector per text, in order. Raises EndpointError."""
        import numpy as np

        prefixed = [f"{self.passage_prefix} {text}".lstrip() for text in texts]
        with self._session() as session:
            found = [
                self._embedded(session, prefixed[start : start + BATCH], PASSAGES, PASSAGE_PAUSES)
                for start in range(0, len(prefixed), BATCH)
            ]
        return np.concatenate(found) if found else np.zeros((0, self.dimensions), np.float32)

    def embed_query(self, text: str) -> list[float]:
        """The unit vector of a question. Raises EndpointError."""
        return self.embed_queries([text])[0]

    def embed_queries(self, texts: Sequence[str]) -> list[list[float]]:
        """Those of several, in one request. Raises EndpointError."""
        prefixed = [f"{self.query_prefix} {text}".lstrip() for text in texts]
        with self._session() as session:
            found: list[list[float]] = self._embedded(session, prefixed, QUERY, QUERY_PAUSES).tolist()
        return found

    def _session(self) -> requests.Session:
        import requests

        session = requests.Session()
        session.trust_env = False  # no proxy and no .netrc come between
        session.verify = self.ca_file or True
        if self.key:
            session.headers["Authorization"] = f"Bearer {self.key}"
        return session

    def _embedded(
        self, session: requests.Session, texts: Sequence[str], seconds: float, pauses: Sequence[float]
    ) -> Vectors:
        for pause in pauses:
            try:
                return self._vectors(self._answer(session, texts, seconds), len(texts))
            except Busy as busy:
                sleep(min(max(pause, busy.after), LONGEST_PAUSE))
        return self._vectors(self._answer(session, texts, seconds), len(texts))

    def _answer(self, session: requests.Session, texts: Sequence[str], seconds: float) -> Any:
        import requests

        asked = {"model": self.model, "input": list(texts), "encoding_format": "float"}
        until = monotonic() + seconds
        try:
            with session.post(
                f"{self.url.rstrip('/')}/embeddings",
                json=asked,
                timeout=(CONNECT, seconds),
                allow_redirects=False,
                stream=True,
            ) as response:
                if response.status_code == 429 or response.status_code >= 500:
                    raise Busy(response.status_code, _seconds(response.headers.get("Retry-After", "")))
                if response.status_code != 200:
                    raise Refused(response.status_code)
                content = bytearray()
                for part in response.iter_content(1 << 16):
                    content += part
                    if len(content) > LARGEST_ANSWER:
                        raise WrongAnswer("the embedding endpoint's answer is too long")
                    if monotonic() > until:
                        raise Unreachable
        except (requests.RequestException, OSError):
            raise Unreachable from None
        try:
            return json.loads(content)
        except ValueError:
            raise WrongAnswer("the embedding endpoint's answer is not JSON") from None

    def _vectors(self, answer: Any, wanted: int) -> Vectors:
        import numpy as np

        try:
            rows = sorted(answer["data"], key=lambda row: int(row["index"]))
            numbers = [row["embedding"] for row in rows]
            if [row["index"] for row in rows] != list(range(wanted)):
                raise WrongAnswer("the embedding endpoint gave another number of vectors than there were texts")
            lengths = {len(one) for one in numbers}
            if lengths != {self.dimensions}:
                found = ", ".join(map(str, sorted(lengths)))
                raise WrongAnswer(f"the embedding endpoint's vectors have {found} numbers, not {self.dimensions}")
            vectors = np.asarray(numbers, dtype=np.float64)
        except (KeyError, TypeError, ValueError):
            raise WrongAnswer("the embedding endpoint's answer is not one of embeddings") from None
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.isfinite(norms).all() or not norms.all():
            raise WrongAnswer("the embedding endpoint gave a vector without a direction")
        found_vectors: Vectors = (vectors / norms).astype(np.float32)
        return found_vectors


def _seconds(header: str) -> float:
    """Retry-After in seconds; a date is as good as none."""
    return float(header[:6]) if header.isascii() and header.isdigit() else 0.0


def configured() -> Endpoint | None:
    """The endpoint of the settings, if they name one."""
    from django.conf import settings

    given: dict[str, Any] = settings.EMBEDDING_ENDPOINT
    return Endpoint(**given) if given else None

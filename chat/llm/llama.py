"""The encoders behind llama-index's embedding interface, for what is built on that library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chat.llm.encoders import Encoder

if TYPE_CHECKING:
    from llama_index.core.embeddings import BaseEmbedding


def embedding(encoder: Encoder) -> BaseEmbedding:
    """The encoder as llama-index's BaseEmbedding. Imports llama-index, which takes a second."""
    from llama_index.core.embeddings import BaseEmbedding

    class Embedding(BaseEmbedding):
        @classmethod
        def class_name(cls) -> str:
            return "ClinChatEmbedding"

        def _get_text_embedding(self, text: str) -> list[float]:
            return self._get_text_embeddings([text])[0]

        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            found: list[list[float]] = encoder.embed_passages(texts).tolist()
            return found

        def _get_query_embedding(self, query: str) -> list[float]:
            return encoder.embed_query(query)

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_query_embedding(query)

        async def _aget_text_embedding(self, text: str) -> list[float]:
            return self._get_text_embedding(text)

    return Embedding(model_name=encoder.name, embed_batch_size=64)

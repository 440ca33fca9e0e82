"""The embedding endpoint of the environment."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from clinchat import env


def endpoint() -> dict[str, Any]:
    """What chat.llm.endpoint.Endpoint takes; empty where none is named. Raises ImproperlyConfigured."""
    if not env.text("CLINCHAT_EMBEDDING_URL"):
        return {}
    found: dict[str, Any] = {
        "url": env.encrypted("CLINCHAT_EMBEDDING_URL", "https"),
        "model": env.text("CLINCHAT_EMBEDDING_URL_MODEL"),
        "dimensions": env.number("CLINCHAT_EMBEDDING_DIMENSIONS", 0, low=8, high=4000),  # pgvector indexes no more
        "key": env.password("CLINCHAT_EMBEDDING_KEY"),
        "ca_file": env.file("CLINCHAT_EMBEDDING_CA_FILE"),
        "query_prefix": env.text("CLINCHAT_EMBEDDING_QUERY_PREFIX"),
        "passage_prefix": env.text("CLINCHAT_EMBEDDING_PASSAGE_PREFIX"),
    }
    if not found["model"] or len(found["model"]) > 80 or not found["dimensions"]:
        raise ImproperlyConfigured(
            "CLINCHAT_EMBEDDING_URL needs CLINCHAT_EMBEDDING_URL_MODEL, of at most 80 characters, and "
            "CLINCHAT_EMBEDDING_DIMENSIONS."
        )
    return found

"""The services of others that only chat speaks to: the embedding endpoint, and the scanner of uploaded files."""

from __future__ import annotations

from django.conf import settings

from compliance.external_services import Failed, NotConfigured, register_service


def register() -> None:
    register_service("embedding", "Embedding model", _embedding, 20.0)
    register_service("malware", "Malware scanner (clamd)", _malware, 12.0)


def _embedding() -> str:
    """One word, as a question is embedded. The model in this process is no service."""
    from chat.llm import encoders
    from chat.llm.endpoint import EndpointError

    if not settings.EMBEDDING_ENDPOINT:
        raise NotConfigured
    encoder = encoders.get(f"endpoint:{settings.EMBEDDING_ENDPOINT['model']}")
    try:
        found = encoder.embed_query("aspirin")
    except EndpointError as error:
        raise Failed(*error.args) from None
    return f"gives {len(found)} numbers"


def _malware() -> str:
    from chat.corpus import malware

    if not settings.CLAMD:
        raise NotConfigured
    try:
        found = malware.version()
    except malware.Unavailable:
        raise Failed("not reached, or it has no signatures") from None
    return f"signatures {found.signatures} of {found.made_at:%Y-%m-%d}"

"""Makes the passages of a version: what is embedded, matched and quoted from."""

from __future__ import annotations

import hashlib

from chat.corpus import chunking
from chat.corpus.vectors import search_text
from chat.models import Chunk, DocumentVersion


def of(version: DocumentVersion) -> list[Chunk]:
    """The passages of a version, unsaved. Its `document` is loaded."""
    markdown = version.format == DocumentVersion.Format.MARKDOWN
    found = []
    for ordinal, piece in enumerate(chunking.pieces(version.text, markdown=markdown, section=version.section), 1):
        text, section = version.text[piece.start : piece.end], piece.section[:300]
        searched = search_text(title=version.title, section=section, lead=piece.lead, text=text)
        found.append(
            Chunk(
                version=version,
                collection_id=version.document.collection_id,
                ordinal=ordinal,
                part=piece.part,
                section=section,
                lead=piece.lead,
                start=piece.start,
                end=piece.end,
                text=text,
                sha256=sha256(text),
                search_sha256=sha256(searched),
            )
        )
    return found


def sha256(text: str) -> str:
    """SHA-256 of a text in UTF-8, hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()

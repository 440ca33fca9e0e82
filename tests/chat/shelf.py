"""Documents in the states a test needs, made through the services."""

from __future__ import annotations

import hashlib
import uuid
from datetime import timedelta
from typing import Any

from chat import releases
from chat.corpus import ingest
from chat.corpus.loaders import Source
from chat.models import Citation, Collection, Conversation, DocumentVersion, Turn
from clinchat.lib import clock
from compliance.models import User
from tests import remembering


def collection(slug: str = "test", **fields: Any) -> Collection:
    return Collection.objects.create(slug=slug, name="Test", **fields)


def source(text: str, number: int = 1, **fields: Any) -> Source:
    return Source(external_id=f"doc-{number}", **{"title": f"Title {number}", "text": text} | fields)


def load(into: Collection, *sources: Source) -> None:
    """Store and publish, as an operator does."""
    ingest.ingest(sources=sources, collection=into)
    with remembering.vectors():
        releases.embed_waiting()


def current(number: int = 1) -> DocumentVersion:
    return DocumentVersion.objects.get(document__external_id=f"doc-{number}", status="published")


def quoting(author: User, *quotes: tuple[DocumentVersion, str], n: int = 1, within: Conversation | None = None) -> Turn:
    """An answer that quotes words of versions; `n` 0: that shows them as closest passages only."""
    talk = within or Conversation.objects.create(author=author, title="About a drug")
    turn = Turn.objects.create(
        conversation=talk,
        number=talk.turns.count() + 1,
        submission=uuid.uuid4(),
        question="What about it?",
        status=Turn.Status.ANSWERED if n else Turn.Status.ABSTAINED,
        finished_at=clock.now(),
        deadline_at=clock.now() + timedelta(minutes=5),
        blocks=[
            {"kind": "p", "text": quote, "claim": f"c{i}", "cites": [i]} for i, (_, quote) in enumerate(quotes, 1) if n
        ],
    )
    for position, (version, quote) in enumerate(quotes, 1):
        start = version.text.index(quote)
        Citation.objects.create(
            turn=turn,
            n=position if n else 0,
            position=position,
            version=version,
            chunk=version.chunks.get(start__lte=start, end__gte=start + len(quote)),
            start=start,
            end=start + len(quote),
            quote=quote,
            sha256=hashlib.sha256(quote.encode()).hexdigest(),
        )
    return turn

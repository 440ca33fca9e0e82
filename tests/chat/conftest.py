"""A small knowledge base and people who ask it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client

from chat import releases
from chat.corpus import loaders
from chat.corpus.ingest import ingest
from chat.models import Collection
from clinchat import local
from clinchat.local import redis_server
from tests import cast, remembering

STARTER = Path(__file__).parents[2] / "chat/corpus/starter"
DOCUMENTS = ("monographs/warfarin.md", "monographs/trimethoprim-sulfamethoxazole.md", "monographs/metformin.md")


@pytest.fixture
def library(db: None) -> Collection:
    """Three monographs of the starter set, published."""
    collection = Collection.objects.create(slug="starter", name="Starter set", starter=True)
    sources = [source for name in DOCUMENTS for source in loaders.read(STARTER / name).sources]
    ingest(sources=sources, collection=collection)
    with remembering.vectors():
        releases.embed_waiting()
    return collection


@pytest.fixture
def alice(db: None) -> Client:
    return cast.sign_in(Client(), cast.alice())


@pytest.fixture
def bob(db: None) -> Client:
    return cast.sign_in(Client(), cast.bob())


@pytest.fixture
def redis_gone() -> Iterator[None]:
    """Redis is really stopped, and back after the test."""
    redis_server.stop(local.paths())
    yield
    local.ensure_services()

"""manage.py reindex"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from chat.corpus import embedding, index
from chat.management import collections_named


class Command(BaseCommand):
    help = (
        "Write the word index (BM25 postings) of a collection, or of all, anew from its stored passages, and embed "
        "what still waits. Questions are answered from the old index until the new one is complete."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--collection", metavar="C", help="Only this collection (its short name).")

    def handle(self, *args: Any, **options: Any) -> None:
        for collection in collections_named(options["collection"]):
            self.stdout.write(f"{collection.slug}: {index.rebuild(collection=collection)} passages indexed")
        embedding.embed_waiting()

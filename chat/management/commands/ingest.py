"""manage.py ingest"""

from __future__ import annotations

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.text import slugify

from chat.corpus import embedding, loaders
from chat.corpus.ingest import ingest
from chat.models import Collection

SHOWN = 20


class Command(BaseCommand):
    help = (
        "Load documents into a collection: a .jsonl file with rows "
        '{"id","title","section","text","source","url","licence"}, a .md file with front matter, or a folder of them. '
        "Everything is read and checked first: when any row or file is malformed, each problem is named with file and "
        "line and nothing is stored. The id decides which document a row belongs to; changed text becomes its next "
        "version, equal text is left alone, so the command can be run again at any time. A new version is searched as "
        "soon as all its passages are embedded; until then the old one is. Interrupted embedding goes on with the "
        "next run, or in the background worker."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, help="A .jsonl or .md file, or a folder.")
        parser.add_argument("--collection", required=True, metavar="C", help="Short name; made when it does not exist.")
        parser.add_argument("--name", help="Name shown to readers, for a new collection.")
        parser.add_argument("--starter", action="store_true", help="Mark a new collection as the starter set.")
        parser.add_argument("--no-embed", action="store_true", help="Leave embedding to the background worker.")

    def handle(self, *args: Any, **options: Any) -> None:
        path, slug = options["path"], options["collection"]
        if slug != slugify(slug):
            raise CommandError("A collection's short name has lower-case letters, digits and hyphens only.")
        if not path.exists():
            raise CommandError(f"There is no file or folder {path}.")
        reading = loaders.read(path)
        if reading.problems:
            more = len(reading.problems) - SHOWN
            lines = [str(p) for p in reading.problems[:SHOWN]] + ([f"… and {more} more"] if more > 0 else [])
            raise CommandError("Nothing was stored.\n" + "\n".join(lines))
        collection, _ = Collection.objects.get_or_create(
            slug=slug, defaults={"name": options["name"] or slug, "starter": options["starter"]}
        )
        report = ingest(sources=reading.sources, collection=collection, progress=self._stored)
        self.stdout.write(
            f"{report.new} new, {report.updated} updated, {report.unchanged} unchanged documents; "
            f"{report.chunks} new passages."
        )
        if options["no_embed"]:
            self._hand_over()
        else:
            self._embed()

    def _stored(self, documents: int) -> None:
        self.stderr.write(f"  stored {documents} documents")

    def _hand_over(self) -> None:
        from kombu.exceptions import OperationalError

        from chat.tasks import embed_waiting_chunks

        try:
            embed_waiting_chunks.delay()
        except OperationalError:
            raise CommandError("The queue cannot be reached; the passages wait for the next worker.") from None
        self.stdout.write("The background worker embeds them.")

    def _embed(self) -> None:
        total, started = embedding.waiting(), time.monotonic()

        def progress(done: int) -> None:
            rate = done / max(time.monotonic() - started, 0.001)
            left = max(total - done, 0) / max(rate, 0.001)
            self.stderr.write(f"  embedded {done} of {total} passages, {rate:.0f} a second, {left:.0f} s left")

        if total:
            embedding.embed_waiting(progress=progress)
            self.stdout.write(f"All passages are embedded ({time.monotonic() - started:.0f} s).")

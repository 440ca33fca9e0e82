"""manage.py ingest"""

from __future__ import annotations

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.text import slugify

from chat import releases
from chat.corpus import loaders, vectors
from chat.corpus.ingest import ingest
from chat.management import embedded_of
from chat.models import Collection, Release

SHOWN = 20


class Command(BaseCommand):
    help = (
        "Load documents into a collection: a .jsonl file with rows "
        '{"id","title","section","text","source","url","licence"}, a .md file with front matter, a PDF, DOCX, HTML or '
        "text file, XML of JATS, PubMed or MedQuAD, JSON of openFDA labels, or a folder of them. "
        "Everything is read and checked first: when any row or file is malformed, each problem is named with file and "
        "line and nothing is stored. The id decides which document a row belongs to; changed text becomes its next "
        "version, equal text is left alone, so the command can be run again at any time. Everything new is searched at "
        "once, as one release of the collection, when all of it is embedded and the collection's labeled questions "
        "are answered no worse than before. An interrupted run goes on where it stopped, with the next run or in the "
        "background worker."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, help="A file, or a folder.")
        parser.add_argument("--collection", required=True, metavar="C", help="Short name; made when it does not exist.")
        parser.add_argument("--name", help="Name shown to readers, for a new collection.")
        parser.add_argument("--starter", action="store_true", help="Mark a new collection as the starter set.")
        parser.add_argument("--ocr", action="store_true", help="Recognize the text of scans, with tesseract.")
        parser.add_argument("--no-embed", action="store_true", help="Leave embedding to the background worker.")

    def handle(self, *args: Any, **options: Any) -> None:
        path, slug = options["path"], options["collection"]
        if slug != slugify(slug):
            raise CommandError("A collection's short name has lower-case letters, digits and hyphens only.")
        if not path.exists():
            raise CommandError(f"There is no file or folder {path}.")
        reading = loaders.read(path, ocr=options["ocr"])
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
        if report.edited:
            self.stdout.write(f"{report.edited} were left alone: somebody is preparing a version of them.")
        if options["no_embed"]:
            self._hand_over()
            return
        self._embed()
        if report.release:
            self._publish(report.release)

    def _stored(self, documents: int) -> None:
        self.stderr.write(f"  stored {documents} documents")

    def _hand_over(self) -> None:
        from kombu.exceptions import OperationalError

        from chat.tasks import embed_waiting_chunks

        try:
            embed_waiting_chunks.delay()
        except OperationalError:
            raise CommandError("The queue cannot be reached; the passages wait for the next worker.") from None
        self.stdout.write("The background worker embeds and publishes them.")

    def _embed(self) -> None:
        total, started = vectors.waiting(vectors.active()).count(), time.monotonic()
        if total:
            vectors.fill_all(progress=embedded_of(total, self.stderr))
            self.stdout.write(f"All passages are embedded ({time.monotonic() - started:.0f} s).")

    def _publish(self, release: Release) -> None:
        try:
            done = releases.publish(release=release, by=None)
        except releases.Over:
            return  # the background worker was quicker
        except releases.NotReady as error:
            raise CommandError(f"{error.waiting} passages came meanwhile; run the command again.") from None
        except releases.Fallen as error:
            raise CommandError(
                "Nothing was published: the collection's labeled questions would be answered worse than before "
                f"({', '.join(error.evaluation.fallen)}). Compare on the page of its releases."
            ) from None
        self.stdout.write(f"Release {done.number} is searched: {done.documents} documents.")

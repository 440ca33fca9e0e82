"""manage.py check_knowledge_base"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from chat import index_proof
from chat.llm import encoders


class Command(BaseCommand):
    help = (
        "Compare the search indexes with what the published versions say, as the nightly proof does: vectors, word "
        "index, passages, releases, and the vector index with an exact scan. What it finds is stored and shown as "
        "that of a nightly proof. Exit code 0: nothing is wrong; 1: something is, or it could not be looked at."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="For a program.")
        parser.add_argument(
            "--sample",
            type=int,
            default=index_proof.SAMPLE,
            metavar="N",
            help=f"Stored vectors to search for; {index_proof.SAMPLE} without it.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["sample"] < 1:
            raise CommandError("--sample must be at least 1.")
        try:
            proof = index_proof.prove(sample=options["sample"])
        except (DatabaseError, encoders.Unknown) as error:
            raise CommandError(
                f"It could not be looked at: {type(error).__name__}. Nothing is known about the index."
            ) from None
        if options["json"]:
            told = {
                "ok": proof.ok,
                "found": proof.found,
                "model": proof.model,
                "passages": proof.passages,
                "sampled": proof.sampled,
                "recall": proof.recall,
                "seconds": proof.seconds,
            }
            self.stdout.write(json.dumps(told))
        else:
            recall = (
                "" if proof.recall is None else f", {proof.recall:.3f} of the nearest found in {proof.sampled} tries"
            )
            self.stdout.write(f"{proof.passages} passages{recall}, {proof.seconds:.1f} s")
            for name, number in proof.found.items():
                self.stdout.write(f"{index_proof.WHAT[name]}: {number}")
            if proof.ok:
                self.stdout.write("Nothing is wrong.")
        if not proof.ok:
            sys.exit(1)

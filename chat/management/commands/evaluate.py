"""manage.py evaluate"""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chat.interactions import check, current
from chat.interactions.measuring import predicted
from chat.management import collections_named, operator
from chat.pipeline import search
from chat.pipeline.types import Question
from compliance import phi

RANKED = 50
FIELDS = {"retrieval": ("question",), "phi": ("text",), "drugs": ("text", "drugs")}
"""What a gold line holds beside its id: one of these."""


class Command(BaseCommand):
    help = (
        "Run labelled questions or texts through ClinChat and write one JSON line of predictions for each, to be "
        "scored outside. `retrieval`: gold lines with id and question; writes the documents found, best first, and "
        "whether ClinChat would abstain. `phi`: gold lines with id and text; writes the spans and the masked text. "
        "`drugs`: gold lines with id, type and text or drugs; writes the medicines found, their interactions and those "
        "that the table in use does not cover."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", choices=["retrieval", "phi", "drugs"])
        parser.add_argument("--gold", type=Path, required=True, help="JSON lines to read.")
        parser.add_argument("--predictions", type=Path, required=True, help="JSON lines to write.")
        parser.add_argument("--collection", metavar="C", help="retrieval: only this collection (its short name).")

    def handle(self, *args: Any, **options: Any) -> None:
        what = options["what"]
        predict = _retrieval(options["collection"]) if what == "retrieval" else {"phi": _phi, "drugs": _drugs}[what]()
        rows = _read(options["gold"], FIELDS[what])
        try:
            with options["predictions"].open("w", encoding="utf-8") as out:
                for row in rows:
                    out.write(json.dumps({"id": row["id"], **predict(row)}, ensure_ascii=False) + "\n")
        except OSError:
            raise CommandError(f"{options['predictions']} cannot be written.") from None
        except phi.PhiUnavailable:
            raise CommandError("A text could not be masked; the predictions end before it.") from None
        self.stdout.write(f"{len(rows)} lines written to {options['predictions']}")


def _retrieval(slug: str | None) -> Callable[[dict[str, Any]], dict[str, Any]]:
    reader = operator(collections_named(slug))

    def predict(row: dict[str, Any]) -> dict[str, Any]:
        question = Question(phi.mask(row["question"]).text, reader)
        found = search.search(question)
        ranked = list(dict.fromkeys(p.external_id for p in found.passages))
        return {"ranked": ranked[:RANKED], "abstained": not found.judged().answered}

    return predict


def _phi() -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Warm, so that the first text does not pay for loading, and without the hospital's own terms."""
    try:
        phi.warm()
    except phi.PhiUnavailable:
        raise CommandError("Masking does not pass its self-test: manage.py validate_phi_protection says why.") from None

    def predict(row: dict[str, Any]) -> dict[str, Any]:
        started = time.perf_counter()
        masked = phi.mask(row["text"])
        elapsed = (time.perf_counter() - started) * 1000
        found = [{"start": s.start, "end": s.end, "label": str(s.label)} for s in masked.spans]
        return {"spans": found, "masked": masked.text, "ms": round(elapsed, 2)}

    return predict


def _drugs() -> Callable[[dict[str, Any]], dict[str, Any]]:
    """With the table in use and what the hospital changed in it."""
    try:
        table = current.current()
    except current.Unavailable:
        raise CommandError("No interaction table passes its self-test.") from None

    def predict(row: dict[str, Any]) -> dict[str, Any]:
        try:
            return predicted(table, row)
        except check.TooMany as many:
            raise CommandError(f"{row['id']} names {many.count} medicines; {many.most} are checked at once.") from None

    return predict


def _read(path: Path, fields: tuple[str, ...]) -> list[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise CommandError(f"{path} cannot be read.") from None
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            raise CommandError(f"{path}, line {number}: not valid JSON.") from None
        if not isinstance(row, dict) or not isinstance(row.get("id"), str) or not any(_holds(row, f) for f in fields):
            wanted = "” or “".join(fields)
            raise CommandError(f"{path}, line {number}: needs the text fields “id” and “{wanted}”.")
        rows.append(row)
    return rows


def _holds(row: dict[str, Any], field: str) -> bool:
    """Whether the field is there, as it must be for rows of its type."""
    value = row.get(field)
    if field == "drugs":
        names = isinstance(value, list) and all(isinstance(one, str) for one in value)
        return names and row.get("type") == "list"
    return isinstance(value, str) and row.get("type", "text") != "list"

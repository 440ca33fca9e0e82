"""manage.py phi_mask"""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError

from compliance import mask_terms, phi

BAD_INPUT = 2
_BYTES = 4 * phi.MAX_CHARS


class Command(BaseCommand):
    help = (
        "Mask one text as a question is masked, with the hospital's own terms, and print the masked text and what was "
        "found in it. Nothing is stored or sent. Exit code 0: masked; 1: it could not be masked, or did not come back "
        "as it was; 2: that is no text to mask."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("text", nargs="?", metavar="TEXT", help="The text, in quotes; - reads standard input.")
        parser.add_argument("--file", type=Path, metavar="F", help="Read the text from this file instead, in UTF-8.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object instead of text.")
        parser.add_argument(
            "--restore-check", action="store_true", help="Say whether the tokens give back exactly the text."
        )
        parser.add_argument(
            "--show-values",
            action="store_true",
            help="Print what each token stands for. Without it nothing that identifies somebody is printed.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        text = _given(options["text"], options["file"])
        phi.use_terms(mask_terms.current())
        try:
            phi.warm()
            started = time.perf_counter()
            masked = phi.mask(text)
        except phi.LexiconError:
            raise CommandError("A word list is not the one of this version. Run: make setup") from None
        except phi.PhiUnavailable:
            raise CommandError("The text could not be masked.") from None
        ms = round((time.perf_counter() - started) * 1000, 1)
        back = phi.restore(masked.text, masked.new, masked.spellings) == text
        found = _found(masked, text, show_values=options["show_values"])
        if options["json"]:
            result = {"masked": masked.text, "phi": found, "intervals": phi.intervals(masked.new)}
            self.stdout.write(json.dumps(result | {"round_trip": back, "ms": ms}, ensure_ascii=False, indent=2))
        else:
            self.stdout.write(_text(masked, found, ms))
            if options["restore_check"]:
                self.stdout.write(
                    "The tokens give back the text exactly." if back else "The tokens do NOT give back the text."
                )
        if not back:
            raise SystemExit(1)


def _given(text: str | None, file: Path | None) -> str:
    """The text to mask. Raises CommandError when there is none, or it is none."""
    if (text is None) == (file is None):
        raise CommandError("Give a text in quotes, - for standard input, or --file.", returncode=BAD_INPUT)
    if file is not None:
        try:
            with file.open("rb") as stream:
                text = _read(stream)
        except OSError:
            raise CommandError(f"{file} cannot be read.", returncode=BAD_INPUT) from None
    elif text == "-":
        text = _read(sys.stdin.buffer)
    text = text or ""
    if not text.strip():
        raise CommandError("There is no text to mask.", returncode=BAD_INPUT)
    if len(text) > phi.MAX_CHARS:
        raise CommandError(f"The text is longer than {phi.MAX_CHARS:,} characters.", returncode=BAD_INPUT)
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise CommandError("That is not text in UTF-8.", returncode=BAD_INPUT)
    return text


def _read(stream: BinaryIO) -> str:
    """What stands there, up to a little more than is masked; bytes that are no UTF-8 as surrogates."""
    return stream.read(_BYTES + 1).decode("utf-8", "surrogateescape")


def _found(masked: phi.Masked, text: str, *, show_values: bool) -> list[dict[str, Any]]:
    found = []
    for span, token in zip(masked.spans, masked.tokens, strict=True):
        one = {"label": str(span.label), "token": token, "start": span.start, "end": span.end}
        found.append(one | {"value": text[span.start : span.end]} if show_values else one)
    return found


def _text(masked: phi.Masked, found: list[dict[str, Any]], ms: float) -> str:
    lines = [masked.text, ""]
    for token in dict.fromkeys(one["token"] for one in found):
        same = [one for one in found if one["token"] == token]
        values = " = ".join(dict.fromkeys(one["value"] for one in same if "value" in one))
        lines.append(f"{token:16} {phi.label_words[phi.Label(same[0]['label'])]:22} {len(same)} x  {values}".rstrip())
    days = phi.intervals(masked.new)
    lines += [f"{token:16} {day} days after the earliest date" for token, day in days.items()]
    return "\n".join([*lines, f"{len(found)} identifiers masked in {ms:.1f} ms."])

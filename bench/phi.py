"""Masking of identifiers: ClinChat beside scrubadub and Presidio as shipped, on the labelled texts, in one run.

Each runs in a fresh process, one after the other, over the same texts. Presidio gets a virtual environment of its own
below the data folder (requirements/bench-phi.txt), made on the first run. The scorer is ../shared/tools/phi_score.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import venv
from hashlib import sha256
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from django.conf import settings

from bench.data import SHARED, keep, percentile, table

SYSTEMS = {
    "ClinChat": "clinchat",
    "ClinChat, rules alone": "clinchat-rules",
    "scrubadub as shipped": "scrubadub",
    "Presidio as shipped": "presidio",
}
NOTES = 24
NOTE_CHARS = 3000
LONG = {"notes", "aci_note", "aci_dialogue", "medquad_answer"}
"""Groups that are no prompts: they count for the figures, not for the time of a prompt."""
HARD = "hand"
SCORER = SHARED.parent / "tools/phi_score.py"
PINS = settings.BASE_DIR / "requirements/bench-phi.txt"


def run(collection: str) -> str | None:
    gold = SHARED / "phi/dev.jsonl"
    if not gold.exists() or not SCORER.exists():
        return "needs ../shared/data/phi and ../shared/tools"
    texts = [json.loads(line) for line in gold.read_text(encoding="utf-8").splitlines()]
    kept: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder) / "texts.jsonl"
        asked.write_text("".join(json.dumps(row) + "\n" for row in [*texts, *_notes(texts)]), encoding="utf-8")
        for name, system in SYSTEMS.items():
            python = _presidio() if system == "presidio" else sys.executable
            if python is None:
                print(f"{name}: left out, {PINS.name} could not be installed")
                continue
            kept[name] = _measured(
                system, python, asked, gold, {row["id"] for row in texts if row["group"] not in LONG}
            )
    spans = next(iter(kept.values()))["score"]["overall"]["spans"]
    print(f"{len(texts)} texts, {spans} identifiers, notes of {NOTE_CHARS:,} characters; %, ms, MB, s")
    head = ["", "recall", "hard", "precision", "kept", "altered", "prompt p50", "p95", "note p50", "p95", "RSS", "cold"]
    table(head, [[name, *_row(found)] for name, found in kept.items()])
    keep("phi", kept)
    return None


def _notes(texts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Notes joined until they are long enough, each beginning with another one."""
    notes = [row["text"] for row in texts if row["group"] in {"notes", "aci_note"}]
    found = []
    for first in range(NOTES):
        start = first * len(notes) // NOTES
        joined = "\n\n".join(islice(cycle(notes), start, start + len(notes)))
        found.append({"id": f"note-{first}", "text": joined[:NOTE_CHARS]})
    return found


def _measured(system: str, python: str, asked: Path, gold: Path, prompts: set[str]) -> dict[str, Any]:
    predictions, score = asked.with_name(f"{system}.jsonl"), asked.with_name(f"{system}.json")
    program = Path(__file__).with_name("phi_systems.py")
    command = [python, str(program), system, str(asked), str(predictions), "--clock", str(time.monotonic())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{system} did not run: {done.stderr[-2000:]}")
    subprocess.run(
        [sys.executable, str(SCORER), str(gold), str(predictions), "--no-ci", "--json", str(score)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    ms: dict[str, float] = {}
    for line in predictions.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        ms[row["id"]] = row["ms"]
    return {
        "score": json.loads(score.read_text()),
        "prompt_ms": _spread([ms[one] for one in prompts]),
        "note_ms": _spread([ms[one] for one in ms if one.startswith("note-")]),
        **json.loads(done.stdout.splitlines()[-1]),
    }


def _spread(values: list[float]) -> list[float]:
    return [percentile(values, share) for share in (0.5, 0.95)]


def _row(found: dict[str, Any]) -> list[str]:
    overall, hard = found["score"]["overall"], found["score"]["groups"][HARD]
    shares = [overall["recall"], hard["recall"], overall["precision"], overall["keep_ok"], overall["altered"]]
    times = [*found["prompt_ms"], *found["note_ms"]]
    percents = [f"{100 * share:.2f}" for share in shares]
    return [*percents, *(f"{ms:.1f}" for ms in times), f"{found['rss_mb']:.0f}", f"{found['cold_seconds']:.1f}"]


def _presidio() -> str | None:
    """The interpreter of Presidio's own environment, installed on first use; None when that fails."""
    folder = Path(settings.VAR) / "bench-phi"
    python, stamp = folder / "bin/python", folder / "installed"
    pins = sha256(PINS.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == pins:
        return str(python)
    print(f"installing {PINS.name} into {folder}")
    venv.create(folder, clear=True, with_pip=True)
    pip = [
        str(python),
        "-m",
        "pip",
        "install",
        "-qq",
        "--disable-pip-version-check",
        "--require-hashes",
        "-r",
        str(PINS),
    ]
    if subprocess.run(pip, check=False).returncode:
        return None
    stamp.write_text(pins)
    return str(python)

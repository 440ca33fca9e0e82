"""Verifies a controls bundle of ClinChat. It needs Python 3.9 or newer, verify.py and ed25519.py beside it, no more.

README.txt says what is checked. A program that came with the bundle could lie for it: where that matters, take these
three files from ClinChat's source, or write your own.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
try:
    import verify  # type: ignore[import-not-found]  # beside this file, wherever it was copied to
except ImportError:
    sys.stderr.write("verify.py and ed25519.py must lie beside verify_controls.py. Both are in the bundle.\n")
    sys.exit(2)

MARK = rb"clinchat-controls-bundle sha256:([0-9a-f]{64})\Z"
TRAILS = ("audit.zip", "proof.zip")
COVERED = ["catalogue", "check", "code_version", "duration_ms", "evidence", "expected", "failing", "failing_count"]
COVERED += ["observed", "started_at", "state", "subjects"]
MINUTES = {"live": 5, "hourly": 60, "6h": 360, "daily": 1440, "weekly": 10080, "monthly": 43200}
STATES = ("pass", "fail", "error", "stale", "attested", "attestation_lapsed", "exception", "not_applicable")
LONGEST = 64 * 1024 * 1024  # bytes; no line and no small file is longer
SHOWN = 20  # problems that are printed
SCORE_FACT = "Score with its rows, SHA-256"


class Broken(Exception):
    """What is wrong, where what follows cannot be checked for it."""


class Controls:
    def __init__(self, path: Path, keys: dict[str, bytes]) -> None:
        self.path, self.keys, self.zip = path, keys, zipfile.ZipFile(path)
        self.problems: list[str] = []
        self.wrong = self.problems.append
        self.manifest: dict[str, Any] = {}
        self.on_record: set[bytes] = set()  # digests of results of the period, by the trail
        self.earlier: set[bytes] = set()  # of results before it
        self.rows: dict[str, dict[str, Any]] = {}  # "type id" -> columns of a row, by the trail
        self.books: list[dict[str, Any]] = []

    def check(self) -> None:
        self.check_files()
        self.start, self.end = moment(self.manifest["from"]), moment(self.manifest["before"])
        say(f"Made         {self.manifest['made_at']} with ClinChat {self.manifest['version']}")
        say(f"Period       {self.start.isoformat()} to before {self.end.isoformat()}")
        with tempfile.TemporaryDirectory() as folder:
            for name in TRAILS:
                self.check_trail(name, Path(folder) / name)
        self.check_export()
        self.read_catalogues()
        self.check_scores(self.check_results())
        self.check_signed("attestations.jsonl", "compliance.Attestation", ATTESTATION)
        self.check_signed("exceptions.jsonl", "compliance.ControlException", EXCEPTION)

    # -- Files ------------------------------------------------------------------------------------------------------

    def check_files(self) -> None:
        names = self.zip.namelist()
        if len(names) != len(set(names)) or "manifest.json" not in names:
            raise Broken("These are not the files of a bundle: one is there twice, or manifest.json is missing.")
        self.manifest = parsed(self.read("manifest.json"))
        if self.manifest.get("type") != "clinchat.controls.bundle" or self.manifest.get("form") != 1:
            raise Broken("manifest.json does not describe a controls bundle of form 1.")
        files = self.manifest["files"]
        if set(files) != set(names) - {"manifest.json"}:
            odd = ", ".join(sorted(set(files) ^ (set(names) - {"manifest.json"})))
            raise Broken(f"Missing or too many: {odd}.")
        if not as_it_was_made(self.path):
            self.wrong("The zip file was changed: the checksum at its end does not fit.")
        for name, expected in files.items():
            with self.zip.open(name) as file:
                if verify.digest_of(file) != expected:
                    self.wrong(f"{name} was changed: its SHA-256 is not that of manifest.json.")
        contents = {name: value for name, value in files.items() if name not in TRAILS}
        if sha256(canonical(contents)).hexdigest() != self.manifest["contents"]:
            self.wrong("manifest.json was changed: its digest over all files does not fit.")
        say(f"Files        {len(files)}, as manifest.json lists them")

    def check_trail(self, name: str, place: Path) -> None:
        """The trail's own verification, then what it says of results, reports and what was signed."""
        with self.zip.open(name) as inside, place.open("wb") as out:
            while part := inside.read(1 << 20):
                out.write(part)
        say(f"--- {name}, by verify.py")
        trail = verify.Bundle(place, self.keys)
        try:
            trail.check()
        except verify.Broken as broken:
            trail.wrong(broken.args[0])
        except Exception as error:  # noqa: BLE001  # what cannot be read was not verified, whatever the reason
            trail.wrong(f"a file in it cannot be read ({type(error).__name__}).")
        self.problems += [f"{name}: {problem}" for problem in trail.problems]
        if trail.problems:
            raise Broken(f"{name} does not verify, so nothing else can be compared with it.")
        with zipfile.ZipFile(place) as packed:
            if name == "audit.zip":
                self.check_reach(packed)
            with packed.open("events.jsonl") as file:
                for line in file:
                    self.note_event(line)
        say("---")

    def check_reach(self, packed: zipfile.ZipFile) -> None:
        """Results may be missing only where the trail could not show it."""
        whole = parsed(packed.read("manifest.json")).get("complete") or {"from": "9", "before": None}
        last = b""
        with packed.open("seals.jsonl") as file:
            for last in file:  # noqa: B007  # only the last one matters
                pass
        sealed = moment(parsed(parsed(last)["statement"].encode())["sealed_at"])
        starts = whole["from"] is None or moment(whole["from"]) <= self.start
        if not starts or sealed < self.end or (whole["before"] and moment(whole["before"]) < self.end):
            self.wrong("audit.zip does not hold the whole trail of the period: results may have been left out.")

    def note_event(self, line: bytes) -> None:
        if not re.search(rb"compliance\.(ControlResult|MonthlyReport|Attestation|ControlException)", line):
            return
        event = parsed(parsed(line)["canonical"].encode())
        changes = event.get("changes") or {}
        name = f"{event['object_type']} {event['object_id']}"
        if event["object_type"] == "compliance.ControlResult":
            if "digest" in changes and event["action"] == "C":
                at = moment(changes["started_at"][1])
                where = self.on_record if self.start <= at < self.end else self.earlier
                where.add(bytes.fromhex(changes["digest"][1]))
            elif event["id"] == self.manifest["export"]:
                self.rows["export"] = event
        else:
            row = self.rows.setdefault(name, {})
            # The same event may be in both files; later ones win, whichever order they come in.
            for column, (_, after) in changes.items():
                if event["timestamp"] >= row.get(column, ("", None))[0]:
                    row[column] = (event["timestamp"], after)

    def check_export(self) -> None:
        """The digest over all files is on record, and was sealed, when the bundle was made."""
        event = self.rows.get("export")
        detail = event["detail"] if event else {}
        if event is None or detail.get("export") != "bundle" or detail.get("contents") != self.manifest["contents"]:
            self.wrong("The sealed record of this export names another content: files were changed after it was made.")
            return
        last = (self.end - timedelta(microseconds=1)).date().isoformat()
        if detail["from"] != self.start.date().isoformat() or not last <= detail["to"]:
            self.wrong("The sealed record of this export names other days.")
        say(f"Exported     {event['timestamp']} by {event['actor_name'] or 'ClinChat'}, as the trail has it")

    # -- Results ----------------------------------------------------------------------------------------------------

    def check_results(self) -> dict[datetime, dict[str, dict[str, Any]]]:
        """Each result, and what was the newest of each check by each moment a score is given for."""
        moments = self.moments()
        newest: dict[str, dict[str, Any]] = {}
        for row in self.lines("earlier.jsonl"):
            at = self.check_result("earlier.jsonl", row, self.earlier)
            if at >= self.start:
                self.wrong(f"earlier.jsonl: a result of {row['check']} is of the period.")
            newest[row["check"]] = row
        seen: dict[datetime, dict[str, dict[str, Any]]] = {}
        before, number, left = self.start, 0, set(self.on_record)
        for number, row in enumerate(self.lines("results.jsonl"), 1):  # noqa: B007  # the last one is how many
            at = self.check_result("results.jsonl", row, left)
            left.discard(bytes.fromhex(row["digest"]))
            if not before <= at < self.end:
                raise Broken(f"results.jsonl: the result of {row['check']} at {row['started_at']} is out of order.")
            while moments and moments[0] < at:
                seen[moments.pop(0)] = dict(newest)
            before, newest[row["check"]] = at, row
        seen.update(dict.fromkeys(moments, newest))
        if number != self.manifest["results"]:
            self.wrong(f"manifest.json says {self.manifest['results']} results; there are {number}.")
        if left:
            self.wrong(f"Results that are on record in the trail are missing from results.jsonl: {len(left)}.")
        say(f"Results      {number}, each on record in the sealed trail")
        return seen

    def check_result(self, where: str, row: dict[str, Any], on_record: set[bytes]) -> datetime:
        name = f"{where}: the result of {row.get('check')} at {row.get('started_at')}"
        digest = sha256(canonical({column: row[column] for column in COVERED})).hexdigest()
        if digest != row["digest"]:
            self.wrong(f"{name} was changed: its digest does not fit.")
        elif bytes.fromhex(digest) not in on_record:
            self.wrong(f"{name} is not on record in the sealed trail, or is there twice.")
        return moment(row["started_at"])

    def moments(self) -> list[datetime]:
        """The last moments of the months that ended within the period, then its own."""
        found, month = [], datetime(self.start.year, self.start.month, 1, tzinfo=timezone.utc)  # noqa: UP017  # Python 3.9
        while (month := month_after(month)) < self.end:
            found.append(month - timedelta(microseconds=1))
        return [*found, self.end - timedelta(microseconds=1)]

    # -- The score, by rules of its own -----------------------------------------------------------------------------

    def read_catalogues(self) -> None:
        for name in self.zip.namelist():
            if not name.startswith("catalogue/") or not name.endswith(".json"):
                continue
            book = parsed(self.read(name))
            text = self.read(name[:-5] + ".yaml").decode()
            if sha256(text.encode()).hexdigest() != book["sha256"] or name != f"catalogue/{book['sha256']}.json":
                self.wrong(f"{name} is not of the catalogue beside it.")
            words = set(re.findall(r"[\w.-]+", text))
            named = {one["id"] for one in book["controls"]} | {c["key"] for o in book["controls"] for c in o["checks"]}
            if not named <= words:
                self.wrong(f"{name}: these are not in the catalogue beside it: {', '.join(sorted(named - words))}.")
            self.books.append(book)

    def catalogue_at(self, at: datetime, named: str) -> dict[str, Any]:
        """Rows of the catalogue in force, and whatever earlier ones asked for beside it."""
        used = [book for book in self.books if book["first_used_at"] and moment(book["first_used_at"]) <= at]
        used.sort(key=lambda book: moment(book["first_used_at"]))
        force = next((book for book in self.books if book["sha256"] == named), None)
        if force is None:
            raise Broken(f"catalogue/{named}.json is missing.")
        rows = {control["id"]: dict(control) for control in force["controls"]}
        known = {check["key"] for control in force["controls"] for check in control["checks"]} | set(force["retired"])
        for book in used:
            if book is force:
                continue
            for old in book["controls"]:
                gone = [check for check in old["checks"] if check["key"] not in known]
                known.update(check["key"] for check in gone)
                if old["id"] not in rows:
                    rows[old["id"]] = {**old, "checks": gone}
                    continue
                row = rows[old["id"]]
                row["checks"] = [*row["checks"], *gone]
                row["weight"], row["gate"] = max(row["weight"], old["weight"]), row["gate"] or old["gate"]
        return rows

    def check_scores(self, seen: dict[datetime, dict[str, dict[str, Any]]]) -> None:
        given = parsed(self.read("score.json"))["moments"]
        if [moment(one["score"]["at"]) for one in given] != self.moments():
            raise Broken("score.json does not give the scores of the months that ended in the period, and its own.")
        attested, accepted = list(self.lines("attestations.jsonl")), list(self.lines("exceptions.jsonl"))
        digests = {}
        for at, theirs in zip(self.moments(), given):  # noqa: B905  # Python 3.9; as many, by the line above
            mine = self.score(at, seen[at], theirs["score"], attested, accepted)
            digest = sha256(canonical(mine)).hexdigest()
            digests[at] = digest
            if mine != theirs["score"] or digest != theirs["digest"]:
                odd = ", ".join(name for name in mine if mine[name] != theirs["score"].get(name)) or "its digest"
                self.wrong(
                    f"The score of {at.isoformat()} is {mine['score']} by the evidence, but score.json says "
                    f"{theirs['score'].get('score')}. Different: {odd}."
                )
            say(f"Score        {mine['score']} at {at.isoformat()[:19]}, worked out again from the evidence")
        self.check_reports(digests)

    def score(
        self, at: datetime, seen: dict[str, Any], theirs: dict[str, Any], attested: list[Any], accepted: list[Any]
    ) -> dict[str, Any]:
        last: dict[str, Any] = max(seen.values(), key=lambda row: moment(row["started_at"]), default={})
        book = last.get("catalogue") or str(theirs.get("catalogue_sha256"))
        signed = {one["control"]: one["review_by"] for one in attested if holds(one, "attested_at", "review_by", at)}
        kinds = {one["control"]: one["kind"] for one in accepted if holds(one, "approved_at", "expires_at", at)}
        rows = [row_of(one, seen, signed, kinds, at) for one in self.catalogue_at(at, book).values()]
        there, ahead = [r for r in rows if not r["proposed"]], [r for r in rows if r["proposed"]]
        gates = [row["control"] for row in there if row["gate"] and row["state"] not in ("pass", "attested")]
        checks = [check for row in rows for check in row["checks"]]
        known = [check for check in checks if check["state"] in ("pass", "fail")]
        whole = average(there)
        return {
            "at": at.isoformat(),
            "score": min(whole, 69.0) if gates else whole,
            "uncapped": whole,
            "compliant": not gates,
            "failing_gates": gates,
            "readiness": average(ahead),
            "coverage": down(100 * len(known) / len(checks)) if checks else 0.0,
            "oldest_evidence": min((check["at"] for check in known), key=moment, default=None),
            "rows_by_state": {state: sum(row["state"] == state for row in rows) for state in STATES},
            "catalogue_sha256": book,
            "code_version": last.get("code_version", ""),
            "rows": rows,
        }

    # -- What was signed --------------------------------------------------------------------------------------------

    def check_reports(self, digests: dict[datetime, str]) -> None:
        sealed = {row["sha256"][1] for name, row in self.rows.items() if name.startswith("compliance.MonthlyReport ")}
        number = 0
        for name in self.zip.namelist():
            if not name.startswith("reports/"):
                continue
            number, data = number + 1, self.read(name)
            if sha256(data).hexdigest() not in sealed:
                self.wrong(f"{name} is not the report that is on record in the sealed trail.")
                continue
            report = parsed(data)
            facts = [fact for part in report["sections"] for fact in part["facts"] if fact[0] == SCORE_FACT]
            mine = digests.get(moment(report["before"]) - timedelta(microseconds=1))
            if mine and not report["provisional"] and [fact[1] for fact in facts] != [mine]:
                self.wrong(f"{name} gives another score of its month than the evidence.")
        say(f"Reports      {number}, each on record in the sealed trail")

    def check_signed(self, file: str, kind: str, columns: dict[str, str]) -> None:
        """Attestations and exceptions are, column by column, what the sealed trail says they became."""
        number = 0
        for number, row in enumerate(self.lines(file), 1):  # noqa: B007  # as above
            on_record = self.rows.get(f"{kind} {row['id']}", {})
            for name, column in columns.items():
                value = on_record.get(column, ("", None))[1]
                if same(value) != same(row[name]):
                    self.wrong(f"{file}: {name} of {row['id']} is not what is on record in the sealed trail.")
        say(f"{file.partition('.')[0].capitalize():12} {number}, each on record in the sealed trail")

    def lines(self, name: str) -> Iterator[dict[str, Any]]:
        with self.zip.open(name) as file:
            for number, line in enumerate(iter(lambda: file.readline(LONGEST), b""), 1):
                row = parsed(line)
                if canonical(row) + b"\n" != line:
                    raise Broken(f"{name}, line {number}: not in the form that README.txt describes.")
                yield row

    def read(self, name: str) -> bytes:
        with self.zip.open(name) as file:
            return file.read(LONGEST)


ATTESTATION = {
    "control": "control",
    "document_sha256": "artifact_sha256",
    "attested_at": "attested_at",
    "review_by": "review_by",
    "ended_at": "ended_at",
}
EXCEPTION = {name: name for name in ("control", "kind", "status", "approved_at", "expires_at", "ended_at")}


def row_of(
    control: dict[str, Any], seen: dict[str, Any], signed: dict[str, str], kinds: dict[str, str], at: datetime
) -> dict[str, Any]:
    checks = [check_of(check, seen.get(check["key"]), at) for check in control["checks"]]
    mine, states = signed.get(control["id"]), [check["state"] for check in checks]
    return {
        "control": control["id"],
        "state": state_of(control, states, mine is not None, kinds.get(control["id"])),
        "gate": control["gate"],
        "weight": control["weight"],
        "checks": checks,
        "attested": mine,
        "proposed": control["kind"] == "proposed",
    }


def check_of(check: dict[str, Any], last: dict[str, Any] | None, at: datetime) -> dict[str, Any]:
    if last is None or moment(last["started_at"]) > at:
        return {"key": check["key"], "state": "error", "at": None, "digest": ""}
    old = at - moment(last["started_at"]) > 2 * timedelta(minutes=MINUTES[check["every"]])
    state = "stale" if old else last["state"]
    return {"key": check["key"], "state": state, "at": last["started_at"], "digest": last["digest"]}


def state_of(control: dict[str, Any], checks: list[str], signed: bool, kind: str | None) -> str:
    mode = control["mode"]
    if mode == "not_applicable":
        return "not_applicable" if kind == "not_applicable" else "attestation_lapsed"
    state = next((bad for bad in ("fail", "error", "stale") if bad in checks), "pass")
    if not checks and mode != "attestation":
        state = "error"
    if state == "pass" and mode in ("hybrid", "attestation"):
        state = "attestation_lapsed" if not signed else "attested" if mode == "attestation" else "pass"
    accepted = kind == "exception" and not control["gate"] and state not in ("pass", "attested")
    return "exception" if accepted else state


def average(rows: list[dict[str, Any]]) -> float:
    counted = [row for row in rows if row["state"] != "not_applicable"]
    credit = {"pass": 1.0, "attested": 1.0, "exception": 0.5}
    weight = sum(row["weight"] for row in counted)
    return down(100 * sum(row["weight"] * credit.get(row["state"], 0.0) for row in counted) / weight) if weight else 0.0


def down(value: float) -> float:
    return math.floor(value * 10 + 1e-9) / 10


def holds(row: dict[str, Any], since: str, until: str, at: datetime) -> bool:
    if row[since] is None or not moment(row[since]) <= at < moment(row[until]):
        return False
    return row["ended_at"] is None or moment(row["ended_at"]) > at


def moment(text: str) -> datetime:
    """A time with its zone; PostgreSQL leaves out zeros at the end of a second."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?\+00:00", text)
    if found is None:
        raise ValueError
    return datetime.fromisoformat(f"{found[1]}T{found[2]}.{found[3] or '':0<6}+00:00")


def same(value: Any) -> Any:
    """What compares: a time however it is written, an empty text as none."""
    try:
        return moment(value)
    except (TypeError, ValueError):
        return value or None


def month_after(first: datetime) -> datetime:
    return first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)


def as_it_was_made(path: Path) -> bool:
    """The zip ends with the SHA-256 of all before it."""
    size = path.stat().st_size
    with path.open("rb") as data:
        data.seek(max(0, size - 128))
        mark = re.search(MARK, data.read())
        data.seek(0)
        return mark is not None and bool(verify.digest_of(data, size - 64) == mark[1].decode())


def parsed(data: bytes) -> dict[str, Any]:
    value = json.loads(data.decode())
    if not isinstance(value, dict):
        raise ValueError
    return value


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def say(text: str) -> None:
    """Prints one line. Nothing in a bundle can reach the terminal but plain characters."""
    print("".join(letter if " " <= letter <= "~" else "?" for letter in text[:500]))  # noqa: T201


def main() -> int:
    end = "Exit code 0: everything fits. 1: something does not. 2: it could not be checked."
    parser = argparse.ArgumentParser(
        description="Verify a controls bundle of ClinChat: its files, every result of a check against the sealed "
        "audit trail, the monthly reports, and the score, which is worked out again from the evidence.",
        epilog=end,
    )
    parser.add_argument("bundle", type=Path, help="the zip")
    parser.add_argument(
        "--public-keys",
        type=Path,
        required=True,
        metavar="FILE",
        help="public keys of the audit trail, base64, one a line. Get them from the hospital, not with the bundle.",
    )
    options = parser.parse_args()
    try:
        keys = verify.read_keys(options.public_keys.read_bytes())
        bundle = Controls(options.bundle, keys)
    except OSError as error:
        parser.error(f"{error.filename} cannot be read.")
    except zipfile.BadZipFile:
        parser.error(f"{options.bundle} is not a whole zip file. Was it cut off while it was copied?")
    except Exception:  # noqa: BLE001  # zipfile raises more kinds than it documents
        parser.error("That cannot be understood: neither a bundle, nor public keys as base64 of 32 bytes, one a line.")
    try:
        bundle.check()
    except Broken as broken:
        bundle.wrong(broken.args[0])
    except Exception as error:  # noqa: BLE001  # what cannot be read was not verified, whatever the reason
        bundle.wrong(f"The bundle is damaged: a file in it cannot be read ({type(error).__name__}).")
    for problem in bundle.problems[:SHOWN]:
        say(f"WRONG        {problem}")
    if bundle.problems:
        say(f"NOT VERIFIED. Problems: {len(bundle.problems)}. Do not rely on this bundle.")
        return 1
    say("VERIFIED with the keys given.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

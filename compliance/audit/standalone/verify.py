"""Verifies an audit bundle of ClinChat. It needs Python 3.9 or newer and ed25519.py beside it, nothing else.

FORMAT.md says what is checked, exactly enough to write another verifier. One that came with the bundle could lie for
it: where that matters, take this file from ClinChat's source, or write your own.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import sys
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
import ed25519  # type: ignore[import-not-found]  # noqa: E402  # beside this file, wherever it was copied to

NAMES = ["manifest.json", "events.jsonl", "seals.jsonl", "checkpoints.jsonl", "public_keys.txt"]
NAMES += ["FORMAT.md", "verify.py", "ed25519.py", "SHA256SUMS"]
SIGNED = ["key", "signature", "statement", "type"]
TIME = r"[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}(\.[0-9]{1,6})?\+00:00"
LONGEST = 8 * 1024 * 1024  # bytes; no line and no small file is longer
SHOWN = 20  # problems that are printed


class Broken(Exception):
    """What is wrong, where what follows cannot be checked for it."""


class Bundle:
    def __init__(self, path: Path, keys: dict[str, bytes]) -> None:
        self.path, self.zip, self.keys = path, None if path.is_dir() else zipfile.ZipFile(path), keys
        self.statements: dict[int, str] = {}  # number of a seal -> SHA-256 of its statement
        self.absent: list[tuple[int, int, str]] = []  # seals whose events are not here, and what is wrong about that
        self.lost: list[tuple[int, int]] = []  # seals that an event right behind them names as lost
        self.problems: list[str] = []
        self.wrong = self.problems.append

    def check(self) -> None:
        self.check_files()
        with self.open("manifest.json") as file:
            manifest = parsed(file.read(LONGEST))
        if manifest.get("type") != "clinchat.audit.bundle" or manifest.get("form") != 1:
            raise Broken("manifest.json does not describe a bundle of form 1.")
        say(f"Made         {manifest['made_at']} by {manifest['made_by']} with ClinChat {manifest['version']}")
        say(f"Asked for    {manifest['filter']}")
        with self.open("public_keys.txt") as file:
            self.keys = self.keys or read_keys(file.read(LONGEST))
        try:
            self.check_trail(manifest, manifest["complete"])
        finally:
            self.check_absent()
        self.check_checkpoints("the bundle", self.rows("checkpoints.jsonl", SIGNED))

    def check_files(self) -> None:
        there = self.zip.namelist() if self.zip else [name for name in NAMES if (self.path / name).is_file()]
        if sorted(there) != sorted(NAMES):
            odd = ", ".join(sorted(set(there) ^ set(NAMES))) or "one is there twice"
            raise Broken(f"These are not the files of a bundle. Missing or too many: {odd}.")
        if self.zip and not as_it_was_made(self.path):
            self.wrong("The zip file was changed: the checksum at its end does not fit.")
        lines = {name: f"{digest_of(self.open(name))}  {name}\n".encode() for name in NAMES[:-1]}
        with self.open("SHA256SUMS") as file:
            sums = file.read(LONGEST)
        changed = [name for name, line in lines.items() if line not in sums]
        if sums != b"".join(lines.values()):
            self.wrong(f"SHA256SUMS does not fit. Changed: {', '.join(changed) or 'SHA256SUMS itself'}.")

    def check_trail(self, manifest: dict[str, Any], period: dict[str, Any] | None) -> None:
        """Reads seals and events side by side: both are in the order of the trail, so neither has to be kept."""
        events = self.rows("events.jsonl", ["canonical", "path", "position", "seal"])
        event = next(events, None)
        if period and not all(time is None or re.fullmatch(TIME, time) for time in (period["from"], period["before"])):
            raise Broken("manifest.json: the times of the period are not in the form that FORMAT.md describes.")
        start = comparable(period["from"]) if period and period["from"] else ""
        end = comparable(period["before"]) if period and period["before"] else "~"  # which comes after any time
        seal: dict[str, Any] = {}
        total = selected = 0
        for row in self.rows("seals.jsonl", SIGNED):
            before, seal = seal, self.read_statement("seals.jsonl", row)
            self.check_order(before, seal, start if period else None)
            self.statements[seal["number"]] = sha256(row["statement"].encode()).hexdigest()
            # Events are not after the sealing: a seal made before the period, or of an earlier month, has none of it.
            outside = seal["sealed_at"] < start or seal["month"] < start[:7]
            place = seal["first"]
            while event and event["seal"] == seal["number"]:
                self.check_place(place, event["position"], seal, gaps=outside or not period)
                selected += start <= comparable(self.check_event(event, seal)) < end
                place, total, event = event["position"] + 1, total + 1, next(events, None)
            self.check_end(place, seal, gaps=outside or not period)
            if not period and place == seal["first"]:
                self.wrong(f"Seal {seal['number']} is in the bundle, but none of its events.")
        if event or not seal:
            raise Broken("events.jsonl and seals.jsonl do not go together: an event's seal is missing or out of order.")
        here = {"events": total, "selected": selected, "seals": len(self.statements), "log": seal["log"]}
        for name, value in here.items():
            if manifest[name] != value:
                self.wrong(f"manifest.json says {name}: {manifest[name]}; the bundle holds {value}.")
        say(f"Trail        {seal['log']}, seals {min(self.statements)} to {seal['number']} ({len(self.statements)})")
        say(f"Events       {total}, of them {selected} asked for; {manifest['unsealed_left_out']} were not sealed yet")
        reach = f"before {end}" if seal["sealed_at"] >= end else f"until {seal['sealed_at']}"
        whole = f"everything these seals hold from {start or 'the beginning'} {reach}" if period else ""
        say(f"Complete     {whole or 'cannot be told: events were selected, others that fit may have been left out'}")

    def check_absent(self) -> None:
        for first, last, wrong in self.absent:
            if not any(low <= first and last <= high for low, high in self.lost):
                self.wrong(wrong)
        for low, high in self.lost:
            say(f"Lost         {span('seal', low, high + 1)}: gone with a database, says the event of its restore")

    def check_order(self, before: dict[str, Any], seal: dict[str, Any], start: str | None) -> None:
        """`start` is None unless the bundle claims to hold everything from a time on."""
        number, end = seal["number"], before.get("first", 1) + before.get("size", 0)
        if before and (number <= before["number"] or seal["first"] < end or seal["log"] != before["log"]):
            raise Broken(f"seals.jsonl: seal {number} is out of order or of another trail.")
        if number == before.get("number", 0) + 1:
            if seal["previous"] != (self.statements[number - 1] if before else "0" * 64) or seal["first"] != end:
                self.wrong(
                    f"Seal {number} does not follow the seal before it: it is not linked, or a position is skipped."
                )
        elif start is not None and before:
            missing = before["number"] + 1
            self.absent.append((missing, number - 1, f"Missing: {span('seal', missing, number)}."))
        elif start is not None and not seal["sealed_at"] < start:
            self.wrong(f"Events of the period can be in seals before number {number}, which are not here.")

    def check_place(self, expected: int, found: Any, seal: dict[str, Any], *, gaps: bool) -> None:
        if type(found) is not int or not expected <= found <= seal["first"] + seal["size"]:
            raise Broken(f"events.jsonl: position {found} is out of order, or not one of seal {seal['number']}.")
        if expected < found and not gaps:
            which = f"{span('position', expected, found)} (seal {seal['number']})"
            self.wrong(f"Missing: {which}, removed after sealing.")

    def check_end(self, place: int, seal: dict[str, Any], *, gaps: bool) -> None:
        end = seal["first"] + seal["size"]
        if place > seal["first"] or gaps:
            self.check_place(place, end, seal, gaps=gaps)
        else:
            which = f"{span('position', place, end)} (seal {seal['number']})"
            self.absent.append((seal["number"], seal["number"], f"Missing: {which}, removed after sealing."))

    def check_event(self, event: dict[str, Any], seal: dict[str, Any]) -> str:
        """Returns the event's time as it is written in it."""
        canonical = str(event["canonical"]).encode("utf-8", "replace")
        content = parsed(canonical)
        time = str(content.get("timestamp"))
        name = f"Position {event['position']} (seal {seal['number']}), event {content.get('id')} of {time}"
        leaf = sha256(b"\x00" + canonical).digest()
        root = root_over(leaf, event["position"] - seal["first"], seal["size"], event["path"])
        if root != seal["root"]:
            how = "the event or its proof was changed" if root else "its proof has a wrong length"
            self.wrong(f"{name}: does not lead to the signed root; {how}.")
        elif time[:7] != seal["month"] or not time.endswith("+00:00"):
            self.wrong(f"{name}: is not of {seal['month']}, the month of its seal.")
        elif content.get("code") == "sys_restore":
            detail = content.get("detail")
            lost = detail.get("lost_seals") if isinstance(detail, dict) else None
            low, high = (lost.get("first"), lost.get("last")) if isinstance(lost, dict) else (None, None)
            if type(low) is int and type(high) is int and high < seal["number"] <= high + 3:
                self.lost.append((low, high))
        return time

    def read_statement(self, where: str, row: dict[str, Any]) -> dict[str, Any]:
        """What a seal states, as signed; checks form and signature."""
        data = str(row.get("statement")).encode("utf-8", "replace")
        seal = parsed(data)
        numbers = [seal.get(name) for name in ("first", "form", "number", "size")]
        if seal.get("type") != "clinchat.audit.seal" or seal["form"] != 1 or dumped(seal) != data:
            raise Broken(f"{where}: a statement is not that of a seal of form 1.")
        if any(type(number) is not int or number < 1 for number in numbers):
            raise Broken(f"{where}: a statement has a number that cannot be.")
        key, name = str(row.get("key")), f"{where}: seal {seal['number']}"
        if key not in self.keys:
            self.wrong(f"{name} is signed with the key {key}; the known keys are {', '.join(self.keys)}.")
        elif not ed25519.valid(self.keys[key], data, unhexed(row.get("signature"))):
            self.wrong(f"{name}: the signature is wrong; it or the statement was changed.")
        return seal

    def check_checkpoints(self, where: str, rows: Iterator[dict[str, Any]]) -> None:
        agree = others = 0
        for row in rows:
            number = self.read_statement(f"checkpoints of {where}", row)["number"]
            known = self.statements.get(number, "")
            same = known == sha256(row["statement"].encode()).hexdigest()
            agree, others = agree + same, others + (not known)
            if known and not same:
                self.wrong(f"Seal {number} in the bundle is not the one of the checkpoints of {where}: rewritten.")
        say(f"Checkpoints  {agree} of {where} agree with seals in the bundle, {others} are of other seals")

    def rows(self, name: str, keys: list[str]) -> Iterator[dict[str, Any]]:
        with self.open(name) as file:
            for number, line in enumerate(iter(lambda: file.readline(LONGEST), b""), 1):
                row = parsed(line)
                if list(row) != keys or dumped(row) + b"\n" != line:
                    raise Broken(f"{name}, line {number}: not in the form that FORMAT.md describes.")
                yield row

    def open(self, name: str) -> Any:
        return self.zip.open(name) if self.zip else (self.path / name).open("rb")


def root_over(leaf: bytes, index: int, size: int, path: Any) -> str | None:
    """The root a leaf and its audit path lead to (RFC 6962, section 2.1); None where the path's length is wrong."""
    steps, last = [unhexed(step) for step in path] if isinstance(path, list) else [], size - 1
    while last:
        if index % 2 or index < last:
            if not steps:
                return None
            step = steps.pop(0)
            leaf = sha256(b"\x01" + (step + leaf if index % 2 else leaf + step)).digest()
        index, last = index // 2, last // 2
    return None if steps else leaf.hex()


def span(what: str, first: int, after: int) -> str:
    return f"{what} {first}" if first + 1 == after else f"{what}s {first} to {after - 1}"


def as_it_was_made(path: Path) -> bool:
    """A bundle's zip ends with the SHA-256 of all before it; one that somebody packed again has no such end."""
    data, size = path.open("rb"), path.stat().st_size
    data.seek(max(0, size - 128))
    end = data.read()
    mark = re.search(rb"clinchat-audit-bundle sha256:([0-9a-f]{64})\Z", end)
    data.seek(0)
    return digest_of(data, size - 64) == mark[1].decode() if mark else end[-22:-18] == b"PK\x05\x06"


def digest_of(file: Any, left: int = sys.maxsize) -> str:
    digest = sha256()
    with file:
        while part := file.read(min(left, 1 << 20)):
            digest.update(part)
            left -= len(part)
    return digest.hexdigest()


def read_keys(data: bytes) -> dict[str, bytes]:
    lines = [line.strip() for line in data.decode("ascii", "replace").splitlines()]
    keys = [base64.b64decode(line, validate=True) for line in lines if line and not line.startswith("#")]
    if not keys or any(len(key) != 32 for key in keys):
        raise ValueError
    return {sha256(key).hexdigest()[:16]: key for key in keys}


def unhexed(text: Any) -> bytes:
    """The bytes that lower-case hexadecimal digits stand for; none for anything else."""
    try:
        data = bytes.fromhex(text)
    except (TypeError, ValueError):
        return b""
    return data if data.hex() == text else b""


def comparable(time: str) -> str:
    """A time as text that sorts as times do: with all six decimals, of which zeros at the end may be left out."""
    seconds, _, decimals = time.partition("+")[0].partition(".")
    return f"{seconds}.{decimals:0<6}+00:00"


def parsed(data: bytes) -> dict[str, Any]:
    """The JSON object in `data`; an empty one where there is none."""
    try:
        value = json.loads(data.decode())
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def dumped(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def say(text: str) -> None:
    """Prints one line. Nothing in a bundle can reach the terminal but plain characters."""
    print("".join(letter if " " <= letter <= "~" else "?" for letter in text[:500]))  # noqa: T201


def main() -> int:
    end = "Exit code 0: everything fits. 1: something does not. 2: it could not be checked."
    parser = argparse.ArgumentParser(description="Verify an audit bundle of ClinChat.", epilog=end)
    here = Path(__file__).resolve().parent
    parser.add_argument("bundle", nargs="?", type=Path, default=here, help="the zip, or the folder it was unpacked to")
    parser.add_argument("--key", type=Path, help="a file of public keys that did not come with the bundle")
    parser.add_argument("--checkpoints", type=Path, help="a file of checkpoints that was kept outside of ClinChat")
    options = parser.parse_args()
    try:
        keys = read_keys(options.key.read_bytes()) if options.key else {}
        kept = options.checkpoints.read_bytes().splitlines() if options.checkpoints else []
        bundle = Bundle(options.bundle, keys)
    except OSError as error:
        parser.error(f"{error.filename} cannot be read.")
    except zipfile.BadZipFile:
        parser.error(f"{options.bundle} is not a whole zip file. Was it cut off while it was copied?")
    except Exception:  # noqa: BLE001  # zipfile raises more kinds than it documents
        parser.error("That cannot be understood: neither a bundle, nor public keys as base64 of 32 bytes, one a line.")
    try:
        bundle.check()
        if options.checkpoints:
            rows = (row for row in map(parsed, kept) if row.get("type") == "clinchat.audit.checkpoint")
            bundle.check_checkpoints(str(options.checkpoints), rows)
    except Broken as broken:
        bundle.wrong(broken.args[0])
    except Exception as error:  # noqa: BLE001  # what cannot be read was not verified, whatever the reason
        bundle.wrong(f"The bundle is damaged: a file in it cannot be read ({type(error).__name__}).")
    for problem in bundle.problems[:SHOWN]:
        say(f"WRONG        {problem}")
    if bundle.problems:
        say(f"NOT VERIFIED. Problems: {len(bundle.problems)}. Do not rely on this bundle.")
        return 1
    say("VERIFIED with the key given." if keys else "VERIFIED, but with the key inside the bundle, which proves only")
    if not keys:
        say("that it agrees with itself. Get the key from the hospital by another way and repeat with --key FILE.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Somebody who does not exist, in the forms clinicians write; and the search for every trace of them."""

from __future__ import annotations

import base64
import json
import random
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from compliance import phi

_BEGINS = ("Quen", "Zyl", "Thrax", "Wexl", "Ombr", "Yelv", "Kwint", "Vrost")
_MIDDLES = ("ab", "ith", "ol", "um", "ev", "orv", "and", "isk")
_ENDS = ("broth", "quist", "wyck", "thorne", "vander", "mund", "zell", "hurst")


@dataclass(frozen=True)
class Identity:
    """`values` are what identifies; `texts` are questions that hold them, each of which the masker masks whole."""

    surname: str
    values: dict[str, str]
    texts: tuple[str, ...]


def invented() -> Identity:
    """Another person each time, so that nothing an earlier run left can be found."""
    for _ in range(30):
        found = _person(random.SystemRandom())
        if len(found.texts) >= 6:
            return found
    raise AssertionError("the masker does not find invented people")


def _person(make: random.Random) -> Identity:
    def word() -> str:
        return make.choice(_BEGINS) + make.choice(_MIDDLES) + make.choice(_ENDS)

    given, surname, street = word(), word(), word()
    values = {
        "given": given,
        "surname": surname,
        "other": f"{make.choice(_BEGINS)}ö{make.choice(_ENDS)}",
        "street": street,
        "mrn": str(make.randint(20_000_000, 89_999_999)),
        "ssn": f"{make.randint(101, 665)}-{make.randint(11, 99)}-{make.randint(1001, 9998)}",
        "phone": f"212-555-0{make.randint(101, 199)}",
        "email": f"{given}.{surname}@old-mail.example".lower(),
        "door": str(make.randint(1001, 9998)),
        "born": f"{make.randint(1, 9):02}/{make.randint(11, 28)}/{make.randint(1931, 1975)}",
    }
    forms = (
        "Mrs. {given} {surname}, DOB {born}, MRN {mrn}, SSN {ssn}, lives at {door} {street} Street. Phone: {phone}. "
        "E-mail: {email}. Her husband Mr. {other} asks. Can she take ibuprofen with warfarin?",
        "Patient name: {surname}, {given}. SSN {ssn}. When is metformin held for iodinated contrast?",
        "PATIENT: {SURNAME}, {GIVEN} MRN {mrn}. Reverse warfarin?",
        "pt name: {low_given} {low_surname}, mrn {mrn}, call {phone}. Is warfarin safe with metformin?",
        "PID|1||{mrn}^^^HOSP^MR||{SURNAME}^{GIVEN}||19450307|F. Can trimethoprim be given with warfarin?",
        "Mail {email} or call {phone} about Mr. {other}: what INR is wanted?",
        "Dr. {surname} asks whether warfarin needs to be held. MRN {mrn}",
        "Mrs. {surname} on warfarin",
        "MRN {mrn}",
    )
    named = values | {
        "SURNAME": surname.upper(),
        "GIVEN": given.upper(),
        "low_surname": surname.lower(),
        "low_given": given.lower(),
    }
    texts = (form.format(**named) for form in forms)
    person = Identity(surname, {k: v for k, v in values.items() if k != "door"}, ())
    return Identity(surname, person.values, tuple(text for text in texts if not _left(text, person.values)))


def _left(text: str, values: dict[str, str]) -> bool:
    masked = phi.mask(text).text.casefold()
    return any(value.casefold() in masked for value in values.values())


# ── Searching bytes ────────────────────────────────────────────────────────────────────────────────────────────


def written(value: str) -> set[bytes]:
    """A value as it may be written, whatever the case: UTF-8, UTF-16, an address, JSON, hexadecimal."""
    found: set[bytes] = set()
    for case in (value, value.lower(), value.upper()):
        plain = case.encode()
        found |= {plain, case.encode("utf-16-le"), case.encode("latin-1"), plain.hex().encode()}
        found |= {quote(case).encode(), json.dumps(case)[1:-1].encode()}
    return found


def in_base64(value: str) -> set[bytes]:
    """The characters that stand for the value, wherever in a group of three bytes it begins."""
    found = set()
    for case in {value, value.lower(), value.upper()}:
        plain = case.encode()
        for shift in range(3):
            coded = base64.b64encode(b"\0" * shift + plain)
            found.add(coded[-(-8 * shift // 6) : (len(plain) + shift) // 3 * 4])
    return found


def traces(values: dict[str, str], *places: Path) -> set[str]:
    """Every place of a value in these files and folders: "path: the bytes".

    By grep, which reads a hundred megabytes for all values at once in a fraction of a second.
    """
    bare = {value.replace("-", "") for name, value in values.items() if name in {"ssn", "phone"}}
    every = {*values.values(), *bare}
    found: set[str] = set()
    for patterns, options in (
        (set().union(*map(written, every)), "-raoHiF"),
        (set().union(*map(in_base64, every)), "-raoHF"),
    ):
        done = subprocess.run(
            ["grep", options, "-f", "-", "--", *places],
            input=b"\n".join(sorted(patterns)),
            capture_output=True,
            check=False,
            env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
        )
        assert done.returncode < 2 or b"No such file" in done.stderr, done.stderr  # a server removes files meanwhile
        found |= {line.decode(errors="backslashreplace") for line in done.stdout.splitlines()}
    return found

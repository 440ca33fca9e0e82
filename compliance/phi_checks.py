"""Whether masking does what it promises, on the running system: checks that look, and that can fail.

Each looks at what is stored, loaded or written now, never at a setting that says so. What could not be looked at is an
error, not a pass. Nothing of a text is ever part of a result: counts, classes and names only.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from django.conf import settings
from django.db import connection, transaction
from psycopg import sql

from clinchat.lib.sealed import VERSION
from compliance import data_keys, mask_terms, masked_texts, metrics, phi
from compliance import database_log as database_logs
from compliance.logs.faults import kind
from compliance.logs.lines import JsonLines
from compliance.models import VaultEntry
from compliance.phi import lexicon


class State(StrEnum):
    PASS = "pass"  # noqa: S105  # of a check
    FAIL = "fail"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Result:
    """What one check saw, and what it should have seen."""

    key: str
    state: State
    observed: str
    expected: str
    ms: float


@dataclass(frozen=True, slots=True)
class Seen:
    ok: bool
    observed: str


SHOWN: Final = 5
CANARY: Final = {
    phi.Label.NAME: "Ottoline Quenby",
    phi.Label.LOCATION: "1420 Alder Street",
    phi.Label.FACILITY: "Mercy General Hospital",
    phi.Label.ROOM: "412B",
    phi.Label.DATE: "03/14/1951",
    phi.Label.AGE_OVER_89: "93",
    phi.Label.PHONE: "212-555-0187",
    phi.Label.FAX: "312-555-0164",
    phi.Label.EMAIL: "ottoline.quenby@example.org",
    phi.Label.SSN: "078-05-1120",
    phi.Label.MRN: "48213907",
    phi.Label.HEALTH_PLAN: "XEH882145097",
    phi.Label.ACCOUNT: "88213407",
    phi.Label.LICENSE: "BR7834120",
    phi.Label.VEHICLE: "1HGCM82633A004352",
    phi.Label.DEVICE: "PJN614420S",
    phi.Label.URL: "https://portal.example.org/p/8812",
    phi.Label.IP: "203.0.113.42",
    phi.Label.BIOMETRIC: "FP-88213-A",
    phi.Label.PHOTO: "wound_quenby.jpg",
    phi.Label.OTHER_ID: "S24-118823",
}
"""Somebody who does not exist, with an identifier of every class."""
_QUESTION = (
    "Mrs. {NAME}, aged {AGE_OVER_89}, DOB {DATE}, MRN {MRN}, SSN {SSN}, lives at {LOCATION}. Transferred from "
    "{FACILITY}, room {ROOM}. Phone: {PHONE}. Fax: {FAX}. E-mail: {EMAIL}. Member ID {HEALTH_PLAN}. Account number "
    "{ACCOUNT}. DEA number {LICENSE}. VIN {VEHICLE}. Pacemaker serial number {DEVICE}. Chart at {URL} from {IP}. "
    "Fingerprint ID {BIOMETRIC}. See photo {PHOTO}. Accession number {OTHER_ID}. Can she take ibuprofen with warfarin?"
)
_SHORT = frozenset({phi.Label.AGE_OVER_89, phi.Label.ROOM})
"""Too short to be looked for by themselves: 93 is part of many numbers."""


def canary_question() -> str:
    """A question about them that names all of it."""
    return _QUESTION.format(**CANARY)


def _some(word: str, names: Sequence[str]) -> str:
    """The first names of a list that may be long, after a word; nothing for none."""
    more = [f"{len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return f"{word} {', '.join([*names[:SHOWN], *more])}" if names else ""


def self_test(sample: int) -> Seen:
    found = phi.self_test()
    return Seen(
        found.ok,
        f"{found.cases - len(found.failed)} of {found.cases} texts in {found.ms:.0f} ms{_some(', not', found.failed)}",
    )


def lexicons(sample: int) -> Seen:
    released = [line.split() for line in lexicon.MANIFEST.read_text(encoding="ascii").splitlines()]
    there = phi.lexicon_hashes()
    wrong = [name for digest, name in released if there.get(f"{lexicon.BUILT.name}/{name}") != digest]
    observed = f"{len(released) - len(wrong)} of {len(released)} files{_some(', not', wrong)}"
    return Seen(bool(released) and not wrong, observed)


def model(sample: int) -> Seen:
    words = {True: "on", False: "off"}
    wanted, active = settings.PHI_NER, phi.ner_active()
    return Seen(wanted == active, f"{words[active]}, configured {words[wanted]}")


def local_terms(sample: int) -> Seen:
    terms = mask_terms.current()
    return Seen(True, f"{len(terms.mask)} always masked, {len(terms.keep)} never")


def canary(sample: int) -> Seen:
    """A question of CANARY is asked as anybody asks one, its rows are read, and all of it is undone."""
    rows: list[str] = []
    for take in masked_texts.trials().values():
        with metrics.unused(), transaction.atomic():
            rows += _written_by(take)
            transaction.set_rollback(True)
    clear = {label for row in rows for label in clear_in(row)}
    observed = f"{len(clear)} of {len(CANARY)} classes in clear in {len(rows)} rows{_some(':', sorted(clear))}"
    return Seen(bool(rows) and not clear, observed)


def _written_by(take: Callable[[str], None]) -> list[str]:
    """Every row that taking the question wrote, of whatever table, as text."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::xid::text")
        began = cursor.fetchall()[0]
        take(canary_question())
        cursor.execute("SELECT schemaname, relname FROM pg_stat_xact_user_tables WHERE n_tup_ins + n_tup_upd > 0")
        rows = []
        for table in cursor.fetchall():
            query = sql.SQL("SELECT t::text FROM {} t WHERE age(t.xmin) <= age(%s::xid)")
            cursor.execute(query.format(sql.Identifier(*table)), began)
            rows += [row for (row,) in cursor.fetchall()]
    return rows


def clear_in(text: str) -> list[str]:
    """Classes whose value stands in a text, as it is or as the bytes of a column that should hold it sealed."""
    low = text.lower()
    looked_for = [(str(label), value) for label, value in CANARY.items() if label not in _SHORT]
    return [label for label, value in looked_for if value.lower() in low or value.encode().hex() in low]


def stored(sample: int) -> Seen:
    columns = masked_texts.columns()
    found: Counter[str] = Counter()
    texts = 0
    for column in columns:
        for text in column.newest(sample):
            texts += 1
            found.update(f"{column.name} {label}" for label in _left(text))
    left = [f"{name} {number}" for name, number in found.most_common()]
    return Seen(bool(columns) and not found, f"{found.total()} identifiers in {texts} texts{_some(':', left)}")


def _left(text: str) -> Iterator[phi.Label]:
    """Classes of what would be masked in a text that was masked before, but for its tokens."""
    for span in phi.find(text):
        if phi.without_tokens(text[span.start : span.end]).strip():
            yield span.label


def vault_sealed(sample: int) -> Seen:
    entries = list(VaultEntry.objects.order_by("-pk")[:sample])
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, sealed FROM compliance_vaultentry WHERE id = ANY(%s)", [[one.pk for one in entries]])
        raw = {pk: bytes(blob) for pk, blob in cursor.fetchall()}
    clear = sum(not raw[one.pk].startswith(VERSION) for one in entries)
    with data_keys.at_hand():
        closed = sum(not _opens(one, raw[one.pk]) for one in entries)
    return Seen(not clear and not closed, f"{len(entries)} values, {clear} not sealed, {closed} do not open")


def _opens(entry: VaultEntry, raw: bytes) -> bool:
    try:
        return not entry.value or entry.value.encode() not in raw
    except Exception:  # noqa: BLE001  # a key that is gone, a value that was moved: it does not open
        return False


def log_lines(sample: int) -> Seen:
    """Every handler of every logger, and one line that speaks of somebody."""
    loggers = [logging.getLogger(), *map(logging.getLogger, list(logging.root.manager.loggerDict))]
    handlers = {handler for logger in loggers for handler in logger.handlers}
    handlers = {one for one in handlers if not isinstance(one, logging.NullHandler)}
    bare = [type(one).__name__ for one in handlers if not isinstance(one.formatter, JsonLines)]
    said = JsonLines().format(
        logging.LogRecord("check", logging.ERROR, __file__, 0, "Said of %s", (canary_question(),), None)
    )
    clear = clear_in(said)
    observed = f"{len(handlers)} handlers, {len(bare)} without it, {len(clear)} of {len(CANARY)} classes in a line"
    return Seen(bool(logging.getLogger().handlers) and not bare and not clear, observed)


def database_log(sample: int) -> Seen:
    wrong = database_logs.violations()
    named = f": {', '.join(wrong)}" if wrong else ""
    return Seen(not wrong, f"{len(wrong)} of {len(database_logs.REQUIRED_SETTINGS)} settings otherwise{named}")


def failures(sample: int) -> Seen:
    number = metrics.last_day()[metrics.FAILURES][""]
    return Seen(not number, f"{number} in the last day")


CHECKS: Final[dict[str, tuple[str, Callable[[int], Seen]]]] = {
    "phi.self_test": ("every text is masked as it must be, and comes back as it was", self_test),
    "phi.lexicons": ("every word list is the one of this version", lexicons),
    "phi.model": ("the named-entity model is as configured", model),
    "phi.local_terms": ("the hospital's own terms can be read", local_terms),
    "phi.canary": ("an invented patient's question leaves no identifier in any row", canary),
    "phi.stored": ("nothing is left in the texts stored last", stored),
    "phi.vault": ("values behind tokens are sealed, and open", vault_sealed),
    "phi.logs": ("every handler masks, and a line about somebody names nobody", log_lines),
    "phi.database_log": ("the database logs nothing of a statement", database_log),
    "phi.failures": ("no text was refused because masking failed", failures),
}
"""What is expected, and what looks. Each takes how many stored texts or values it looks at, the newest first."""


def run(sample: int) -> list[Result]:
    """Every check once, in order. None of them raises."""
    return [_run(key, expected, look, sample) for key, (expected, look) in CHECKS.items()]


def _run(key: str, expected: str, look: Callable[[int], Seen], sample: int) -> Result:
    started = time.perf_counter()
    try:
        seen = look(sample)
        state, observed = State.PASS if seen.ok else State.FAIL, seen.observed
    except Exception as error:  # noqa: BLE001  # whatever kept it from looking is not a pass; its words stay unsaid
        state, observed = State.ERROR, f"could not look: {kind(error)}"
    return Result(key, state, observed, expected, round((time.perf_counter() - started) * 1000, 1))

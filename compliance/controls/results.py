"""Results of checks as they are kept: each with a digest over all of it, under the catalogue it was asked for by."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from clinchat import __version__
from compliance.controls import catalogue
from compliance.controls.registry import JSON, Found
from compliance.controls.scoring import Seen
from compliance.models import CatalogueVersion, ControlResult

State = ControlResult.State
MOST_FAILING: Final = 50
"""Names that are kept; the rest is only counted."""
MOST_EVIDENCE: Final = 16_000
"""Characters of evidence, as JSON."""
MOST_SUBJECTS: Final = 2**31 - 1
"""That PostgreSQL counts to."""
LARGEST_FLOAT: Final = 1e15
_LETTERS: Final = r"\w.,:;/@%+*=#<>()\[\]{}|'~&?! -"
WORD: Final = re.compile(f"[{_LETTERS}]{{0,200}}", re.ASCII)
"""What a name or word of evidence may look like: no line breaks, nothing beyond ASCII, and short."""


_STRANGE: Final = re.compile(f"[^{_LETTERS}]", re.ASCII)


def word(name: str) -> str:
    """The name as a result takes it: a question mark for each letter that it does not, and cut to its length."""
    return _STRANGE.sub("?", name)[:200]


class Nonsense(Exception):
    """What a check returned is not what a check returns."""


def checked(found: object, *, zero_ok: bool) -> tuple[ControlResult.State, Found, str]:
    """The state of what a check returned, and why it is an error, if it is. Raises Nonsense."""
    if not isinstance(found, Found):
        raise Nonsense
    what: dict[str, Any] = {name: getattr(found, name) for name in ("ok", "observed", "subjects", "failing")}
    if type(what["ok"]) is not bool or type(what["subjects"]) is not int or not isinstance(what["observed"], str):
        raise Nonsense
    if not what["observed"].isprintable() or what["subjects"] > MOST_SUBJECTS:
        raise Nonsense
    if not isinstance(what["failing"], (list, tuple)) or not 0 <= len(what["failing"]) <= what["subjects"]:
        raise Nonsense
    if not all(isinstance(one, str) and WORD.fullmatch(one) for one in what["failing"]):
        raise Nonsense
    evidence = _plain(found.evidence)
    if not isinstance(evidence, dict) or len(canonical(evidence)) > MOST_EVIDENCE or (found.ok and found.failing):
        raise Nonsense
    found = replace(found, failing=tuple(map(str, what["failing"])), evidence=evidence)
    if not found.subjects and not zero_ok:
        return State.ERROR, found, "there was nothing to look at"
    return (State.PASS if found.ok else State.FAIL), found, ""


def _plain(value: Any) -> Any:
    """A copy in types of JSON, which reads the same after PostgreSQL has kept it: its numbers have no exponent."""
    match value:
        case None | bool() | int():
            return value
        case float() if abs(value) < LARGEST_FLOAT:
            return value + 0.0  # of -0.0 PostgreSQL keeps 0.0
        case str() if WORD.fullmatch(value):
            return str(value)
        case Mapping() if all(isinstance(key, str) for key in value):
            return {_plain(key): _plain(one) for key, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
        case _:
            raise Nonsense


def canonical(value: object) -> bytes:
    """JSON with sorted keys and no spaces, in UTF-8: one value has one form."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(result: ControlResult | Mapping[str, Any]) -> str:
    """SHA-256 over the canonical form of every column but id and digest; times in ISO 8601, UTC."""
    value = result if isinstance(result, Mapping) else as_dict(result)
    return hashlib.sha256(canonical({name: value[name] for name in COVERED})).hexdigest()


COVERED: Final = (
    *("check", "state", "observed", "expected", "subjects", "failing", "failing_count", "evidence", "catalogue"),
    *("code_version", "started_at", "duration_ms"),
)


def as_dict(result: ControlResult) -> dict[str, Any]:
    """A result as it is exported; `digest` can be worked out from the others."""
    return {
        "check": result.check_key,
        "state": str(result.state),
        "observed": result.observed,
        "expected": result.expected,
        "subjects": result.subjects,
        "failing": result.failing,
        "failing_count": result.failing_count,
        "evidence": result.evidence,
        "catalogue": result.catalogue,
        "code_version": result.code_version,
        "started_at": result.started_at.isoformat(),
        "duration_ms": result.duration_ms,
        "digest": result.digest,
    }


def keep(
    *,
    key: str,
    state: ControlResult.State,
    observed: str,
    subjects: int = 0,
    failing: Iterable[str] = (),
    evidence: Mapping[str, JSON] | None = None,
    started_at: datetime,
    duration_ms: int,
) -> ControlResult:
    """Store one result; its trigger puts it on record in the audit trail in the same transaction."""
    known = catalogue.current()
    CatalogueVersion.objects.get_or_create(sha256=known.sha256, defaults={"text": known.text})
    names = list(failing)
    result = ControlResult(
        check_key=key,
        state=state,
        observed="".join(one if one.isprintable() else " " for one in observed[:300]),
        expected=known.checks[key].asserts,
        subjects=subjects,
        failing=names[:MOST_FAILING],
        failing_count=len(names),
        evidence=json.loads(canonical(evidence or {})),
        catalogue=known.sha256,
        code_version=__version__,
        started_at=started_at,
        duration_ms=duration_ms,
    )
    result.digest = digest(result)
    result.save(force_insert=True)
    return result


_NEWEST: Final = """
SELECT moment, key, found.state, found.started_at, found.digest
FROM unnest(%s::timestamptz[]) AS moment CROSS JOIN unnest(%s::text[]) AS key
CROSS JOIN LATERAL (
    SELECT state, started_at, digest FROM compliance_controlresult
    WHERE check_key = key AND started_at <= moment ORDER BY started_at DESC LIMIT 1) AS found
"""


def newest(keys: Iterable[str], moments: Iterable[datetime]) -> dict[datetime, dict[str, Seen]]:
    """The newest result of each check by each moment, in one query."""
    from django.db import connection

    wanted = list(moments)
    found: dict[datetime, dict[str, Seen]] = {moment: {} for moment in wanted}
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST, [wanted, sorted(keys)])
        for moment, key, state, started_at, result_digest in cursor.fetchall():
            found[moment][key] = Seen(state, started_at, result_digest)
    return found

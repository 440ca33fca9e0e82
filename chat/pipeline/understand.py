"""What a question means, without a model: misspelled words repaired from the library's own, short forms spelled out,
and the names the library uses for what the question calls otherwise.

Only what the library does not know is exchanged, and everything that was searched besides the question's own words is
shown to its reader. What they may not read is not given away: titles and texts are looked up with their permission.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Max, Sum

from chat.language import intents, names, spelling
from chat.models import Collection, Release, Word
from chat.pipeline.types import Question, Reading, Understanding

READINGS = 4
"""The question itself and at most three others."""
COMMON = 30
"""A single word that stands in more passages than this needs no other name."""
BETTER_KNOWN = 3
"""How many times as often the library must use another name for a single word that it uses too."""
COMMON_SHORT_FORM = 200
LONG_FORMS = 60
"""Passages read for what a short form stands for."""
ALTERNATIVES = 3
CANDIDATES = 5
"""Words a misspelled one may be repaired with that are looked at, where the reader may not read the likelier ones."""
_WORD = re.compile(r"[A-Za-z0-9µ]+(?:['\u2019][A-Za-z]+)?")
_SHORT_FORM = re.compile(r"[A-Za-z][A-Za-z0-9]{1,7}")
_UNITS = {
    "mcg": "micrograms",
    "ug": "micrograms",
    "µg": "micrograms",
    "microgram": "mcg",
    "micrograms": "mcg",
    "milligram": "mg",
    "milligrams": "mg",
    "ml": "milliliters",
    "milliliter": "ml",
    "milliliters": "ml",
    "iu": "international units",
}

# A restricted document neither names nor explains anything to people it does not let in.
_READABLE = """
d.collection_id = ANY(%(collections)s) AND v.status = 'published' AND (%(everything)s OR (
    (d.readers = '{}' OR d.readers && %(roles)s::varchar[])
    AND (d.departments = '{}' OR %(department)s = ANY(d.departments))))
"""
# A word that stands in barred passages alone is no word of the reader's library; that takes looking up for rare ones.
KNOWN = f"""
WITH barred AS MATERIALIZED (
    SELECT c.id FROM chat_document d
    JOIN chat_documentversion v ON v.document_id = d.id
    JOIN chat_chunk c ON c.version_id = v.id
    WHERE (d.readers <> '{{}}' OR d.departments <> '{{}}') AND v.status = 'published'
      AND d.collection_id = ANY(%(collections)s) AND NOT ({_READABLE})
)
SELECT word, max(coalesce(t.chunks, 0) - CASE WHEN t.chunks <= (SELECT count(*) FROM barred) THEN (
    SELECT count(*) FROM chat_posting p WHERE p.term_id = t.id AND p.live AND p.chunk_id IN (SELECT id FROM barred)
) ELSE 0 END), bool_and(l.lexeme IS NULL)
FROM unnest(%(words)s::text[]) word
LEFT JOIN LATERAL unnest(to_tsvector('english', word)) l ON true
LEFT JOIN chat_term t ON t.lexeme = l.lexeme AND t.collection_id = ANY(%(collections)s)
GROUP BY word
"""  # noqa: S608  # constants of this module
# As the index of migration 0005 has them: without order and form of the words.
_TITLE = "strip(to_tsvector('english', translate(v.title, '-/''\u2019', '    ')))"
_INITIALS = (
    "upper(left(regexp_replace(regexp_replace(v.title, '\\m(of|the|and|in|with|to)\\M', '', 'gi'), "
    "'(\\w)\\w*\\W*', '\\1', 'g'), 12))"
)
TITLED = f"""
WITH wanted AS MATERIALIZED (
    SELECT name, strip(to_tsvector('english', name)) AS words FROM unnest(%(names)s::text[]) name
)
SELECT DISTINCT w.name FROM chat_documentversion v
JOIN chat_document d ON d.id = v.document_id
JOIN wanted w ON w.words = {_TITLE}
WHERE {_TITLE} = ANY(ARRAY(SELECT words FROM wanted WHERE words <> '')) AND {_READABLE}
"""  # noqa: S608  # constants of this module
INITIALED = f"""
SELECT DISTINCT {_INITIALS}, v.title FROM chat_documentversion v
JOIN chat_document d ON d.id = v.document_id
WHERE {_INITIALS} = ANY(%(shorts)s) AND {_READABLE} ORDER BY 1, 2
"""  # noqa: S608  # constants of this module
EXPLAINED = f"""
SELECT short, before FROM unnest(%(shorts)s::text[]) short
CROSS JOIN LATERAL (
    SELECT right(split_part(c.text, '(' || short || ')', 1), 120) AS before
    FROM unnest(to_tsvector('english', short)) l
    JOIN chat_term t ON t.lexeme = l.lexeme AND t.chunks <= {COMMON_SHORT_FORM}
    AND t.collection_id = ANY(%(collections)s)
    JOIN chat_posting p ON p.term_id = t.id AND p.live
    JOIN chat_chunk c ON c.id = p.chunk_id AND strpos(c.text, '(' || short || ')') > 1
    JOIN chat_documentversion v ON v.id = c.version_id
    JOIN chat_document d ON d.id = v.document_id
    WHERE {_READABLE} ORDER BY c.id LIMIT {LONG_FORMS}
) found
"""  # noqa: S608  # constants of this module


@dataclass
class _Span:
    """A word or name of the question and what may stand for it, the best first."""

    said: str
    pattern: str
    meant: list[str] = field(default_factory=list)


def understand(question: Question) -> Understanding:
    """The readings a question is searched in. Reads the library's words and titles; changes nothing."""
    asked = question.searched
    if not question.collections:
        return Understanding((Reading(asked),), intents.asked(asked))
    found = _WORD.findall(asked)
    known = _known(question, [*found, *question.words])
    corrected = _corrections(question, asked, known)
    text = _exchange(asked, dict(corrected))
    words = _WORD.findall(text)
    spans = [*_names(question, words, known), *_short_forms(question, words, known), *_units(words, text)]
    readings = _readings(text, [span for span in spans if span.meant])
    exchanged = {word for span in spans if span.meant for word in span.said.split()}
    counted = _counted(question, words, known, exchanged)
    unknown = tuple(word for word in counted if not known.get(word.lower(), 0))
    understood = exchanged | {names.plain(wrong) for wrong, _ in corrected}
    strange = [word for word in question.words if not known[word.lower()]]
    return Understanding(
        (Reading(text), *readings),
        intents.asked(text),
        corrected,
        tuple(counted.items()),
        unknown,
        strange=tuple(word for word in strange if not {names.plain(w) for w in _WORD.findall(word)} & understood),
    )


def _counted(question: Question, words: list[str], known: dict[str, int], exchanged: set[str]) -> dict[str, float]:
    """The IDF of the words that are searched and that no other reading exchanges."""
    live = Collection.objects.filter(pk__in=question.collections).aggregate(n=Sum("live_chunks"))["n"] or 1
    counted = {}
    for word in dict.fromkeys(words):
        chunks = known.get(word.lower(), 0)
        if chunks <= live and names.plain(word) not in exchanged:
            counted[word] = math.log(1 + (live - chunks + 0.5) / (chunks + 0.5))
    return counted


# ── Spelling ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _corrections(question: Question, text: str, known: dict[str, int]) -> tuple[tuple[str, str], ...]:
    """Misspelled words with what was meant, which is looked up and joins the known ones."""
    words = [match[0] for match in re.finditer(r"[^\W\d_]+", text)]
    strange = [w for n, w in enumerate(words) if not known.get(w.lower(), 1) and spelling.repairable(w, inside=n > 0)]
    if not strange:
        return ()
    library = vocabulary(question.collections)
    meant = {word: _meant(question, word, library, known) for word in dict.fromkeys(strange)}
    return tuple((word, right) for word, right in meant.items() if right)


def _meant(question: Question, word: str, library: spelling.Vocabulary, known: dict[str, int]) -> str | None:
    """The likeliest word that the reader has where to read."""
    for _ in range(CANDIDATES):
        right = spelling.correct(word, library)
        if right is None:
            return None
        known |= _known(question, [right])
        if known[right]:
            return right
        library = spelling.without(library, right)
    return None


def _exchange(text: str, by: dict[str, str]) -> str:
    return re.sub(r"[^\W\d_]+", lambda m: by.get(m[0], m[0]), text) if by else text


def vocabulary(collections: Sequence[UUID]) -> spelling.Vocabulary:
    """The words of the collections, kept in memory until one of them is released anew."""
    released = Release.objects.filter(collection__in=collections).aggregate(last=Max("published_at"))
    return _vocabulary(tuple(collections), str(released["last"]))


@lru_cache(maxsize=8)
def _vocabulary(collections: tuple[UUID, ...], released: str) -> spelling.Vocabulary:
    rows = Word.objects.filter(collection__in=collections, chunks__gt=0).values_list("word")
    return spelling.vocabulary(rows.annotate(Sum("chunks")).order_by("word"))


def _known(question: Question, words: Iterable[str]) -> dict[str, int]:
    """In how many passages each word stands, in any form; words too common to be searched stand in all. Of one that
    no passage holds that the reader may read, nothing is known."""
    lower = sorted({word.lower() for word in words})
    with connection.cursor() as cursor:
        cursor.execute(KNOWN, {"words": lower, **_permission(question)})
        return {word: 10**9 if idle else chunks for word, chunks, idle in cursor.fetchall()}


# ── Names ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _names(question: Question, words: list[str], known: dict[str, int]) -> list[_Span]:
    mentions = names.mentions(words)
    wanted = {m.name for m in mentions} | {other for m in mentions for other in m.others}
    if not wanted:
        return []
    titles = _titled(question, wanted)
    heard = _known(question, {word for name in wanted for word in name.split()})
    out = []
    for mention in mentions:
        own = [known.get(words[i].lower(), 0) for i in range(mention.first, mention.end)]
        capitals = len(own) == 1 and words[mention.first].isupper()
        if mention.name in titles or (len(own) == 1 and own[0] > COMMON and not capitals):
            continue  # the library has a document of that name, or uses the word often
        span = _Span(mention.name, _pattern(words[mention.first : mention.end]))
        needed = max(1, BETTER_KNOWN * own[0] if len(own) == 1 else 1)
        span.meant = _alternatives(mention, titles, heard, needed=needed, strange=min(own) < ALTERNATIVES)
        out.append(span)
    return out


def _alternatives(
    mention: names.Mention, titles: set[str], heard: dict[str, int], *, needed: int, strange: bool
) -> list[str]:
    """Names that are titles here, those alike first; else, for a name the library hardly knows, some it knows well."""
    own = set(names.key(mention.name).split())

    def unlike(name: str) -> float:
        parts = set(names.key(name).split())
        return -len(parts & own) / max(len(parts), 1)

    usable = [o for o in mention.others if min((heard.get(w, 0) for w in o.split()), default=0) >= needed]
    titled = sorted((o for o in usable if o in titles), key=unlike)
    return titled[:ALTERNATIVES] or (sorted(usable, key=unlike)[:2] if strange else [])


def _titled(question: Question, wanted: Iterable[str]) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(TITLED, {"names": sorted(wanted), **_permission(question)})
        return {name for (name,) in cursor.fetchall()}


# ── Short forms ──────────────────────────────────────────────────────────────────────────────────────────────────


def _short_forms(question: Question, words: list[str], known: dict[str, int]) -> list[_Span]:
    shorts = [w for w in dict.fromkeys(words) if _SHORT_FORM.fullmatch(w) and sum(c.isupper() for c in w) > 1]
    shorts = [w for w in shorts if known.get(w.lower(), 0) <= COMMON_SHORT_FORM]
    if not shorts:
        return []
    meanings: dict[str, dict[str, float]] = {short: {} for short in shorts}
    with connection.cursor() as cursor:
        cursor.execute(EXPLAINED, {"shorts": shorts, **_permission(question)})
        for short, before in cursor.fetchall():
            if long := long_form(short, before):
                meanings[short][long] = meanings[short].get(long, 0) + 1
        cursor.execute(INITIALED, {"shorts": [s.upper() for s in shorts], **_permission(question)})
        initialed = cursor.fetchall()
    for short in shorts:
        for _, title in (row for row in initialed if row[0] == short.upper() and len(short) > 2):
            meanings[short].setdefault(names.plain(title), 4)
        for written in names.short_forms().get(short.upper(), ()):
            meanings[short].setdefault(names.plain(written), 2)
    titles = _titled(question, {m for found in meanings.values() for m in found})
    said = set(names.key(" ".join(words)).split())
    out = []
    for short, found in meanings.items():
        best = sorted(found, key=lambda long: -(found[long] + (5 if long in titles else 0)))
        if best and set(names.key(best[0]).split()) <= said:
            continue  # the question explains it itself
        different: dict[str, str] = {}
        for long in best:
            different.setdefault(names.key(long), long)
        out.append(_Span(short, _pattern([short]), [*different.values()][:ALTERNATIVES]))
    return out


def long_form(short: str, before: str) -> str:
    """The words before a bracketed short form that it stands for (Schwartz & Hearst 2003); empty: none."""
    before = re.split(r"[.;:()]", before)[-1].rstrip()
    j = len(before)
    for i in range(len(short) - 1, -1, -1):
        j -= 1
        while j >= 0 and (before[j].lower() != short[i].lower() or (i == 0 and j > 0 and before[j - 1].isalnum())):
            j -= 1
        if j < 0:
            return ""
    long = names.plain(before[j:])
    words = long.split()
    return long if 1 < len(words) <= min(len(short) + 5, len(short) * 2) else ""


def _units(words: list[str], text: str) -> list[_Span]:
    return [
        _Span(word, _pattern([word]), [_UNITS[word.lower()]])
        for word in dict.fromkeys(words)
        if word.lower() in _UNITS and re.search(r"\d\s*" + re.escape(word), text)
    ]


# ── Readings ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _pattern(words: Sequence[str]) -> str:
    return r"(?<!\w)" + r"\W+".join(re.escape(word) for word in words) + r"(?!\w)"


def _readings(text: str, spans: list[_Span]) -> list[Reading]:
    """First every span with its best meaning, then one at a time with the others."""
    if not spans:
        return []
    best = text
    for span in spans:
        best = _put(best, span, span.meant[0])
    said = "; ".join(span.said for span in spans)
    out = [Reading(best, said, "; ".join(span.meant[0] for span in spans))]
    for place in range(1, ALTERNATIVES):
        out += [Reading(_put(text, s, s.meant[place]), s.said, s.meant[place]) for s in spans if len(s.meant) > place]
    unique: dict[str, Reading] = {}
    for reading in out:
        unique.setdefault(reading.text, reading)
    return [reading for reading in unique.values() if reading.text != text][: READINGS - 1]


def _put(text: str, span: _Span, meant: str) -> str:
    return re.sub(span.pattern, lambda _: meant, text, count=1)


def _permission(question: Question) -> dict[str, Any]:
    reader = question.reader
    return {
        "collections": list(reader.collections),
        "everything": reader.everything,
        "roles": list(reader.roles),
        "department": reader.department,
    }

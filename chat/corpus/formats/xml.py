"""XML without what makes it dangerous: no DTD is loaded, no entity replaced, nothing fetched, no endless depth."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from chat.corpus.formats.types import Malformed

MAX_DEPTH = 200


def tree(content: bytes) -> Any:
    """The root element. Raises Malformed with the line where the XML is broken, and for entities of its own."""
    from lxml import etree

    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        deep = any("depth" in entry.message.lower() for entry in parser.error_log)
        what = "the XML is nested too deeply" if deep else "the XML is broken here"
        raise Malformed(error.lineno or 1, what) from None
    except (ValueError, LookupError):
        raise Malformed(1, "the XML names an encoding that is unknown or not its own") from None
    dtd = root.getroottree().docinfo.internalDTD
    if dtd is not None and any(True for _ in dtd.iterentities()):
        raise Malformed(1, "the XML defines entities of its own, which are not read")
    if _depth(root) > MAX_DEPTH:
        raise Malformed(1, "the XML is nested too deeply")
    return root


def name(element: Any) -> str:
    """The local name of an element; empty for what is none."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def text(element: Any) -> str:
    """All text in an element on one line; empty for None."""
    return " ".join("".join(element.itertext()).split()) if element is not None else ""


def find(element: Any, path: str) -> Any:
    """The first element at a path of local names; None without one."""
    return next(find_all(element, path), None) if element is not None else None


def find_all(element: Any, path: str) -> Iterator[Any]:
    first, _, rest = path.partition("/")
    for child in element:
        if name(child) == first:
            if rest:
                yield from find_all(child, rest)
            else:
                yield child


def year(value: str) -> str:
    match = re.search(r"\b(1[89]|20)\d\d\b", value)
    return match[0] if match else ""


def _depth(root: Any) -> int:
    deepest, level = 0, 0
    from lxml import etree

    for event, _ in etree.iterwalk(root, events=("start", "end")):
        level += 1 if event == "start" else -1
        deepest = max(deepest, level)
    return deepest

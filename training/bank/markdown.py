"""The Markdown of lessons and policies as blocks that templates draw. What it does not know is a problem, not HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.tree import SyntaxTreeNode

BOXES: Final = ("case", "avoid", "do", "note", "warning")
_BOX: Final = re.compile(r"\[!(\w+)\] *(.*)")
_WORDS: Final = {
    "html_block": "HTML",
    "html_inline": "HTML",
    "code_block": "Code, a text indented by four spaces,",
    "code_inline": "Code",
    "fence": "Code",
    "hr": "A line across the page",
    "image": "A picture among words",
}
_PICTURE: Final = re.compile(r"pictures/[a-z0-9-]+\.svg")


@dataclass(frozen=True)
class Span:
    """Words of one kind: "", strong or em."""

    text: str
    kind: str = ""


@dataclass(frozen=True)
class Block:
    """`kind` is p, h2, h3, ul, ol, table, picture, pair or one of BOXES.

    `spans` are the words of a paragraph or heading; `items` those of list entries, `head` and `rows` those of a table.
    `blocks` are what a box or a pair holds. `title` is that of a box, or says what a picture shows.
    """

    kind: str
    spans: Sequence[Span] = ()
    items: Sequence[Sequence[Span]] = ()
    head: Sequence[Sequence[Span]] = ()
    rows: Sequence[Sequence[Sequence[Span]]] = ()
    title: str = ""
    picture: str = ""
    blocks: Sequence[Block] = ()


class Unknown(Exception):
    """Something outside the subset; `line` counts from 1 in the text, `words` say what."""

    def __init__(self, line: int, words: str) -> None:
        super().__init__(words)
        self.line, self.words = line, words


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable("table")  # HTML and links are read, to refuse them


def read(text: str) -> list[Block]:
    """The blocks of a text. Raises Unknown."""
    from markdown_it.tree import SyntaxTreeNode

    seen: dict[str, Any] = {}
    tokens = _parser().parse(text, seen)
    for link in seen.get("references", {}).values():
        raise Unknown(link["map"][0] + 1, "A link is not part of the format.")
    return _side_by_side(list(_blocks(SyntaxTreeNode(tokens))))


def _blocks(parent: SyntaxTreeNode) -> Iterator[Block]:
    for node in parent.children:
        match node.type:
            case "paragraph":
                yield _paragraph(node)
            case "heading" if node.tag in {"h2", "h3"}:
                yield Block(node.tag, _words(node))
            case "heading":
                raise Unknown(_line(node), "A heading begins with ## or ###.")
            case "bullet_list":
                yield Block("ul", items=[_entry(item) for item in node.children])
            case "ordered_list":
                yield Block("ol", items=[_entry(item) for item in node.children])
            case "table":
                head, *body = node.children
                yield Block(
                    "table",
                    head=[_words(cell) for cell in head.children[0].children],
                    rows=[[_words(cell) for cell in row.children] for row in (body[0].children if body else ())],
                )
            case "blockquote":
                yield _box(node)
            case _:
                raise Unknown(_line(node), _refused(node))


def _paragraph(node: SyntaxTreeNode) -> Block:
    inline = node.children[0].children
    if any(child.type == "image" for child in inline):
        return _picture(node, inline)
    return Block("p", _words(node))


def _picture(node: SyntaxTreeNode, inline: Sequence[SyntaxTreeNode]) -> Block:
    source = str(inline[0].attrs.get("src", "")) if inline[0].type == "image" else ""
    if len(inline) != 1 or not _PICTURE.fullmatch(source):
        raise Unknown(_line(node), "A picture stands on a line of its own and is a file pictures/name.svg.")
    says = inline[0].content
    if not says:
        raise Unknown(_line(node), "Say between the brackets what the picture shows.")
    return Block("picture", title=says, picture=source.removeprefix("pictures/"))


def _box(node: SyntaxTreeNode) -> Block:
    first = node.children[0] if node.children else None
    said = _BOX.match(first.children[0].content) if first is not None and first.type == "paragraph" else None
    if first is None or said is None or said[1].lower() not in BOXES:
        raise Unknown(_line(node), f"A box begins with one of {', '.join(f'[!{name.upper()}]' for name in BOXES)}.")
    opening, _, rest = first.children[0].content.partition("\n")
    title = _BOX.match(opening)
    assert title is not None  # noqa: S101  # the line matched above
    try:
        begun = read(rest) if rest else []
    except Unknown as unknown:
        raise Unknown(_line(first) + unknown.line, unknown.words) from None
    inside = [*begun, *list(_blocks(node))[1:]]
    return Block(said[1].lower(), title=title[2].strip(), blocks=inside)


def _entry(item: SyntaxTreeNode) -> list[Span]:
    if [child.type for child in item.children] != ["paragraph"]:
        raise Unknown(_line(item), "An entry of a list is one paragraph, without lists in it.")
    return _words(item.children[0])


def _words(node: SyntaxTreeNode) -> list[Span]:
    return [span for child in node.children for span in _spans(child, "", _line(node))]


def _spans(node: SyntaxTreeNode, kind: str, line: int) -> Iterator[Span]:
    match node.type:
        case "inline":
            for child in node.children:
                yield from _spans(child, kind, line)
        case "text" | "text_special":
            if node.content:
                yield Span(node.content, kind)
        case "softbreak" | "hardbreak":
            yield Span(" ", kind)
        case "strong" | "em":
            for child in node.children:
                yield from _spans(child, node.type, line)
        case _:
            raise Unknown(line, _refused(node))


def _refused(node: SyntaxTreeNode) -> str:
    return f"{_WORDS.get(node.type, f'A {node.type}')} is not part of the format."


def _line(node: SyntaxTreeNode) -> int:
    place: Any = node
    while place is not None and not place.is_root and not place.map:
        place = place.parent
    return place.map[0] + 1 if place is not None and not place.is_root else 1


def _side_by_side(blocks: Sequence[Block]) -> list[Block]:
    """A box of what to avoid and the one after it of what to do become a pair."""
    paired: list[Block] = []
    for block in blocks:
        if block.kind == "do" and paired and paired[-1].kind == "avoid":
            paired[-1] = Block("pair", blocks=[paired[-1], block])
        else:
            paired.append(block)
    return paired

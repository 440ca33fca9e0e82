"""The starter set keeps its promises, and whoever breaks a file is told which, where and why."""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import yaml

from clinchat.lib.located import Problem
from tests.training import small, starter
from training.bank import packing, reading
from training.bank.types import SIX, Item, Kind, Option

# ── The starter set ────────────────────────────────────────────────────────────────────────────────────────────────


def options(item: Item) -> list[Option]:
    return [*item.options, *(option for part in item.parts for option in part.options)]


def test_the_starter_set_has_no_problem() -> None:
    modules, texts, problems = starter.found()
    assert [str(problem) for problem in problems] == []
    assert [module.slug for module in modules] == list(SIX)
    assert {one.slug for one in texts} >= {"acceptable-use", "confidentiality", "clinical-judgment"}


def test_the_starter_set_is_as_large_as_promised() -> None:
    items = [item for module in starter.modules() for item in module.items]
    assert len(items) >= 240
    assert len({item.key for item in items}) == len(items)
    assert set(Counter(item.kind for item in items)) == set(Kind)
    for module in starter.modules():
        assert len(module.items) >= 40, module.slug
        assert len(module.objectives) >= 6, module.slug
        assert sum(bool(item.case) for item in module.items) * 3 >= len(module.items), module.slug
        assert all(item.key.startswith(module.slug) for item in module.items), module.slug
        assert len(module.lessons) >= 5, module.slug
    assert sum(bool(item.case) for item in items) * 3 >= len(items)


def test_every_answer_of_the_starter_set_has_a_reason() -> None:
    for module in starter.modules():
        for item in module.items:
            given = [*options(item), *item.steps, *item.pairs, *item.extra, *item.numbers]
            assert all(getattr(one, "why", "").strip() for one in given), item.key
            assert len(given) >= 2, item.key
            if item.kind in {Kind.SINGLE, Kind.MULTIPLE}:
                reasons = [one.why for one in item.options]
                assert len(set(reasons)) == len(reasons), item.key
        for lesson in module.lessons:
            assert all(option.why for option in lesson.options), lesson.key


def test_every_name_the_starter_set_uses_exists_and_is_used() -> None:
    for module in starter.modules():
        clauses, objectives = {one.key for one in module.references}, {one.key for one in module.objectives}
        lessons = module.lessons
        assert {key for lesson in lessons for key in lesson.clauses} <= clauses
        assert {item.clause for item in module.items} <= clauses
        assert {key for lesson in lessons for key in lesson.objectives} == objectives, module.slug
        assert {item.objective for item in module.items} == objectives, module.slug
        assert set(module.blueprint) == objectives
        assert all(module.blueprint.values())


def test_the_pictures_of_the_starter_set_are_shown_and_plain() -> None:
    for module in starter.modules():
        shown = {found for lesson in module.lessons for found in re.findall(r"pictures/([\w-]+\.svg)", lesson.text)}
        assert set(module.pictures) == shown
        assert len(shown) >= 1
        for name, picture in module.pictures.items():
            assert "<title" in picture, name
            assert not re.search(r"(?i)script|href|style|javascript|<!|\son\w+=|url\(", picture), name


def test_a_module_survives_the_database() -> None:
    for module in starter.modules():
        again = packing.unpack(json.loads(json.dumps(packing.pack(module))))
        assert again.items == list(module.items)
        assert (again.rules, again.blueprint) == (module.rules, module.blueprint)
        assert json.dumps(packing.pack(again)) == json.dumps(packing.pack(module))


# ── Broken files ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Broken:
    """In the file the first `old` becomes `new`; the problem stands on the line of `at`, or on the first."""

    file: str
    old: str
    new: str
    at: str
    words: str


M, I, L = "module.yaml", "items.yaml", "lessons/01-about-first.md"  # noqa: E741  # in a table
P = "pictures/doors.svg"
SVG: Final = '<rect x="1"'
BROKEN: Final = {
    # questions
    "no answer": Broken(I, "right: true", "right: false", "options:", "0 options are right"),
    "two answers": Broken(
        I, "right: false, why: It dep", "right: true, why: It dep", "options:", "2 options are right"
    ),
    "all right": Broken(I, "kind: single", "kind: multiple", "options:", "1 options are right; at least two"),
    "no options": Broken(I, small.BODIES[0], "  kind: single\n", "hipaa-001", "options has 0 entries; 3 to 6"),
    "an option twice": Broken(I, "text: Wait", "text: ask", "options:", "Two of the options are the same"),
    "no reason": Broken(I, ", why: It harms.", "", "{text: Leave, right: false}", "why is missing"),
    "an empty reason": Broken(I, "why: It harms.", 'why: " "', 'why: " "', "why is missing"),
    "right is a word": Broken(I, "right: true", 'right: "true"', 'right: "true"', "right must be true or false"),
    "a key twice": Broken(I, "hipaa-002", "hipaa-001", "- key: hipaa-001\n  objective: first\n  cl", "is used twice"),
    "a key without number": Broken(I, "hipaa-001", "hipaa", "- key: hipaa\n", "key must look like hipaa-001"),
    "an unknown objective": Broken(I, "objective: first", "objective: fist", "fist", "objective must be one of first"),
    "an unknown clause": Broken(I, '"164.1"', "164.2", "164.2", "clause must be one of 164.1"),
    "an unknown kind": Broken(I, "kind: single", "kind: singel", "singel", "kind must be one of single"),
    "an unknown difficulty": Broken(I, "difficulty: easy", "difficulty: 1", "difficulty: 1", "easy, medium, hard"),
    "an unknown grading": Broken(I, "  kind: single", "  grading: half\n  kind: single", "half", "one of all, partial"),
    "an unknown field": Broken(I, "  kind: single", "  hint: no\n  kind: single", "hint: no", "hint is not part of"),
    "fields of another kind": Broken(I, "kind: multiple", "kind: ordering", "- key: hipaa-002", "steps has 0 entries"),
    "a field twice": Broken(I, "  kind: single", "  kind: single\n  kind: single", "", "kind is given twice"),
    "no question": Broken(I, "question: What about 1?", "question:", "question:\n", "question is missing"),
    "a question of a list": Broken(I, "question: What about 1?", "question: [a]", "[a]", "question must be a text"),
    "a long question": Broken(I, "about 1?", f"about {'1' * 600}?", "11111", "600 are the most"),
    "a case without its story": Broken(I, "  case: Somebody arrives.\n", "", "hipaa-006", "case is missing"),
    "no number": Broken(I, "value: 60", "value: sixty", "value: sixty", "value must be a number"),
    "a number with an exponent": Broken(I, "value: 60", "value: 9e999999", "9e999999", "value must be a number"),
    "a usual number that is none": Broken(I, "{value: 120", "{value: 1_2", "{value: 1_2", "value must be a number"),
    "a tolerance below nothing": Broken(I, "tolerance: 0.5", "tolerance: -1", "tolerance: -1", "not below 0"),
    "a wrong number that is right": Broken(I, "value: 120", "value: 60.5", "common:", "within the tolerance"),
    "two equal matches": Broken(I, "right: Go", "right: stop", "pairs:", "Two of the pairs are the same"),
    "a half character": Broken(I, "What about 1?", r'"\uD800"', r'"\uD800"', "a character that cannot be shown"),
    "a character of nothing": Broken(I, "What about 1?", r'"\0"', r'"\0"', "a character that cannot be shown"),
    "an impossible character": Broken(I, "What about 1?", r'"\UFFFFFFFF"', "", "This is not YAML"),
    "a bell": Broken(I, "What about 3?", "\x07", "\x07", "This character has no place in YAML"),
    "bad YAML": Broken(I, "question: What about 2?", "question: What: 2?", "What: 2?", "needs quotes"),
    "a tab": Broken(I, "  objective: first", "\tobjective: first", "\tobjective", "This is not YAML"),
    "no list": Broken(I, "- key: hipaa-001", "key: hipaa-001", "", "This is not YAML"),
    "an entry that is a word": Broken(I, "- key: hipaa-001", "- one\n- key: hipaa-001", "- one", "key is missing"),
    "a list as a name": Broken(I, "  kind: single", "  ? [a]\n  : b\n  kind: single", "? [a]", "as a name is not part"),
    # the module
    "an unknown version": Broken(M, 'version: "1.0"', "version: 1", "version: 1\n", 'version must look like "1.0"'),
    "another slug": Broken(M, "slug: hipaa", "slug: hippa", "slug:", "slug must be the name of the folder, hipaa"),
    "a number that is a date": Broken(M, "number: 1", "number: 2026-99-99", "number:", "number must be a whole"),
    "a number in quotes": Broken(M, "number: 1", 'number: "1"', "number:", "number must be a whole number"),
    "material is a word": Broken(M, "material: false", "material: maybe", "material", "material must be true or false"),
    "a change to no lesson": Broken(M, "changed: []", "changed: [third]", "changed:", "There is no lesson third"),
    "five objectives": Broken(
        M, "- key: sixth\n  text: Do the sixth thing.\n", "", "objectives:", "5 entries; 6 to 12"
    ),
    "an objective twice": Broken(M, "key: sixth", "key: first", "objectives:", "first is among the objectives twice"),
    "a key with a space": Broken(M, "key: sixth", "key: the sixth", "key: the sixth", "lower case letters"),
    "no references": Broken(M, "references:", "sources:", "sources:", "sources is not part of the format"),
    "a short wait": Broken(M, "[10m, 24h, 7d]", "[10m, 24h]", "wait:", "wait has 2 entries; 3 are needed"),
    "a strange wait": Broken(M, "10m", "10s", "wait:", "wait holds times such as"),
    "a long wait": Broken(M, "7d", "31d", "wait:", "at most 30 days"),
    "an easy mark": Broken(M, "percent: 80", "percent: 20", "pass_percent", "whole number from 50 to 100"),
    "no attempts": Broken(M, "attempts: 3", "attempts: 0", "attempts:", "attempts must be a whole number from 1"),
    "a greedy cell": Broken(
        M, "{easy: 1, medium: 1}", "{easy: 2}", "{easy: 2}", "4 questions; to draw 2, 6 are needed"
    ),
    "a cell of nothing": Broken(M, "{easy: 1, medium: 1}", "{}", "{}", "The blueprint draws nothing for first"),
    "a forgotten objective": Broken(M, "  sixth: {easy: 1, medium: 1}\n", "", "blueprint", "draws nothing for sixth"),
    "a cell for nobody": Broken(M, "  sixth: {", "  seventh: {", "  seventh: {", "seventh is not part of the format"),
    "a cell that is a number": Broken(
        M, "{easy: 1, medium: 1}", "3", "first: 3", "Here is to stand easy, medium, hard"
    ),
    "one card": Broken(M, "- heading: After\n  lines: [Tell.]\n", "", "card:", "card has 1 entries; 2 to 6"),
    "no assessment": Broken(M, "assessment:", "test:", "test:", "test is not part of the format"),
    "a word for all": Broken(M, small.module_file("hipaa"), "hello", "", "Here is to stand slug, number, title"),
    "deep lists": Broken(M, "title: About hipaa", f"title: {'[' * 600}", "", "This is not YAML"),
    # lessons
    "no front matter": Broken(L, "---\n", "", "", "must begin with YAML between two lines"),
    "bad front matter": Broken(L, "title: About first", "title: a: b", "title", "This is not YAML"),
    "no minutes": Broken(L, "minutes: 3\n", "", "title", "minutes must be a whole number"),
    "a lesson for no objective": Broken(L, "[first]", "[last]", "[last]", "There is no last among the module's obj"),
    "a lesson for no clause": Broken(L, '["164.1"]', '["1"]', '["1"]', "There is no 1 among the module's references"),
    "a check without answer": Broken(L, "right: true", "right: false", "options:", "exactly one is needed"),
    "HTML": Broken(L, "A paragraph", "<b>A</b> paragraph", "<b>", "HTML is not part of the format"),
    "a block of HTML": Broken(L, "A paragraph", "<div>\nA paragraph\n</div>\n", "<div>", "HTML is not part"),
    "a script": Broken(L, "A paragraph", "<script>alert(1)</script>\n", "<script>", "HTML is not part of the format"),
    "a link": Broken(L, "A paragraph", "[A](https://a.example) par", "[A]", "A link is not part of the format"),
    "a bare link": Broken(L, "A paragraph", "<https://a.example> par", "<https", "A link is not part of the format"),
    "a link by name": Broken(L, "A paragraph", "[A]: https://a.example\n\nA par", "[A]:", "A link is not part"),
    "a link in a box": Broken(L, "Wrong.", "Wrong.\n> See [A](b).", "Wrong.", "A link is not part of the format"),
    "a character of nothing in words": Broken(L, "A para", "A\0para", "A\0", "a character that cannot be shown"),
    "a new page": Broken(L, "A para", "A\fpara", "A\f", "a character that cannot be shown"),
    "code": Broken(L, "A paragraph", "A `b` paragraph", "A `b`", "Code is not part of the format"),
    "fenced code": Broken(L, "A paragraph", "```\nx\n```\n", "```", "Code is not part of the format"),
    "a first heading": Broken(L, "## Begin", "# Begin", "# Begin", "A heading begins with ## or ###"),
    "an underlined heading": Broken(L, "## Begin", "Begin\n===", "Begin\n=", "A heading begins with ## or ###"),
    "a list in a list": Broken(L, "- one", "- one\n  - inner", "- one", "one paragraph, without lists in it"),
    "a box of no kind": Broken(L, "[!CASE]", "[!TIP]", "[!TIP]", "A box begins with one of [!CASE]"),
    "a line across": Broken(L, "A paragraph", "***\n\nA paragraph", "***", "A line across the page is not part"),
    "a picture in words": Broken(L, "![Three", "See ![Three", "See ![", "A picture stands on a line of its own"),
    "a picture from elsewhere": Broken(L, "pictures/doors", "https://a/doors", "![Three", "pictures/name.svg"),
    "a picture without words": Broken(L, "![Three doors]", "![]", "![]", "Say between the brackets"),
    # pictures
    "a script in a picture": Broken(P, SVG, f"<script>1</script>{SVG}", SVG, "shapes and words only"),
    "a page in a picture": Broken(
        P, SVG, f'<iframe xmlns="http://www.w3.org/1999/xhtml" src="javascript:1"/>{SVG}', SVG, "shapes and words only"
    ),
    "a movement": Broken(P, SVG, f'<animateTransform attributeName="x"/>{SVG}', SVG, "shapes and words only"),
    "onload": Broken(P, SVG, f'<g onload="1"/>{SVG}', SVG, "no links, scripts or style"),
    "a link in a picture": Broken(P, SVG, f'<g href="https://a.example"/>{SVG}', SVG, "no links, scripts or style"),
    "a color from elsewhere": Broken(P, 'fill="#eee"', 'fill="url(https://a/b)"', SVG, "no links, scripts or style"),
    "an entity": Broken(P, "<svg", '<!DOCTYPE svg [<!ENTITY a "<script/>">]>\n<svg', "", "no document type"),
    "a style sheet": Broken(P, "<svg", '<?xml-stylesheet href="a"?><svg', "", "no instructions"),
    "no picture": Broken(P, "<rect", "<rect<", "<rect<", "This is not an SVG picture"),
    "another root": Broken(P, "http://www.w3.org/2000/svg", "http://a.example", "", "must be an SVG of at most 64 KB"),
    "a large picture": Broken(P, ">Door<", f">{'Door' * 20_000}<", "", "must be an SVG of at most 64 KB"),
}


@pytest.fixture(autouse=True, scope="module")
def _files_read_once() -> Iterator[None]:
    """A text is parsed once; nobody changes what comes out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml, "compose", functools.lru_cache(maxsize=64)(yaml.compose))
        yield


def said(folder: Path) -> list[Problem]:
    found = reading.read_one(folder)[1]
    for problem in found:
        assert problem.words[-1] in ".…", problem
        assert not re.search(r"Node\(|object at|Traceback|Error", problem.words), problem
        assert problem.line >= 1
    return found


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_named_with_its_line(name: str, tmp_path: Path) -> None:
    folder, broken = small.write_module(tmp_path, "hipaa"), BROKEN[name]
    path = folder / broken.file
    text = path.read_text()
    assert broken.old in text
    path.write_text(text.replace(broken.old, broken.new, 1))
    found = said(folder)
    fitting = [one for one in found if one.file == f"hipaa/{broken.file}" and broken.words in one.words]
    assert fitting, "\n".join(map(str, found))
    assert str(fitting[0]).startswith(f"hipaa/{broken.file}:{fitting[0].line}: ")
    if broken.at:
        new, changed = path.read_text(), text.index(broken.old)
        nearest = min((abs(place - changed), place) for place in places(new, broken.at))[1]
        assert fitting[0].line == new.count("\n", 0, nearest) + 1, fitting[0]


def places(text: str, at: str) -> Iterator[int]:
    place = text.find(at)
    while place >= 0:
        yield place
        place = text.find(at, place + 1)


def test_the_small_set_is_right_as_long_as_nobody_breaks_it(tmp_path: Path) -> None:
    assert said(small.write_module(tmp_path, "hipaa")) == []
    assert len(BROKEN) >= 90

"""Missing, empty, binary and mangled files: always problems with a file, a line and words, never an exception."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from clinchat.lib.located import Problem, Problems
from tests.training import small
from training.bank import __main__ as command
from training.bank import items, markdown, policies, reading
from training.bank.types import SIX

BINARY = bytes(range(256)) * 20


@pytest.fixture(autouse=True, scope="module")
def _files_read_once() -> Iterator[None]:
    """A text is parsed once; nobody changes what comes out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml, "compose", functools.lru_cache(maxsize=64)(yaml.compose))
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return small.write_module(tmp_path, "hipaa")


def problems(folder: Path) -> list[str]:
    return [str(problem) for problem in reading.read_one(folder)[1]]


# ── Files that are not what they should be ─────────────────────────────────────────────────────────────────────────

FILES = ("module.yaml", "items.yaml", "lessons/01-about-first.md", "pictures/doors.svg")


@pytest.mark.parametrize("file", FILES)
def test_a_missing_file(file: str, folder: Path) -> None:
    (folder / file).unlink()
    words = {
        "lessons/01-about-first.md": "hipaa/lessons/02-about-second.md:1: The name must look like 01-",
        "pictures/doors.svg": "hipaa/pictures/doors.svg:1: A lesson shows this picture; it is missing.",
    }.get(file, f"hipaa/{file}:1: The file is missing.")
    assert any(one.startswith(words) for one in problems(folder))


@pytest.mark.parametrize("file", FILES)
def test_an_empty_file(file: str, folder: Path) -> None:
    (folder / file).write_text("")
    assert any(one.startswith(f"hipaa/{file}:1: ") for one in problems(folder))
    (folder / file).write_text("\n \n# nothing\n")
    assert any(one.startswith(f"hipaa/{file}:") for one in problems(folder))


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("content", [BINARY, b"\xff\xfe" + "slug: hipaa".encode("utf-16-le"), b"caf\xe9: 1\n"])
def test_a_file_that_is_no_text(file: str, content: bytes, folder: Path) -> None:
    (folder / file).write_bytes(content)
    assert f"hipaa/{file}:1: The file cannot be read as UTF-8 text." in problems(folder)


@pytest.mark.parametrize("file", FILES)
def test_a_folder_in_place_of_a_file(file: str, folder: Path) -> None:
    (folder / file).unlink()
    (folder / file).mkdir()
    assert f"hipaa/{file}:1: The file cannot be read as UTF-8 text." in problems(folder)


@pytest.mark.parametrize("file", FILES)
def test_a_link_to_itself(file: str, folder: Path) -> None:
    (folder / file).unlink()
    (folder / file).symlink_to(folder / file)
    assert any(one.startswith(f"hipaa/{file}:1: ") for one in problems(folder))


def test_marks_and_line_ends_of_other_systems_are_no_problem(folder: Path) -> None:
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert problems(folder) == []
    (folder / "items.yaml").write_bytes((folder / "items.yaml").read_bytes().replace(b"kind: single", b"kind: one", 1))
    assert "hipaa/items.yaml:7: kind must be one of single, multiple, ordering, matching, numeric, case." in (
        problems(folder)
    )


def test_a_version_without_quotes_is_read_as_it_is_written(folder: Path) -> None:
    path = folder / "module.yaml"
    path.write_text(path.read_text().replace('"1.0"', "1.10"))
    module, found = reading.read_one(folder)
    assert (module and module.version, found) == ("1.10", [])


def test_no_lessons_at_all(folder: Path) -> None:
    shutil.rmtree(folder / "lessons")
    assert "hipaa/lessons:1: There is no lesson." in problems(folder)


def test_two_lessons_of_one_name(folder: Path) -> None:
    shutil.copy(folder / "lessons/01-about-first.md", folder / "lessons/03-about-second.md")
    assert "hipaa/lessons/03-about-second.md:1: There is another lesson about-second." in problems(folder)


def test_lessons_out_of_number(folder: Path) -> None:
    (folder / "lessons/02-about-second.md").rename(folder / "lessons/3-about.md")
    assert problems(folder)[-1].startswith("hipaa/lessons/3-about.md:1: The name must look like 02-")


def test_a_lesson_of_nothing_but_its_head(folder: Path) -> None:
    path = folder / "lessons/01-about-first.md"
    path.write_text(path.read_text().partition("## Begin")[0])
    assert "hipaa/lessons/01-about-first.md:13: There is no text after the front matter." in problems(folder)


def test_a_picture_in_a_box_is_looked_for(folder: Path) -> None:
    path = folder / "lessons/01-about-first.md"
    path.write_text(path.read_text().replace("> Right.", "> Right.\n>\n> ![More](pictures/more.svg)"))
    assert problems(folder) == ["hipaa/pictures/more.svg:1: A lesson shows this picture; it is missing."]
    (folder / "pictures/more.svg").write_text(small.PICTURE)
    assert problems(folder) == []


def test_a_picture_that_no_lesson_shows(folder: Path) -> None:
    (folder / "pictures/other.svg").write_text(small.PICTURE)
    (folder / "pictures/photo.jpg").write_bytes(BINARY)
    assert problems(folder) == [
        "hipaa/pictures/other.svg:1: No lesson shows this picture.",
        "hipaa/pictures/photo.jpg:1: No lesson shows this picture.",
        "hipaa/pictures/photo.jpg:1: The file cannot be read as UTF-8 text.",
    ]


def test_a_picture_reads_no_file_of_the_machine(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret words")
    entity = f'<!DOCTYPE svg [<!ENTITY s SYSTEM "file://{tmp_path}/secret">]>'
    (folder / "pictures/doors.svg").write_text(entity + small.PICTURE.replace("Door<", "&s;<"))
    module, found = reading.read_one(folder)
    assert "secret words" not in f"{module}{found}"
    assert found


# ── The six modules ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_six_must_be_there_and_others_may(tmp_path: Path) -> None:
    small.write_module(tmp_path, "hipaa")
    small.write_module(tmp_path, "lifting", number=7)
    modules, found = reading.read_all(tmp_path)
    assert [module.slug for module in modules] == ["hipaa", "lifting"]
    assert [str(one) for one in found] == [f"{slug}/module.yaml:1: The file is missing." for slug in sorted(SIX[1:])]
    assert reading.read_all(tmp_path, whole=False)[1] == []
    assert len(reading.read_all(tmp_path / "nowhere")[1]) == len(SIX)


def test_two_modules_of_one_number(tmp_path: Path) -> None:
    small.write_module(tmp_path, "hipaa")
    small.write_module(tmp_path, "lifting")
    assert [str(one) for one in reading.read_all(tmp_path, whole=False)[1]] == [
        "hipaa/module.yaml:1: Two modules have the number 1.",
        "lifting/module.yaml:1: Two modules have the number 1.",
    ]


def test_a_folder_that_cannot_be_an_address(tmp_path: Path) -> None:
    found = problems(small.write_module(tmp_path, "Safe Lifting"))
    assert "Safe Lifting/module.yaml:1: slug must be the name of the folder, Safe Lifting." in found


def test_the_command_for_authors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = small.write_module(tmp_path, "hipaa")
    assert command.main([str(folder)]) == 0
    assert capsys.readouterr().out == "hipaa 1.0: 2 lessons, 42 questions, 6 objectives\n"
    (folder / "items.yaml").unlink()
    assert command.main([str(folder)]) == 1
    assert "hipaa/items.yaml:1: The file is missing.\n" in capsys.readouterr().out
    assert command.main([str(folder / "nowhere")]) == 2


# ── Policies ───────────────────────────────────────────────────────────────────────────────────────────────────────


def policy_problems(folder: Path) -> list[Problem]:
    return policies.read_all(folder, lessons=["hipaa/about-first"])[1]


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("slug: conduct", "slug: conduit", 2, "slug must be the name of the file, conduct."),
        ("number: 1", "number: one", 3, "number must be a whole number"),
        ("title: Use of the portal\n", "", 2, "title is missing."),
        ('version: "1.0"', "version: next", 5, 'version must look like "1.0", in quotes.'),
        ("change: New in 1.0.", f"change: {'n' * 301}", 6, "300 are the most"),
        ("material: false", "material: perhaps", 7, "material must be true or false."),
        ("hipaa/about-first", "about-first", 8, "There is no lesson about-first. A lesson is named as module/lesson."),
        ("lessons:", "reviewed: never\nlessons:", 8, "reviewed is not part of the format."),
        ("## 1. Who", "# 1. Who", 10, "A heading begins with ## or ###."),
        ("Everybody.", "<u>Everybody</u>.", 12, "HTML is not part of the format."),
        ("Everybody.\n", "> [!NOTE] One\n> Two\n> three [four](five)\n", 13, "A link is not part of the format."),
        ("## 1. Who\n\nEverybody.\n", "", 10, "There is no text after the front matter."),
        ("slug: conduct", "slug: @", 2, "This is not YAML."),
    ],
    ids=lambda value: ascii(value)[:24] + str(value)[-12:],
)
def test_a_broken_policy_is_named_with_its_line(old: str, new: str, line: int, words: str, tmp_path: Path) -> None:
    text = small.policy_file("conduct", lessons=["hipaa/about-first"])
    assert old in text
    (tmp_path / "conduct.md").write_text(text.replace(old, new, 1))
    found = policy_problems(tmp_path)
    assert [(one.file, one.line) for one in found if words in one.words] == [(f"{tmp_path.name}/conduct.md", line)]


def test_policies_that_are_not_there_or_no_text(tmp_path: Path) -> None:
    assert [one.words for one in policy_problems(tmp_path / "none")] == ["There is no policy."]
    for content in (b"", BINARY, b"---\n", b"---\n---\n", b"---\n- a\n---\nText\n", b"\x00"):
        (tmp_path / "conduct.md").write_bytes(content)
        assert policy_problems(tmp_path)


# ── Whatever is written ────────────────────────────────────────────────────────────────────────────────────────────

SCRAPS = (
    *('"', "'", "[", "]", "{", "}", "&a ", "*a ", "- ", ": ", "? ", "!!int ", "!!binary ", "!<", "<<: ", "%YAML 9.9\n"),
    *("---\n", "...\n", "|2\n", ">-\n", "\t", "\x85", "\u2028", "\x0c", "\ufeff", "\x00", "2001-99-99", "0x_", "0b_"),
    *("~", "null", "#", "@", "9" * 5_000, ".inf", "\r", "\n", "[" * 600, '"\\x', '"\\UFFFFFFFF"', '"\\uD800"', "🩺"),
    *(
        "<b>",
        "[a](b)",
        "![a](b)",
        "> ",
        "> [!DO]\n",
        "```",
        "    ",
        "| a |\n| - |\n",
        "\\",
        "&amp;",
        "1. ",
        "***",
        "## ",
    ),
    *("<svg>", "<?xml?>", "<!--", "]]>", "</svg>", "url(", "<!DOCTYPE a>", "&lt;", "xmlns:x='y'", "<x:y/>"),
)


@st.composite
def mangled(draw: Any, text: str) -> str:
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(text)))
        gone = draw(st.sampled_from([0, 0, 1, 5, 40]))
        text = text[:begin] + draw(st.sampled_from(SCRAPS) | st.text(max_size=4)) + text[begin + gone :]
    return text


def looked_at(read: Callable[[list[Problem]], object], text: str) -> None:
    found: list[Problem] = []
    read(found)
    lines = len(text.splitlines()) + 1
    for problem in sorted(found):
        assert 1 <= problem.line <= lines, problem
        assert problem.words[-1] in ".…", problem


FEW = settings(max_examples=60, deadline=None)
SOME_ITEMS = "".join(small.items("hipaa").partition("- key: hipaa-007")[:1])


@FEW
@given(mangled(SOME_ITEMS))
def test_any_questions(text: str) -> None:
    known: dict[str, Any] = {"objectives": small.OBJECTIVES, "clauses": ["164.1"]}
    looked_at(lambda found: items.read(text, Problems("items.yaml", found), **known), text)


@FEW
@given(mangled(small.LESSON.replace("OBJECTIVE", "first")))
def test_any_lesson(text: str) -> None:
    looked_at(lambda found: reading._lesson(text, "01-a.md", "a", found, ["first"], ["164.1"]), text)


@FEW
@given(mangled(small.LESSON.partition("## Begin")[2]) | st.text(max_size=60))
def test_any_markdown_is_blocks_or_refused(text: str) -> None:
    try:
        blocks = markdown.read(text)
    except markdown.Unknown as unknown:
        refused = unknown.line
    else:
        refused = 1
        assert all(block.kind for block in reading._inside(blocks))
    assert 1 <= refused <= len(text.splitlines()) + 1


@FEW
@given(mangled(small.module_file("hipaa")))
def test_any_module(folder_of: Path, text: str) -> None:
    (folder_of / "module.yaml").write_bytes(text.encode(errors="surrogatepass"))
    looked_at(lambda found: found.extend(reading.read_one(folder_of)[1]), text + "\n" * 600)


@FEW
@given(mangled(small.PICTURE))
def test_any_picture(folder_of: Path, text: str) -> None:
    (folder_of / "pictures/doors.svg").write_bytes(text.encode(errors="surrogatepass"))
    looked_at(lambda found: reading._pictures(folder_of, "hipaa", found, []), text)


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all examples of a property."""
    return small.write_module(tmp_path_factory.mktemp("any"), "hipaa")

"""Learners of the tests: lessons read, attempts begun, and forms filled in rightly or wrongly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest import mock

from clinchat.lib import clock
from compliance.models import User
from training import attempts, enrolments, learning
from training.attempts import Question
from training.bank import packing
from training.bank.types import (
    Card,
    Difficulty,
    Item,
    Kind,
    Lesson,
    Module,
    Objective,
    Option,
    Reference,
    Rules,
)
from training.demo import right_fields
from training.models import Attempt, ModuleVersion

SLUG = "hipaa"


def things(person: User) -> dict[str, Any]:
    """What addresses of learning name, without reading the content: a module, and an open attempt of the person."""
    options = [Option("Yes", "It is.", right=True), Option("No", "It is not.")]
    item = Item("small-1", Kind.SINGLE, "one", "1", Difficulty.EASY, "Is it?", options=options)
    module = Module(
        slug="small",
        number=9,
        title="Small",
        purpose="You can.",
        version="1.0",
        change="First version.",
        material=False,
        changed=[],
        objectives=[Objective("one", "Do it.")],
        references=[Reference("1", "45 CFR 160", "Says it.")],
        rules=Rules(80, 1, [600], None),
        blueprint={"one": {Difficulty.EASY: 1}},
        card=[Card("Do", ["It"])],
        lessons=[Lesson("first", "First", 3, ["one"], ["1"], "![It](pictures/it.svg)", "Is it?", options)],
        items=[item],
        pictures={"it.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>"},
        sha256="0" * 64,
    )
    fields = {name: getattr(module, name) for name in ("slug", "number", "title", "version", "change", "sha256")}
    ModuleVersion.objects.create(**fields, content=packing.pack(module), in_force=True)
    return {
        "module": "small",
        "lesson": "first",
        "picture": "it.svg",
        "number": "1",
        "attempt": begun(person, "small").pk,
    }


def read_lessons(person: User, slug: str = SLUG, *, but: int = 0) -> None:
    """Every lesson of the module marked as read, but the last so many."""
    version = enrolments.in_force(slug)
    for lesson in version.module.lessons[: len(version.module.lessons) - but]:
        learning.mark_read(person=person, slug=slug, lesson=lesson.key, version_id=version.pk)


def begun(person: User, slug: str = SLUG) -> Attempt:
    """An attempt that the person has just begun."""
    read_lessons(person, slug)
    return attempts.start(person=person, slug=slug)


def right(question: Question) -> dict[str, list[str]]:
    """The fields of a form that answers the question rightly."""
    return right_fields(question.item, question.drawn)


def fill(attempt: Attempt, *, first: int = 99) -> None:
    """The first so many questions answered rightly."""
    for question in attempts.form_of(attempt)[:first]:
        attempts.save(attempt=attempt, number=question.answer.number, sent=right(question), revision=0)


def passed(person: User, slug: str = SLUG) -> Attempt:
    attempt = begun(person, slug)
    fill(attempt)
    return attempts.submit(attempt=attempt, attested=True)


def failed(person: User, slug: str = SLUG) -> Attempt:
    return attempts.submit(attempt=begun(person, slug), attested=True)


@contextmanager
def ago(**passed: int) -> Iterator[None]:
    """What is done meanwhile was done so long ago."""
    then = clock.now() - timedelta(**passed)
    with mock.patch.object(clock, "now", return_value=then):
        yield

"""The pages a learner reads: modules, lessons with their check, pictures, card, transcript."""

from __future__ import annotations

from dataclasses import replace
from html import unescape
from unittest import mock
from uuid import uuid4

import pytest
from django.test import Client

from tests import cast
from tests.training import certified
from tests.training import making_learning as making
from training import enrolments, learning
from training.bank.types import Lesson
from training.models import LessonRead, ModuleVersion

pytestmark = pytest.mark.django_db
SLUG = making.SLUG


@pytest.fixture(autouse=True)
def _content() -> None:
    certified.load_content()


@pytest.fixture
def client() -> Client:
    return cast.sign_in(Client(), cast.nadia())


def text(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200, address
    return unescape(response.content.decode())


def first() -> Lesson:
    return enrolments.in_force(SLUG).module.lessons[0]


def test_every_module_and_lesson_opens(client: Client) -> None:
    home = text(client, "/training/")
    for version in ModuleVersion.objects.in_force():
        assert version.title in home
        assert version.module.objectives[0].text in text(client, f"/training/{version.slug}/")
        assert version.module.card[0].heading in text(client, f"/training/{version.slug}/card/")
        for lesson in version.module.lessons:
            page = text(client, f"/training/{version.slug}/{lesson.key}/")
            assert lesson.question in page
            assert not any(option.why in page for option in lesson.options)


def test_the_check_explains_what_was_chosen_and_keeps_nothing(client: Client) -> None:
    address = f"/training/{SLUG}/{first().key}/"
    pages = [unescape(client.post(address, {"answer": letter}).content.decode()) for letter in "abc"]
    for option in first().options[:3]:
        assert sum(option.why in page for page in pages) == 1
    assert sum("Correct." in page for page in pages) == 1
    assert "Choose one, then check it." in unescape(client.post(address, {"answer": "z"}).content.decode())
    assert not LessonRead.objects.exists()


def test_a_lesson_counts_once_the_button_is_pressed(client: Client) -> None:
    version = enrolments.in_force(SLUG)
    address = f"/training/{SLUG}/{first().key}/read/"
    second = f"/training/{SLUG}/{version.module.lessons[1].key}/"
    for _ in range(2):
        assert client.post(address, {"version": version.pk})["Location"] == second
    assert LessonRead.objects.count() == 1
    assert learning.overview(cast.nadia()).of(SLUG).read == 1


def test_a_lesson_that_has_changed_is_not_marked_by_an_older_page(client: Client) -> None:
    version = enrolments.in_force(SLUG)
    address = f"/training/{SLUG}/{first().key}/read/"
    client.post(address, {"version": uuid4()})
    client.post(address, {"version": "no id"})
    assert not LessonRead.objects.exists()
    client.post(address, {"version": version.pk})
    module = version.module
    newer = replace(module, lessons=[replace(first(), text="Another text."), *module.lessons[1:]])
    with mock.patch.object(ModuleVersion, "module", newer):
        assert learning.overview(cast.nadia()).of(SLUG).read == 0


def test_pictures_are_served_as_nothing_but_pictures(client: Client) -> None:
    pictures = enrolments.in_force(SLUG).module.pictures
    response = client.get(f"/training/{SLUG}/pictures/{next(iter(pictures))}")
    assert response["Content-Type"] == "image/svg+xml"
    policy = {part.strip() for part in response["Content-Security-Policy"].split(";")}
    assert policy == {"default-src 'none'", "frame-ancestors 'none'"}
    assert client.get(f"/training/{SLUG}/pictures/other.svg").status_code == 404


@pytest.mark.parametrize("address", ["nothing/", f"{SLUG}/nothing/", "nothing/card/", "nothing/assessment/"])
def test_what_is_not_there_is_not_found(client: Client, address: str) -> None:
    assert client.get(f"/training/{address}").status_code == 404


def test_who_has_passed_is_told_so_and_has_it_in_the_transcript(client: Client) -> None:
    nadia = cast.nadia()
    making.passed(nadia)
    version = enrolments.in_force(SLUG)
    marked = client.post(f"/training/{SLUG}/{first().key}/read/", {"version": version.pk}, follow=True)
    assert "You have passed this module." in marked.content.decode()
    page = text(client, "/training/transcript/")
    assert version.title in page
    assert "100%, passed" in page
    assert "1 of 6 passed" in text(client, "/training/")

"""The portal on a real port, with a worker, as a browser meets it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from chat import releases, streams
from chat.corpus import loaders
from chat.corpus.ingest import ingest
from chat.models import Collection
from chat.pipeline.run import run
from compliance.models import User
from tests import cast, remembering
from tests.browser import checks

STARTER = Path(__file__).parents[2] / "chat/corpus/starter/monographs"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = pytest.mark.skip(reason="Debian's Chromium is not installed (apt install chromium)")
    for item in items:
        if "browser" in item.path.parts:
            item.add_marker(pytest.mark.browser)
            if not Path(checks.CHROMIUM).exists():
                item.add_marker(missing)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = checks.launch(playwright)
        yield browser
        browser.close()


@pytest.fixture
def portal(transactional_db: None, live_server: object, monkeypatch: pytest.MonkeyPatch) -> str:
    """Address of the running portal. Questions are answered by a thread of the test, as a worker would."""
    collection = Collection.objects.create(slug="starter", name="Starter set", starter=True)
    names = ("warfarin", "trimethoprim-sulfamethoxazole")
    sources = [source for name in names for source in loaders.read(STARTER / f"{name}.md").sources]
    ingest(sources=sources, collection=collection)
    with remembering.vectors():
        releases.embed_waiting()
    monkeypatch.setattr("chat.tasks.answer_turn.delay", _answer_in_a_thread)
    return str(live_server)


def _answer_in_a_thread(turn_id: str) -> None:
    from uuid import UUID

    def work() -> None:
        pk = UUID(turn_id)
        if run(pk, publish=streams.publisher(pk)):
            streams.publish_ending(pk)
        connections.close_all()

    threading.Thread(target=work).start()


expect.set_options(timeout=15_000)  # two busy cores

SignIn = Callable[..., Page]


@pytest.fixture
def open_as(browser: Browser, portal: str) -> Iterator[SignIn]:
    """A page of somebody who is signed in; keyword arguments as for checks.context."""
    contexts: list[BrowserContext] = []

    def opened(user: User | None, **options: object) -> Page:
        context = checks.context(browser, **options)  # type: ignore[arg-type]
        contexts.append(context)
        if user is not None:
            client = cast.sign_in(Client(), user)
            key = client.cookies[settings.SESSION_COOKIE_NAME].value
            context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": key, "url": portal}])
        return context.new_page()

    yield opened
    for context in contexts:
        context.close()


Judged = Callable[[Mapping[str, User | None]], list[str]]


@pytest.fixture
def judged(open_as: SignIn, portal: str) -> Judged:
    """What is wrong with the pages at these addresses, each opened once by its person; nobody signs in twice."""
    contexts: dict[object, BrowserContext] = {}

    def look(addresses: Mapping[str, User | None]) -> list[str]:
        found = []
        for address, person in addresses.items():
            key = person and person.pk
            if key not in contexts:
                contexts[key] = open_as(person).context
            page = contexts[key].new_page()  # what the page before has left undone is none of this one's errors
            watch = checks.Watch(page)
            page.goto(portal + address)
            found += [f"{address}: {problem}" for problem in (*checks.judge(page), *watch.problems())]
            page.close()
        return found

    return look

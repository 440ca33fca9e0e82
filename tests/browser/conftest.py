"""The portal on a real port, with a worker, as a browser meets it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client
from django.test.testcases import LiveServerThread
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from chat import releases, streams
from chat.corpus import loaders
from chat.corpus.ingest import ingest
from chat.models import Collection
from chat.pipeline.run import run
from compliance.models import User
from tests import cast, remembering
from tests.browser import checks
from tests.processes import PATIENCE, until

WORKER = "in the place of a worker"
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


@pytest.fixture(autouse=True)
def _at_rest(request: pytest.FixtureRequest, _settings: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test is over when nobody works for it any more: what a closed page has asked for is still being answered.

    One answer more, and it is given in the next test, or between the two: without a database, from settings that are
    about to be undone, into tables that are being emptied.
    """
    before = set(threading.enumerate())
    yield
    if "live_server" in request.fixturenames:
        taken_in(request.getfixturevalue("live_server").thread)
        until(lambda: not at_work() - before, "a request or a question of this test does not end")


def taken_in(server: LiveServerThread) -> None:
    """Wait until no connection waits to be taken by the server: it takes them in the order in which they came."""
    connection = HTTPConnection(server.host, server.port, timeout=PATIENCE)
    connection.request("GET", "/static/logo.svg", headers={"Connection": "close"})
    connection.getresponse().read()
    connection.close()


def at_work() -> set[threading.Thread]:
    """The threads that answer requests, and those that stand in for workers."""
    return {one for one in threading.enumerate() if WORKER in one.name or "process_request_thread" in one.name}


def in_a_thread(work: Callable[[], Any]) -> None:
    """Do it as a worker would: apart from the request that asks for it, and without an end to wait for."""

    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    threading.Thread(target=run, name=WORKER).start()


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
    def work() -> None:
        pk = UUID(turn_id)
        if run(pk, publish=streams.publisher(pk)):
            streams.publish_ending(pk)

    in_a_thread(work)


expect.set_options(timeout=checks.PATIENCE)

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

"""Twenty people who check lists of ten medicines on the page of interactions, at the same time.

Each sends a list, is led to the result and reads it for one to three seconds; then all again without reading, which
shows what two processes can do. A database of its own, dropped afterwards, and a web server as deployed.
"""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from typing import Any
from urllib.parse import urlencode

from django.test import override_settings
from django.urls import reverse

from bench import scratch, serving
from bench.data import keep, percentile, table
from chat.interactions import current

PEOPLE = 20
LISTS = 20
MEDICINES = 10
READING = (1.0, 3.0)
NONE = (0.0, 0.0)


def run(collection: str) -> str | None:
    logging.disable(logging.WARNING)
    plain = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
    limits = dict.fromkeys(("sign_in", "ask", "draft", "mask_report", "api", "export"), (1000000, 60))
    kept: list[dict[str, Any]] = []
    try:
        with (
            scratch.database(),
            override_settings(STORAGES=plain, ALLOWED_HOSTS=[serving.HOST], LIMITS=limits),
        ):
            names = sorted(drug.name for drug in current.current().drugs.values() if drug.common)
            keys = [serving.sign_in(person) for person in serving.people(PEOPLE)]
            with serving.server() as port:
                _all(port, keys, names, lists=2, pause=NONE)  # each process has loaded the table then
                for words, pause in (("reading 1 to 3 s", READING), ("without reading", NONE)):
                    kept += _rows(words, _all(port, keys, names, lists=LISTS, pause=pause))
    finally:
        logging.disable(logging.NOTSET)
    print(f"{PEOPLE} people, {LISTS} lists of {MEDICINES} medicines each; ms")
    table(["", "request", "n", "p50", "p95", "p99"], [list(row.values()) for row in kept])
    keep("checking", {"rows": kept})
    return None


def _rows(words: str, found: dict[str, list[float]]) -> list[dict[str, Any]]:
    return [
        {
            "people": words,
            "request": what,
            "n": len(ms),
            **{f"p{share}": f"{percentile(ms, share / 100):.0f}" for share in (50, 95, 99)},
        }
        for what, ms in found.items()
    ]


def _all(
    port: int, keys: list[str], names: list[str], *, lists: int, pause: tuple[float, float]
) -> dict[str, list[float]]:
    """Milliseconds of every request, by what it was."""
    found: dict[str, list[float]] = {"form": [], "check": [], "result": []}
    people = enumerate(keys)
    given = [(port, key, names, random.Random(n), lists, pause, found) for n, key in people]  # no secret
    each = [threading.Thread(target=_person, args=one) for one in given]
    for thread in each:
        thread.start()
    for thread in each:
        thread.join()
    return found


def _person(
    port: int,
    key: str,
    names: list[str],
    chance: random.Random,
    lists: int,
    pause: tuple[float, float],
    found: dict[str, list[float]],
) -> None:
    for _ in range(lists):
        time.sleep(chance.uniform(*pause))
        page, cookie = _timed(found["form"], port, "GET", reverse("interactions"), f"session={key}")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        if token is None:
            raise SystemExit("the form was not answered")
        chosen = "\n".join(chance.sample(names, MEDICINES))
        body = urlencode({"csrfmiddlewaretoken": token[1], "medicines": chosen})
        cookie = f"session={key}; {cookie}"
        address, _ = _timed(found["check"], port, "POST", reverse("interactions"), cookie, body)
        time.sleep(chance.uniform(*pause))
        _timed(found["result"], port, "GET", address, cookie)


def _timed(times: list[float], port: int, method: str, path: str, cookie: str, body: str = "") -> tuple[str, str]:
    """The page, or where it leads, and the cookie that came with it."""
    started = time.perf_counter()
    status, headers, page = serving.ask(port, method, path, cookie, body)
    times.append((time.perf_counter() - started) * 1000)
    if status not in {200, 302}:
        raise SystemExit(f"{method} {path} was answered with {status}")
    return (headers["Location"] if status == 302 else page), headers.get("Set-Cookie", "").split(";")[0]

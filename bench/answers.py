"""From question to `done` through the running portal: sign in as the demo clinician, ask, read the event stream.

Start it first with `make run`. Every request goes over loopback HTTP as a browser sends it.
"""

from __future__ import annotations

import http.cookiejar
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from django.conf import settings

from bench.data import keep, percentile, questions, table
from compliance import demo

QUESTIONS = 60
EMAIL = demo.CAST["alice"].email


def run(collection: str) -> str | None:
    portal = Portal(f"http://127.0.0.1:{settings.PORT}")
    asked = [row["question"] for row in questions() if row["answerable"]][:QUESTIONS]
    if not asked:
        return "needs ../shared/data"
    try:
        portal.sign_in()
    except urllib.error.URLError:
        return f"no portal answers on port {settings.PORT} (make run starts it)"
    for question in asked[:4]:
        portal.ask(question)
    times = [portal.ask(question) for question in asked]
    rows: list[list[Any]] = []
    for i, name in enumerate(("redirect to the conversation", "first event", "done")):
        values = [t[i] for t in times]
        rows.append([name, len(values), *(f"{percentile(values, p):.0f}" for p in (0.5, 0.95)), f"{max(values):.0f}"])
    table(["from sending the question", "n", "p50 ms", "p95 ms", "max ms"], rows)
    keep("answers", {row[0]: {"n": row[1], "p50_ms": float(row[2]), "p95_ms": float(row[3])} for row in rows})
    return None


class Portal:
    """A browser of sorts: cookies, forms and one event stream."""

    def __init__(self, address: str) -> None:
        self.address = address
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(cookies)

    def get(self, path: str) -> Any:
        return self.opener.open(self.address + path, timeout=30)

    def post(self, path: str, page: str, **fields: str) -> Any:
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        data = urllib.parse.urlencode({"csrfmiddlewaretoken": token[1] if token else "", **fields}).encode()
        return self.opener.open(urllib.request.Request(self.address + path, data=data), timeout=30)

    def sign_in(self) -> None:
        page = self.get("/signin/").read().decode()
        password = (settings.VAR / "keys/demo_password").read_text().strip()
        page = self.post("/signin/", page, email=EMAIL, password=password).read().decode()
        self.page = self.post("/signin/code/", page, code=demo.current_code(EMAIL).digits).read().decode()

    def ask(self, question: str) -> tuple[float, float, float]:
        """Milliseconds until the conversation page, the first event and the terminal event."""
        started = time.perf_counter()
        page = self.post("/ask/", self.page, question=question).read().decode()
        redirected = time.perf_counter()
        stream = re.search(r'"(/ask/answers/[0-9a-f-]+/events/)"', page)
        first = 0.0
        if stream:
            for line in self.get(stream[1]):
                if line.startswith(b"event:"):
                    first = first or time.perf_counter()
                    if line.split()[1] in {b"done", b"abstain", b"failed"}:
                        break
        ended = time.perf_counter()  # without a stream the page already held the answer
        return tuple((moment - started) * 1000 for moment in (redirected, first or redirected, ended))  # type: ignore[return-value]

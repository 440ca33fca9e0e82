"""An invented patient is spoken of in every place of the portal that takes text, over HTTP, by the people who may."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests
from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.contrib.messages.storage.cookie import CookieStorage
from django.http import HttpRequest
from django.test import Client

from chat.models import Conversation, Turn
from compliance.access import Role
from compliance.models import BreakGlass, MaskReport, NetworkBlock, RoleRequest, User
from tests import cast
from tests.compliance.canary import Identity
from tests.processes import until
from training.approval_forms import opened
from training.models import AccessRequest


class Visitor:
    """A browser. Its headers speak of the patient too."""

    def __init__(self, portal: Portal, user: User | None = None) -> None:
        self.portal = portal
        self.session = requests.Session()
        name = portal.who.surname
        self.session.headers.update(
            {
                "User-Agent": f"Mozilla/5.0 (X11; Linux) Firefox/140.0 {name}",
                "Referer": f"{portal.address}/patients/{name}/?q={quote(portal.who.texts[0])}",
                "X-Forwarded-For": name,
                "Accept-Language": name,
                "Connection": "close",  # the server ends it after what it refuses
            }
        )
        self.session.cookies.set("other", name)
        self.session.hooks["response"].append(self._keep_cookies)
        if user is not None:
            key = cast.sign_in(Client(), user).cookies[settings.SESSION_COOKIE_NAME].value
            self.session.cookies.set(settings.SESSION_COOKIE_NAME, key)
        page = self.get("/signin/" if user is None else "/settings/")
        assert page.status_code == 200, page.text

    def _keep_cookies(self, response: requests.Response, **_: Any) -> None:
        """What a browser would keep, also compressed."""
        with (self.portal.kept / "cookies").open("a") as file:
            for name, value in response.cookies.items():
                request = HttpRequest()
                request.COOKIES = {name: (value or "").strip('"')}
                file.write(f"{name}={value} {[str(one) for one in CookieStorage(request)]}\n")

    def get(self, path: str, **query: str) -> requests.Response:
        return self.session.get(self.portal.address + path, params=query, timeout=60, allow_redirects=False)

    def post(self, path: str, **fields: Any) -> requests.Response:
        token = {"csrfmiddlewaretoken": self.session.cookies[settings.CSRF_COOKIE_NAME]}
        return self.session.post(self.portal.address + path, data=token | fields, timeout=60, allow_redirects=False)

    def send(self, path: str, body: str | bytes | None, **more: Any) -> requests.Response:
        headers = {"Content-Type": "application/json"} | more.pop("headers", {})
        data = body.encode() if isinstance(body, str) else body
        return self.session.post(self.portal.address + path, data=data, headers=headers, timeout=60, **more)


class Portal:
    def __init__(self, port: str, who: Identity, kept: Path) -> None:
        self.address, self.port, self.who, self.kept = f"http://127.0.0.1:{port}", int(port), who, kept
        self._texts = itertools.cycle(who.texts)

    def text(self) -> str:
        """The next way of speaking of the patient."""
        return next(self._texts)

    def walk(self) -> None:
        turn = self._asks()
        self._rates_and_reports(turn)
        self._searches()
        self._opens_in_an_emergency(turn.conversation)
        self._blocks_and_gives_roles()
        self._judges()
        self._looks_at_the_trail()
        self._signs_in()
        self._goes_wrong(turn)

    def _asks(self) -> Turn:
        self.alice = Visitor(self, cast.alice())
        sent = self.alice.post("/ask/", question=self.who.texts[0])
        assert sent.status_code == 302, sent.text
        address = sent.headers["Location"]
        for text in ("", *self.who.texts[1:5]):
            if text:
                assert self.alice.post(address, question=text).status_code == 302
            until(lambda: not Turn.objects.unfinished().exists(), "the worker does not answer")
        assert not Turn.objects.filter(status=Turn.Status.FAILED).exists()
        turn = Turn.objects.get(number=1)
        self.alice.get(f"/ask/answers/{turn.pk}/events/")
        page = self.alice.get(address).text
        assert self.who.surname in page, "its author sees it"
        return turn

    def _rates_and_reports(self, turn: Turn) -> None:
        answer = f"/ask/answers/{turn.pk}"
        for text in (self.text(), self.text()):
            fields = {"helpful": "no", "reasons": "wrong", "comment": text}
            assert self.alice.post(f"{answer}/feedback/", **fields).status_code == 302
        wrong = {"kind": "wrong", "token": "[NAME-1]", "note": self.text()}
        assert self.alice.post(f"{answer}/mask-report/", **wrong).status_code == 302
        missed = {"kind": "missed", "words": f"{self.who.surname} elsewhere", "note": self.text()}
        assert self.alice.post(f"{answer}/mask-report/", **missed).status_code == 422
        assert self.alice.post("/ask/identifiers/", question=self.text()).json()["count"]

    def _searches(self) -> None:
        for path in ("/library/", "/ask/search/"):
            answer = self.alice.post(path, q=self.text())
            assert answer.status_code == 302
            self.alice.get(answer.headers["Location"])
            self.alice.get(path, q=self.text())
        self.alice.get("/ask/", q=self.text())
        dora = Visitor(self, cast.dora())
        dora.get("/compliance/people/", q=self.text())

    def _opens_in_an_emergency(self, conversation: Conversation) -> None:
        bob = Visitor(self, cast.bob())
        bob.get(f"/patients/{self.who.surname}/")
        bob.get("/access/emergency/", **{"for": f"/patients/{self.text()}/"})
        assert bob.post("/access/emergency/", what=self.text(), reason=self.text()).status_code == 200
        taken = bob.post("/access/emergency/", what=str(conversation.pk), reason=f"Needed now: {self.text()}")
        assert taken.status_code == 302
        assert bob.get(conversation.get_absolute_url()).status_code == 200

    def _blocks_and_gives_roles(self) -> None:
        sam, ada = Visitor(self, cast.sam()), Visitor(self, cast.ada())
        assert sam.post("/compliance/blocks/", network="203.0.113.0/24", reason=self.text()).status_code == 302
        assert sam.post("/compliance/blocks/", network=self.text(), reason=self.text()).status_code == 200
        sam.get("/compliance/blocks/", find=self.text())
        assert NetworkBlock.objects.exists()
        wish = {"kind": "give", "role": Role.AUDITOR, "reason": self.text()}
        assert sam.post(f"/compliance/people/{cast.nadia().pk}/role/", **wish).status_code == 302
        sam.post(f"/compliance/people/{cast.nadia().pk}/role/", kind=self.text(), role=self.text(), reason="x")
        asked = RoleRequest.objects.get()
        assert ada.post(f"/compliance/roles/{asked.pk}/refuse/", note=self.text()).status_code == 302
        wanted = AccessRequest.objects.create(person=cast.nadia(), stage="trained")
        back = {"step": "return", "opened": opened(wanted), "reason": self.text()}
        assert ada.post(f"/compliance/approvals/{wanted.pk}/decide/", **back).status_code == 302
        ada.get("/compliance/approvals/", q=self.text(), department=self.text())
        assert ada.get(f"/admin/compliance/user/{self.who.surname}/change/").status_code == 404
        ada.get("/admin/compliance/user/", q=self.text())

    def _judges(self) -> None:
        pat, carol = Visitor(self, cast.pat()), Visitor(self, cast.carol())
        access, report = BreakGlass.objects.get(), MaskReport.objects.get()
        judged = {"finding": "justified", "note": f"It was needed: {self.text()}"}
        assert pat.post(f"/compliance/emergency/{access.pk}/", **judged).status_code == 302
        assert self.who.surname in pat.post(f"/compliance/masking/{report.pk}/words/").text
        settled = {"outcome": "software", "note": self.text()}
        assert pat.post(f"/compliance/masking/{report.pk}/settle/", **settled).status_code == 302
        term = {"kind": "mask", "words": self.who.surname, "label": "NAME", "reason": self.text()}
        assert pat.post("/compliance/masking/terms/new/", **term).status_code == 302
        carol.post("/compliance/audit/retention/ask/", before=self.text(), reason=self.text())

    def _looks_at_the_trail(self) -> None:
        audra = Visitor(self, cast.audra())
        number = self.who.values["mrn"]
        for name in ("person", "patient", "object_type", "object_id", "since", "correlation", self.who.surname):
            audra.get("/compliance/audit/", **{name: self.text()})
            audra.post("/compliance/audit/export/", format="csv", **{name: self.text()})
        audra.get("/compliance/audit/", object_type="chat.Chunk", object_id=number)
        assert audra.post("/compliance/audit/patient/", record_number=number).status_code == 302
        for form in ("csv", "jsonl", "fhir"):
            made = audra.post("/compliance/audit/export/", format=form)
            assert made.status_code == 200
            (self.kept / f"trail.{form}").write_bytes(made.content)

    def _signs_in(self) -> None:
        stranger = Visitor(self)
        target = f"/library/?{self.who.surname}={self.who.surname}&q={quote(self.text())}"
        stranger.get(target)
        stranger.post("/signin/", email=self.who.values["email"], password=self.text(), next=target)
        nadia = cast.nadia()
        nadia.password = Argon2PasswordHasher().encode(cast.PASSWORD, "saltsaltsalt")  # as an installation keeps them
        nadia.save(update_fields=["password"])
        known = {"email": nadia.email, "password": cast.PASSWORD, "next": target}
        assert stranger.post("/signin/", **known).status_code == 302
        stranger.get("/signin/", next=f"/patients/{self.text()}/")
        stranger.send("/api/auth/login", f'{{"email": "{self.who.values["email"]}", "password": "x"}}')
        stranger.send("/csp/", f'{{"csp-report": {{"blocked-uri": "{self.who.surname}", "effective-directive": "x"}}}}')

    def _goes_wrong(self, turn: Turn) -> None:
        name, text = self.who.surname, self.text()
        sam = Visitor(self, cast.sam())
        for address in (f"/{name}/", f"/ask/{quote(text)}/", f"/api/patients/{name}", f"/static/{name}.js"):
            assert self.alice.get(address, q=text).status_code == 404
        body = f'{{"ips": ["203.0.113.9"], "reason": "{text}", "{name}": "{text}"'
        csrf = {"X-CSRFToken": sam.session.cookies[settings.CSRF_COOKIE_NAME]}
        for wrong in (body, body + "}", f'["{text}"]', text.encode("utf-16"), f'{{"ips": ["{name}"], "reason": 5}}'):
            assert sam.send("/api/security/block-ip", wrong, headers=csrf).status_code == 400
        right = f'{{"ips": ["203.0.113.9"], "reason": "{text}"}}'
        assert sam.send("/api/security/block-ip", right, headers=csrf).status_code == 200
        assert self.alice.send(f"/ask/answers/{turn.pk}/feedback/", text).status_code == 403  # without its token
        files = {name: (f"{name}.txt", text * 1000)}
        assert self.alice.send("/ask/", None, files=files, headers={"Content-Type": None}).status_code == 403
        assert self.alice.send("/ask/", (text * 50_000)[: 2**20 + 9]).status_code in {403, 413}
        self.alice.session.get(self.address + "/ask/", headers={"Host": f"{name}.example"}, timeout=60)
        for raw in (
            f"GET /{name}/ nonsense\r\n\r\n",
            f"{name} / HTTP/1.1\r\n\r\n",
            f"GET / HTTP/1.1\r\n{text}\r\n\r\n",
        ):
            with socket.create_connection(("127.0.0.1", self.port), timeout=10) as line:
                line.sendall(raw.encode())
                line.recv(1000)


def everything(value: object) -> Iterator[bytes]:
    """The texts inside what Redis returned."""
    if isinstance(value, dict):
        for pair in value.items():
            yield from everything(pair)
    elif isinstance(value, (list, tuple, set)):
        for one in value:
            yield from everything(one)
    else:
        yield value if isinstance(value, bytes) else str(value).encode()

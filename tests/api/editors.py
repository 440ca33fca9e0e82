"""Who calls the API of the knowledge base, and what it brings."""

from __future__ import annotations

import itertools
from typing import Any
from uuid import uuid4

from django.core.files.uploadedfile import SimpleUploadedFile

from chat import uploads
from chat.models import Collection, DocumentVersion, Upload
from compliance import demo
from compliance.access import Action, Role, services, tokens
from compliance.access.factors import Factor
from compliance.models import RoleAssignment, User
from tests import cast
from tests.api.conftest import Api

TEXT = "# Heparin protocol\n\n## Dose\n\nStart heparin at 18 units per kg per hour. Check anti-Xa after six hours.\n"
DESCRIBED = {
    "title": "Heparin protocol",
    "kind": "protocol",
    "owner": "Pharmacy",
    "source": "This hospital",
    "licence": "Internal",
    "effective_from": "2026-01-01",
    "review_by": "2099-01-01",
}
_numbers = itertools.count(1)


def editor(key: str = "edith", department: str = "") -> User:
    """A knowledge editor."""
    name = f"{key.capitalize()} Ekholm"
    person = demo.Person(key, name, "knowledge editor", "", department, frozenset({Role.KNOWLEDGE_EDITOR}))
    return demo.ensure(person, password=cast.PASSWORD)


def program(*scopes: Action) -> Api:
    """The document system of the hospital: a knowledge editor whose token is for these."""
    account = services.create(name=f"Document system {next(_numbers)}")
    RoleAssignment.objects.give(user=account, role=Role.KNOWLEDGE_EDITOR)
    wanted = scopes or (Action.READ_LIBRARY, Action.READ_DRAFTS, Action.EDIT_LIBRARY)
    _, token = services.make_token(account_id=account.pk, name="x", scopes=wanted, days=1, by=cast.sam())
    api = Api()
    api.access = token
    return api


def signed_in(user: User) -> Api:
    """As after both steps, which have their own tests."""
    api = Api()
    pair = tokens.begin(user, begun_with=uuid4().hex, factor=Factor.APP, source="127.0.0.1", agent="test")
    api.access, api.refresh = pair.access, pair.refresh
    return api


def send(api: Api, into: Collection, text: str = TEXT, *, name: str = "heparin.md", **fields: Any) -> Any:
    """POST a file as a form."""
    file = SimpleUploadedFile(name, text.encode())
    headers = {"Authorization": f"Bearer {api.access}"} if api.access else {}
    form = {"collection": into.slug, "file": file} | fields
    return api.client.post("/api/library/uploads", form, headers=headers)


def pushed(api: Api, into: Collection, text: str = TEXT, **fields: Any) -> DocumentVersion:
    """The draft of a file that was sent and read."""
    answer = send(api, into, text, **fields)
    assert answer.status_code == 202, answer.content
    uploads.read(Upload.objects.get(pk=answer.json()["id"]).pk)
    return DocumentVersion.objects.get(uploads=answer.json()["id"])


def described(api: Api, draft: DocumentVersion, **fields: Any) -> Any:
    body = {"revision": DocumentVersion.objects.get(pk=draft.pk).revision} | DESCRIBED | fields
    answer = api.send("PATCH", f"library/drafts/{draft.pk}", body)
    assert answer.status_code == 200, answer.content
    return answer.json()

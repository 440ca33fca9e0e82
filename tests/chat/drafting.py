"""Drafts in the states the pages show, made through the services."""

from __future__ import annotations

from datetime import date
from typing import Any

from chat import drafts, uploads
from chat.models import Collection, DocumentVersion, Upload
from compliance.models import User
from tests import cast

COMPLETE: dict[str, Any] = {
    "title": "Heparin protocol",
    "kind": "protocol",
    "owner": "Pharmacy",
    "source": "Written here",
    "licence": "Ours",
    "effective_from": date(2026, 1, 1),
    "review_by": date(2999, 1, 1),
}
TEXT = "# Heparin protocol\n\n## Bolus\n\nGive the bolus of heparin within ten minutes.\n"
PATIENT = f"{TEXT}\nMr. Delacroix, MRN 88231904, was given it.\n"


def draft(into: Collection, text: str = TEXT, name: str = "heparin.md", by: User | None = None) -> DocumentVersion:
    """As an upload makes it."""
    upload = uploads.receive(by=by or cast.edith(), collection=into, name=name, content=text.encode())
    uploads.read(upload.pk)
    read = Upload.objects.get(pk=upload.pk)
    assert not read.problems, read.problems
    return read.drafts.get()


def described(found: DocumentVersion, **fields: Any) -> DocumentVersion:
    return drafts.describe(draft=found, by=cast.edith(), revision=found.revision, fields=COMPLETE | fields)


def in_review(into: Collection, text: str = TEXT, **options: Any) -> DocumentVersion:
    found = described(draft(into, text, **options))
    return drafts.submit(draft=found, by=cast.edith(), revision=found.revision)


def approved(into: Collection, text: str = TEXT, **options: Any) -> DocumentVersion:
    found = in_review(into, text, **options)
    return drafts.decide(draft=found, by=cast.dora(), approve=True, revision=found.revision)

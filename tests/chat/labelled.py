"""A collection of a few invented drugs, and questions whose right documents are known."""

from __future__ import annotations

from typing import Any

from chat import gate, releases
from chat.corpus.ingest import ingest
from chat.corpus.loaders import Source
from chat.models import Collection, DocumentVersion
from tests import remembering

DRUGS = {
    "brevoxil": "Brevoxil is given for migraine. The usual dose of brevoxil is 40 mg by mouth once daily.",
    "carduline": "Carduline is held before surgery. Stop carduline three days before an operation because of bleeding.",
    "denopril": "Denopril raises potassium. Check serum potassium one week after the first dose of denopril.",
    "etorazol": "Etorazol must not be given in pregnancy. Etorazol causes cleft palate in the first trimester.",
}
QUESTIONS: dict[str, tuple[str, str]] = {
    "dose": ("What is the usual dose of brevoxil for migraine?", "brevoxil"),
    "surgery": ("When is carduline stopped before an operation?", "carduline"),
    "potassium": ("When is serum potassium checked after denopril?", "denopril"),
    "pregnancy": ("Is etorazol given in pregnancy?", "etorazol"),
}
NOT_HERE = ("Which school bus goes to the harbor on Sundays?", "How is a violin tuned?")


def source(name: str, text: str = "") -> Source:
    return Source(external_id=name, title=name.capitalize(), text=text or DRUGS[name])


def load(collection: Collection, *sources: Source) -> None:
    ingest(sources=sources, collection=collection)
    with remembering.vectors():
        releases.embed_waiting()


def drugs(slug: str = "drugs") -> Collection:
    """The collection with its documents published."""
    collection = Collection.objects.create(slug=slug, name="Drugs")
    load(collection, *(source(name) for name in DRUGS))
    return collection


def rows() -> list[dict[str, Any]]:
    found = [
        {"id": name, "question": text, "relevant": {document: 2}, "answerable": True, "kind": "fact"}
        for name, (text, document) in QUESTIONS.items()
    ]
    found += [
        {"id": f"not-here-{number}", "question": text, "relevant": {}, "answerable": False, "kind": "off-topic"}
        for number, text in enumerate(NOT_HERE, 1)
    ]
    return found


def ask_of(collection: Collection) -> None:
    gate.add_questions(collection=collection, rows=rows(), by=None)


def searched(collection: Collection) -> dict[str, int]:
    """Which version of which document is searched."""
    found = DocumentVersion.objects.filter(document__collection=collection, status="published")
    return dict(found.values_list("document__external_id", "number"))

"""Quality and the questions of the gate in a browser: charts that can be read, forms that work without scripts."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.urls import reverse
from playwright.sync_api import FilePayload, expect

from chat.models import Calibration, Collection, EmbeddingIndex, Evaluation, IndexProof
from clinchat.lib import clock
from tests import cast
from tests.browser import checks
from tests.browser.conftest import SignIn
from tests.chat.test_quality_page import BUS, CURVE, DOSE, FIGURES, collection, measured

__all__ = ["collection"]  # a fixture


@pytest.fixture
def portal(transactional_db: None, live_server: object) -> str:
    """Without the starter library of the other browser tests: nothing is answered here."""
    return str(live_server)


@pytest.fixture
def figures(portal: str, collection: Collection) -> list[Evaluation]:
    EmbeddingIndex.objects.create(model="m", dimensions=3, state="active")
    Calibration.objects.create(
        model="m", active=True, asked=0.05, weights={}, threshold=0.31, curve=CURVE, figures=FIGURES
    )
    IndexProof.objects.create(ok=False, passages=9, sampled=9, recall=0.978, found={"texts": 3}, seconds=1)
    at = clock.now() - timedelta(days=20)
    made = [
        measured(
            collection,
            at=at + timedelta(days=n),
            ndcg=0.55 + 0.01 * n,
            declined_wrongly=0.08 - 0.002 * n,
            declined_rightly=0.4 + 0.02 * n,
            passed=n != 9,
        )
        for n in range(20)
    ]
    collection.questions.create(external_id="dose", text="What is the dose of brevoxil?", relevant={"brevoxil": 2})
    collection.questions.create(external_id="gone", text="What is the dose of etorazol?", relevant={"etorazol": 2})
    return made


def test_questions_are_sent_without_scripts(open_as: SignIn, portal: str, collection: Collection) -> None:
    page = open_as(cast.edith(), scripts=False)
    page.goto(f"{portal}{reverse('library-questions', args=['drugs'])}")
    file: FilePayload = {"name": "q.jsonl", "mimeType": "application/jsonl", "buffer": b"{"}
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Line 1: this is not JSON.")).to_be_visible()
    file["buffer"] = f"{json.dumps(DOSE)}\n{json.dumps(BUS)}\n".encode()
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("2 new, 0 changed, 0 as before.")).to_be_visible()
    page.get_by_role("button", name="Delete bus").click()
    expect(page.get_by_text("The question is deleted.")).to_be_visible()
    assert collection.questions.count() == 1


def test_a_chart_can_be_read_as_a_table(open_as: SignIn, portal: str, figures: list[Evaluation]) -> None:
    page = open_as(cast.carol())
    watch = checks.Watch(page)
    page.goto(f"{portal}{reverse('library-quality')}")
    expect(page.get_by_role("img", name="order of the documents (nDCG) rose to 0.740")).to_be_visible()
    table = page.get_by_role("table").filter(has_text="Order (nDCG)")
    expect(table).to_be_hidden()
    page.get_by_text("Show as a table").first.click()
    expect(table).to_be_visible()
    assert table.get_by_role("row").count() == 21
    assert watch.problems() == []


def test_pages_have_no_violation_and_do_not_scroll_sideways(
    open_as: SignIn, portal: str, figures: list[Evaluation]
) -> None:
    page = open_as(cast.edith())
    page.goto(f"{portal}{reverse('library-quality')}")
    found = {"quality": checks.judge(page)}
    for summary in page.get_by_text("Show as a table").all():
        summary.click()
    found["quality-tables"] = checks.judge(page)
    page.goto(f"{portal}{reverse('library-questions', args=['drugs'])}")
    found["questions"] = checks.judge(page)
    checks.send(page, "Send")
    found["questions-refused"] = checks.judge(page)
    assert {name: problems for name, problems in found.items() if problems} == {}

"""What a question is taken to mean: spelling, names, short forms, the part it asks for; and what is left alone."""

from __future__ import annotations

import pytest

from chat import releases
from chat.corpus.ingest import ingest
from chat.corpus.loaders import Source
from chat.language import intents, names, spelling
from chat.models import Collection, Document, Word
from chat.pipeline.types import Question, Reader, Understanding
from chat.pipeline.understand import long_form, understand

DOCUMENTS = {
    "Tourette syndrome": "Tics begin in childhood. Tics of the face are the most frequent.",
    "Stomach cancer": "Gastric tumors grow slowly. Surgery removes the tumor.",
    "Prader-Willi syndrome": "Prader-Willi syndrome (PWS) makes children hungry. Growth hormone helps in PWS.",
    "Anticoagulants": "Rivaroxaban is taken with food. Warfarin is seen in the INR. Give 10 micrograms of vitamin K.",
    "Receptors": "The receptor binds the protein. Receptors of the protein carry the signal, the protein does not.",
    "Sweating": "Diaphoresis is frequent when glucose falls.",
}


@pytest.fixture
def library(db: None) -> Collection:
    collection = Collection.objects.create(slug="library", name="library")
    sources = [Source(external_id=title, title=title, text=text) for title, text in DOCUMENTS.items()]
    ingest(sources=sources, collection=collection)
    releases.embed_waiting()
    return collection


def ask(library: Collection, text: str, **reader: object) -> Understanding:
    return understand(Question(text, Reader((library.pk,), **reader)))  # type: ignore[arg-type]


def others(found: Understanding) -> list[str]:
    return [reading.text for reading in found.readings[1:]]


@pytest.mark.parametrize(
    ("asked", "searched"),
    [
        ("Which recepotr binds the protien?", "Which receptor binds the protein?"),
        ("Is rivaroxabann taken with food?", "Is rivaroxaban taken with food?"),
        ("Are tics frequentt?", "Are tics frequent?"),
    ],
)
def test_misspelled_words_are_repaired_with_the_words_of_the_library(
    library: Collection, asked: str, searched: str
) -> None:
    found = ask(library, asked)
    assert found.readings[0].text == searched
    assert {right for _, right in found.corrected} <= set(found.also)


@pytest.mark.parametrize(
    "asked",
    [
        "Which receptor binds the protein?",  # all known
        "What does ambrisentan do?",  # a medicine the library lacks
        "Is colitis frequent?",  # a disease it lacks, one edit from nothing here
        "How do I find Facee Street?",  # a name inside a sentence
        "What is PROTEIM?",  # a code
        "Is the capital of Mongolia cold?",  # words of the language
    ],
)
def test_words_that_are_right_elsewhere_are_left_alone(library: Collection, asked: str) -> None:
    assert ask(library, asked).corrected == ()
    assert ask(library, asked).readings[0].text == asked


def test_the_name_the_library_uses_is_searched_as_well(library: Collection) -> None:
    found = ask(library, "How common is Gilles de la Tourette's syndrome?")
    assert "How common is tourette syndrome?" in others(found)
    assert "tourette syndrome" in found.also


def test_a_brand_is_searched_by_its_ingredient(library: Collection) -> None:
    assert any("rivaroxaban" in text for text in others(ask(library, "Is Xarelto taken with food?")))


def test_a_name_that_is_a_title_here_needs_no_other(library: Collection) -> None:
    assert others(ask(library, "Who gets Prader-Willi syndrome?")) == []
    assert others(ask(library, "What is stomach cancer?")) == []


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("Which hormone helps in PWS?", "prader willi syndrome"),  # explained in a text, and the initials of a title
        ("Is HTN dangerous?", "hypertension"),  # written list
    ],
)
def test_short_forms_are_spelled_out(library: Collection, asked: str, meant: str) -> None:
    assert any(meant in text for text in others(ask(library, asked)))


def test_a_short_form_the_question_explains_itself_is_left_alone(library: Collection) -> None:
    assert others(ask(library, "Does hunger come with the Prader-Willi syndrome (PWS)?")) == []


def test_units_are_searched_in_their_other_form(library: Collection) -> None:
    assert "Are 10 micrograms of vitamin K given?" in others(ask(library, "Are 10 mcg of vitamin K given?"))


def test_words_nobody_knows_are_named_and_weigh_most(library: Collection) -> None:
    found = ask(library, "Does zyxomab help against tics?")
    assert found.unknown == ("zyxomab",)
    weights = dict(found.words)
    assert max(weights, key=lambda word: weights[word]) == "zyxomab"


@pytest.mark.parametrize(
    ("asked", "strange"),
    [
        ("Does zyxomab's dose help against tics?", ("zyxomab",)),
        ("Does zyx\u043emab help against tics?", ("zyx\u043emab",)),  # one Cyrillic letter
        ("Does warfarrin help against tics?", ()),  # read as warfarin
    ],
)
def test_what_is_named_as_missing_is_whole_words_that_were_not_repaired(
    library: Collection, asked: str, strange: tuple[str, ...]
) -> None:
    assert ask(library, asked).strange == strange


def test_a_restricted_document_explains_nothing_to_others(library: Collection) -> None:
    Document.objects.filter(external_id="Prader-Willi syndrome").update(readers=["department_head"])
    asked = "Which hormone helps in PWS?"
    assert others(ask(library, asked, roles=("clinician",))) == []
    assert others(ask(library, asked, roles=("department_head",))) != []


def test_a_word_of_a_restricted_document_repairs_nothing_for_others(library: Collection) -> None:
    asked, repaired = "What is a sign of diaphoersis?", (("diaphoersis", "diaphoresis"),)
    assert ask(library, asked, roles=("clinician",)).corrected == repaired
    Document.objects.filter(external_id="Sweating").update(readers=["department_head"])
    assert ask(library, asked, roles=("department_head",)).corrected == repaired
    outside = ask(library, asked, roles=("clinician",))
    assert (outside.corrected, "diaphoersis" in outside.unknown) == ((), True)


def test_others_are_not_told_that_a_restricted_document_holds_a_word(library: Collection) -> None:
    Document.objects.filter(external_id="Prader-Willi syndrome").update(departments=["Genetics"])
    asked = "Do hungry children with tics need growth hormone?"
    assert not {"hungry", "hormone"} & set(ask(library, asked, department="Genetics").unknown)
    assert {"hungry", "hormone"} <= set(ask(library, asked, department="Surgery").unknown)
    assert "tics" not in ask(library, asked, department="Surgery").unknown


def test_without_a_collection_nothing_is_looked_up(db: None) -> None:
    found = understand(Question("Which recepotr?", Reader(())))
    assert [reading.text for reading in found.readings] == ["Which recepotr?"]


@pytest.mark.parametrize(
    "text", ["", "???", "'; DROP TABLE chat_word --", "a" * 3000, "🙂 وارفارين", "((((", "\\1 %s %(names)s"]
)
def test_any_text_can_be_understood(library: Collection, text: str) -> None:
    assert ask(library, text).readings[0].text == text


def test_words_follow_the_versions_that_are_searched(library: Collection) -> None:
    assert Word.objects.get(collection=library, word="diaphoresis").chunks == 1
    ingest(sources=[Source(external_id="Sweating", title="Sweating", text="It drips.")], collection=library)
    releases.embed_waiting()
    assert Word.objects.get(collection=library, word="diaphoresis").chunks == 0
    assert Word.objects.get(collection=library, word="drips").chunks == 1
    assert ask(library, "Why diaphoersis?").corrected == ()


# ── Without a library ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("wrong", "right", "edits"),
    [("gorwth", "growth", 1), ("growwth", "growth", 1), ("grwoht", "growth", 2), ("a", "a", 0)],
)
def test_exchanged_and_doubled_letters_are_one_edit(wrong: str, right: str, edits: int) -> None:
    assert spelling.distance(wrong, right)[0] == edits


def test_the_more_frequent_of_two_words_equally_near_is_meant() -> None:
    known = spelling.vocabulary([("decline", 200), ("decliner", 1), ("recline", 3)])
    assert spelling.correct("declime", known) == "decline"
    assert spelling.correct("xxxxxxx", known) is None
    assert spelling.correct("decline", spelling.vocabulary([])) is None


def test_no_medicine_is_taken_for_another_as_near() -> None:
    known = spelling.vocabulary([("cefotaxime", 40), ("cefuroxime", 40), ("cefotetan", 3)])
    assert spelling.correct("cefoxime", known) is None


@pytest.mark.parametrize(
    ("question", "section", "agreement"),
    [
        ("How is asthma treated?", "Treatment", 3),
        ("How is asthma treated?", "Management and therapy", 3),
        ("How is asthma treated?", "Overview", 1),
        ("How is asthma treated?", "Frequency", -1),
        ("How is asthma treated?", "PubMed abstract", 0),
        ("Which gene is mutated in X?", "Inheritance", 2),
        ("What is asthma?", "Overview", 3),
        ("asthma", "Overview", 1),
    ],
)
def test_a_section_agrees_with_what_is_asked(question: str, section: str, agreement: int) -> None:
    assert intents.agreement(intents.asked(question), section) == agreement


@pytest.mark.parametrize(
    ("short", "before", "long"),
    [
        ("ALS", "Patients with amyotrophic lateral sclerosis ", "amyotrophic lateral sclerosis"),
        ("NAFLD", "in non-alcoholic fatty liver disease ", "non alcoholic fatty liver disease"),
        ("ABC", "Nothing that fits. It ", ""),
        ("MS", "", ""),
    ],
)
def test_the_words_before_a_bracket_explain_it(short: str, before: str, long: str) -> None:
    assert long_form(short, before) == long


def test_names_that_differ_in_order_and_number_are_the_same() -> None:
    assert names.key("Cancers of the stomach") == names.key("stomach cancer")
    assert names.plain("Crohn\u2019s disease") == "crohn disease"
    assert "aniridia" in names.mentions(["What", "is", "(", "irideremia", ")", "?"])[0].others

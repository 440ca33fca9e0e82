"""Articles, records, questions and labels: what each says about itself, and its text."""

from __future__ import annotations

import json
from datetime import date

import pytest

from tests.chat.papers import only, parsed, refusal

DOCTYPE = '<!DOCTYPE article PUBLIC "-//NLM//DTD JATS v1.0//EN" "JATS-archivearticle1.dtd">'
ARTICLE = f"""<?xml version="1.0"?>{DOCTYPE}
<article xmlns:xlink="http://www.w3.org/1999/xlink" article-type="research-article"><front>
<journal-meta><journal-title-group><journal-title>J Test</journal-title></journal-title-group></journal-meta>
<article-meta><article-id pub-id-type="pmid">123</article-id><article-id pub-id-type="pmc">456</article-id>
<title-group><article-title>Warfarin in <italic>vivo</italic></article-title></title-group>
<pub-date><year>2020</year></pub-date><permissions><license xlink:href="http://creativecommons.org/licenses/by/4.0/">
<license-p>Open</license-p></license></permissions><abstract><sec><title>Results</title>
<p>Platelets 10<sup>9</sup>/L<xref>1</xref>.</p></sec></abstract></article-meta></front>
<body><sec><label>1</label><title>Intro</title><p>Two things: <list list-type="order"><list-item><p>one</p></list-item>
<list-item><p>two</p><list><list-item><p>nested</p></list-item></list></list-item></list></p>
<sec><title>Deep</title><table-wrap><label>Table 1</label><caption><p>Doses.</p></caption>
<table><thead><tr><th>A</th><th>B</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table></table-wrap></sec></sec></body>
<back><ref-list><ref>left out</ref></ref-list></back></article>"""
RECORD = """<PubmedArticle><MedlineCitation><PMID Version="1">{pmid}</PMID><Article><Journal><JournalIssue><PubDate>
<Year>2021</Year></PubDate></JournalIssue><Title>Lancet</Title></Journal><ArticleTitle>A trial of X.</ArticleTitle>
{abstract}<PublicationTypeList><PublicationType>{kind}</PublicationType></PublicationTypeList></Article>
</MedlineCitation></PubmedArticle>"""
ABSTRACT = '<Abstract><AbstractText Label="METHODS">How <i>it</i> was.</AbstractText></Abstract>'
QUESTIONS = """<Document id="0000001_1" source="CancerGov" url="https://www.cancer.gov/x"><Focus>ALL</Focus><QAPairs>
<QAPair pid="2"><Question qid="0000001_1-2" qtype="exams and tests">What?</Question>
<Answer>Check with your doctor if:      - You are weak.
   -  You sweat.        These may be
caused by others.</Answer></QAPair>
<QAPair pid="3"><Question qid="x-3" qtype="x"/><Answer/></QAPair></QAPairs></Document>"""
SET_ID = "0CBCE382-9c88-4f58-ae0f-532a841e8f95"
LABEL = {
    "set_id": SET_ID,
    "effective_time": "20240115",
    "openfda": {"brand_name": ["COUMADIN"], "generic_name": ["WARFARIN SODIUM"], "manufacturer_name": ["BMS"]},
    "indications_and_usage": ["1 INDICATIONS AND USAGE Warfarin is indicated for x."],
    "dosage_and_administration": ["2 DOSAGE AND ADMINISTRATION The dose is individual."],
    "dosage_and_administration_table": [
        "<table><tr><th>A</th><th>B</th></tr><tr><td>1</td><td>2 &lt; 3</td></tr></table>"
    ],
    "package_label_principal_display_panel": ["not read"],
}


def test_an_article_of_pubmed_central() -> None:
    source = only(ARTICLE, "x.nxml")
    assert (source.external_id, source.title, source.source) == ("PMC456", "Warfarin in vivo", "J Test. 2020")
    assert (source.licence, source.url) == ("CC BY 4.0", "https://pmc.ncbi.nlm.nih.gov/articles/PMC456/")
    assert source.text == (
        "# Warfarin in vivo\n\n## Abstract\n\n### Results\n\nPlatelets 10⁹/L¹.\n\n## 1 Intro\n\nTwo things:\n\n"
        "1. one\n2. two\n  - nested\n\n### Deep\n\nTable 1. Doses.\n\n| A | B |\n|---|---|\n| 1 | 2 |\n"
    )


def test_records_of_pubmed() -> None:
    records = RECORD.format(pmid=99, abstract=ABSTRACT, kind="Trial") + RECORD.format(
        pmid=100, abstract="", kind="Letter"
    )
    first, second = parsed(f"<PubmedArticleSet>{records}</PubmedArticleSet>", "p.xml").sources
    assert (first.external_id, first.source, first.url) == (
        "pmid-99",
        "Lancet. 2021",
        "https://pubmed.ncbi.nlm.nih.gov/99/",
    )
    assert first.text == "# A trial of X\n\n## Methods\n\nHow it was.\n"
    assert second.text == "# A trial of X\n\nA trial of X.\n"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (RECORD.format(pmid=99, abstract=ABSTRACT, kind="Retracted Publication"), "PMID 99 was retracted"),
        (ARTICLE.replace("research-article", "retraction"), "is a retraction"),
    ],
    ids=["pubmed", "jats"],
)
def test_what_was_retracted_is_refused(content: str, why: str) -> None:
    assert why in refusal(content, "x.xml")


def test_each_answer_of_medquad_is_a_document() -> None:
    source = only(QUESTIONS, "m.xml")
    assert (source.external_id, source.title, source.section) == ("cancergov-0000001-1-2", "ALL", "Exams and tests")
    assert (source.url, source.source, source.kind) == (
        "https://www.cancer.gov/x",
        "CancerGov via MedQuAD",
        "condition",
    )
    assert (
        source.text == "Check with your doctor if:\n\n- You are weak.\n- You sweat.\n\nThese may be caused by others.\n"
    )


def test_labels_of_openfda() -> None:
    source = only(json.dumps({"meta": {}, "results": [LABEL]}), "l.json")
    assert (source.external_id, source.title, source.kind) == (
        SET_ID.lower(),
        "Warfarin sodium (Coumadin)",
        "monograph",
    )
    assert (source.effective_from, source.source) == (date(2024, 1, 15), "FDA label, BMS")
    assert source.text == (
        "# Warfarin sodium (Coumadin)\n\n## Indications and usage\n\nWarfarin is indicated for x.\n\n"
        "## Dosage and administration\n\nThe dose is individual.\n\n| A | B |\n|---|---|\n| 1 | 2 < 3 |\n"
    )


def lol() -> str:
    entities = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10 if i else "lol"}">' for i in range(10))
    return f"<!DOCTYPE article [{entities}]><article>&l9;</article>"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("<article>\n<front>\n</article>", "line 3: the XML is broken here"),
        ("<PubmedArticleSet/>", "the file holds no PubMed record"),
        (lol(), "line 1: the XML"),
        ('<!DOCTYPE article [<!ENTITY x "y">]><article>&x;</article>', "entities of its own"),
        ('<!DOCTYPE article [<!ENTITY x SYSTEM "file:///etc/passwd">]><article>&x;</article>', "entities of its own"),
        (f"<article>{'<sec>' * 300}x{'</sec>' * 300}</article>", "nested too deeply"),
        (json.dumps({"results": [{"x": 1}]}), "label 1: the field “set_id” is missing"),
        ('{"results": [\n{]}', "line 2: not valid JSON at character 2"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":\n1}', "JSON without drug labels"),
    ],
    ids=["broken", "empty", "laughs", "entity", "file", "deep", "no-id", "not-json", "deep-json", "other-json"],
)
def test_what_cannot_be_read_is_refused_with_line_and_reason(content: str, why: str) -> None:
    assert why in refusal(content, "x.json" if content[0] in "[{" else "x.xml")

"""openFDA drug label JSON: one document for each label, its sections as headings."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

from chat.corpus.formats import fields, grid, html
from chat.corpus.formats.canonical import Writer
from chat.corpus.formats.types import MARKDOWN, Malformed, Options, Source

SECTIONS = (
    *("boxed_warning", "indications_and_usage", "dosage_and_administration", "dosage_forms_and_strengths"),
    *("contraindications", "warnings_and_cautions", "warnings", "precautions", "general_precautions"),
    *("adverse_reactions", "drug_interactions", "drug_and_or_laboratory_test_interactions"),
    *("use_in_specific_populations", "pregnancy", "labor_and_delivery", "lactation", "nursing_mothers"),
    *("pediatric_use", "geriatric_use", "overdosage", "drug_abuse_and_dependence", "description"),
    *("clinical_pharmacology", "mechanism_of_action", "pharmacodynamics", "pharmacokinetics"),
    *("nonclinical_toxicology", "clinical_studies", "how_supplied", "storage_and_handling"),
    *("information_for_patients", "laboratory_tests", "references"),
    *("active_ingredient", "purpose", "do_not_use", "ask_doctor", "ask_doctor_or_pharmacist", "when_using"),
    *("stop_use", "pregnancy_or_breast_feeding", "keep_out_of_reach_of_children", "other_information"),
    *("inactive_ingredient", "questions"),
)
"""In the order of a printed label; what is not listed (package pictures, identifiers) is not read."""
NUMBER = re.compile(r"^\s*\d{1,2}(?:\.\d{1,2})?\s+")
SET_ID = re.compile(r"[0-9a-fA-F-]{36}")
LICENCE = "CC0 1.0 (openFDA)"


def parse(content: bytes, options: Options) -> Iterator[tuple[int, Source | Malformed]]:
    try:
        found = json.loads(fields.utf8(content))
    except json.JSONDecodeError as error:
        raise Malformed(error.lineno, f"not valid JSON at character {error.colno}") from None
    except RecursionError:
        raise Malformed(0, "the JSON is nested too deeply") from None
    labels = found.get("results") if isinstance(found, dict) else None
    if labels is None and isinstance(found, dict) and "set_id" in found:
        labels = [found]
    if not isinstance(labels, list) or not labels:
        raise Malformed(1, "this is JSON without drug labels of openFDA (an object with “results”)")
    for number, label in enumerate(labels, 1):
        try:
            yield number, _label(label, number)
        except Malformed as problem:
            yield number, Malformed(0, f"label {number}: {problem.what}")


def _label(label: Any, number: int) -> Source:
    if not isinstance(label, dict):
        raise Malformed(0, "expected an object with named fields")
    set_id = label.get("set_id") or label.get("id")
    if not isinstance(set_id, str) or not SET_ID.fullmatch(set_id):
        raise Malformed(0, "the field “set_id” is missing or no identifier")
    openfda = label.get("openfda")
    known: dict[str, Any] = openfda if isinstance(openfda, dict) else {}
    title = _title(label, known)
    writer = Writer()
    writer.heading(1, title)
    for section in SECTIONS:
        _section(writer, label, section)
    if len(writer.blocks) < 2:
        raise Malformed(0, "the label has no section that is read")
    text, _ = writer.render()
    maker = next(iter(_texts(known.get("manufacturer_name"))), "")
    return Source(
        external_id=set_id.lower(),
        title=fields.cut(title, "title"),
        text=text,
        format=MARKDOWN,
        kind="monograph",
        source=fields.cut(f"FDA label, {maker}" if maker else "FDA label", "source"),
        url=f"https://dailymed.nlm.nih.gov/dailymed/drugInfo.cfm?setid={set_id.lower()}",
        licence=LICENCE,
        effective_from=_day(label.get("effective_time")),
        hidden=tuple(writer.hidden),
    )


def _title(label: dict[str, Any], known: dict[str, Any]) -> str:
    generic = ", ".join(dict.fromkeys(name.capitalize() for name in _texts(known.get("generic_name"))[:3]))
    brands = [name.title() if name.isupper() else name for name in _texts(known.get("brand_name"))[:2]]
    brand = ", ".join(dict.fromkeys(name for name in brands if name.lower() not in generic.lower()))
    if generic or brand:
        return f"{generic} ({brand})" if generic and brand else generic or brand
    product = " ".join(_texts(label.get("spl_product_data_elements")))[:80].strip()
    return product or f"Drug label {label.get('set_id')}"


def _section(writer: Writer, label: dict[str, Any], section: str) -> None:
    paragraphs, tables = _texts(label.get(section)), _texts(label.get(f"{section}_table"))
    if not paragraphs and not tables:
        return
    heading = section.replace("_", " ").capitalize()
    writer.heading(2, heading)
    for paragraph in paragraphs:
        writer.paragraph(_without_heading(paragraph, heading))
    for table in tables:
        _table(writer, table)


def _without_heading(text: str, heading: str) -> str:
    """A section repeats its number and name at the beginning."""
    rest = NUMBER.sub("", text, count=1)
    for name in (heading, heading.replace("and", "&")):
        if rest.lower().startswith(name.lower()):
            return rest[len(name) :].lstrip(" :.-")
    return rest if rest[:1].isupper() else text


def _table(writer: Writer, markup: str) -> None:
    if "<table" not in markup:
        return
    for table in html.tree(markup).iter("table"):
        walk = html.Walk(writer)
        for caption in table.iter("caption"):
            writer.paragraph(walk.inline(caption))
        rows, heads = grid.spread(html.table_rows(table, walk.inline))
        writer.table(rows, heads=heads or None)


def _texts(value: Any) -> list[str]:
    """Fields of openFDA are lists of texts, mostly of one."""
    return [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str) and text.strip()]


def _day(value: Any) -> date | None:
    if not isinstance(value, str) or not re.fullmatch(r"\d{8}", value):
        return None
    try:
        return date(int(value[:4]), int(value[4:6]), int(value[6:]))
    except ValueError:
        return None

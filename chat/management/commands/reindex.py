"""manage.py reindex"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chat import gate, model_change, releases
from chat.corpus import index, vectors
from chat.llm import encoders
from chat.management import collections_named, embedded_of
from chat.models import Evaluation


class Command(BaseCommand):
    help = (
        "Without an option but --collection: write the word index (BM25 postings) of a collection, or of all, anew "
        "from its stored passages, and embed what still waits. Questions are answered from the old index until the "
        "new one is complete. The other options change the embedding model: --model builds its index beside the "
        "searched one and can be repeated after an interruption, --activate switches to it in one step if labeled "
        "questions are answered no worse, and back, --drop removes one that is not searched, --list shows them all."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--collection", metavar="C", help="Only this collection (its short name).")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--model", metavar="NAME", help="Build the index of this embedding model.")
        what.add_argument("--activate", metavar="NAME", help="Search the index of this embedding model from now on.")
        what.add_argument("--drop", metavar="NAME", help="Remove the index of this embedding model.")
        what.add_argument("--list", action="store_true", help="Show the indexes and the models that can be chosen.")
        parser.add_argument(
            "--anew", action="store_true", help="With --model: build the vector index again over the vectors there are."
        )
        parser.add_argument("--json", action="store_true", help="With --list: for a program.")

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = next((name for name in ("model", "activate", "drop", "list") if options[name]), "")
        if chosen and options["collection"]:
            raise CommandError("An embedding model is that of all collections; leave out --collection.")
        if options["json"] and chosen != "list":
            raise CommandError("--json goes with --list.")
        if options["anew"] and chosen != "model":
            raise CommandError("--anew goes with --model.")
        self.anew = options["anew"]
        if chosen == "list":
            self._list(as_json=options["json"])
        elif chosen:
            self._change(chosen, options[chosen])
        else:
            for collection in collections_named(options["collection"]):
                self.stdout.write(f"{collection.slug}: {index.rebuild(collection=collection)} passages indexed")
            vectors.match()
            releases.embed_waiting()

    def _change(self, what: str, model: str) -> None:
        do = {"model": self._build, "activate": self._activate, "drop": self._drop}[what]
        try:
            do(model)
        except encoders.Unknown:
            raise CommandError(
                f"This installation does not have the embedding model {model}. It has: {', '.join(encoders.names())}."
            ) from None
        except model_change.NoIndex:
            raise CommandError(f"There is no index of {model}. Build it: manage.py reindex --model {model}") from None
        except model_change.Searched:
            raise CommandError(f"The index of {model} is the one that is searched.") from None
        except model_change.BeingBuilt as other:
            raise CommandError(
                f"The index of {other.model} is being built. Finish it with reindex --model {other.model}, or remove "
                f"it with reindex --drop {other.model}."
            ) from None

    def _build(self, model: str) -> None:
        model_change.build(model=model, anew=self.anew, progress=self._progress(model))
        self.stdout.write(f"The index of {model} is complete. Search it: manage.py reindex --activate {model}")

    def _activate(self, model: str) -> None:
        try:
            evaluations = model_change.activate(model=model, progress=self._progress(model))
        except model_change.Fallen as fallen:
            lines = [line for one in fallen.evaluations for line in self._compared(one)]
            raise CommandError(
                "Nothing was changed: labeled questions would be answered worse.\n" + "\n".join(lines)
            ) from None
        for one in evaluations:
            self.stdout.write("\n".join(self._compared(one)))
        self.stdout.write(f"{model} is searched from now on. The index before is kept: reindex --list")

    def _drop(self, model: str) -> None:
        model_change.drop(model=model)
        self.stdout.write(f"The index of {model} is removed.")

    def _list(self, *, as_json: bool) -> None:
        found = model_change.indexes()
        known = {one.model for one in found}
        if as_json:
            rows = [asdict(one) for one in found]
            self.stdout.write(json.dumps({"indexes": rows, "installed": encoders.names()}))
            return
        for one in found:
            missing = "" if one.installed else ", the model is not installed here"
            self.stdout.write(
                f"{one.model} ({one.dimensions} dimensions): {one.state.label.lower()}, {one.vectors} vectors, "
                f"{one.waiting} passages waiting{missing}"
            )
        for name in encoders.names():
            if name not in known:
                self.stdout.write(f"{name}: no index yet")

    def _progress(self, model: str) -> Callable[[int], None]:
        return embedded_of(model_change.waiting(model), self.stderr)

    def _compared(self, after: Evaluation) -> list[str]:
        before = after.against
        lines = [f"{after.collection.slug}:" + (" " + ", ".join(after.fallen) + " fell" if after.fallen else "")]
        for name, label in gate.MEASURES.items():
            if name == "quotes":
                lines.append(f"  {label}: {after.quotes - after.quotes_wrong} of {after.quotes}")
            else:
                was = f"{getattr(before, name):.3f} before, " if before else ""
                lines.append(f"  {label}: {was}{getattr(after, name):.3f} with it")
        return lines

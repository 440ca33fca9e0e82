"""python -m bench [name …]: run the named measurements, or all of them."""

from __future__ import annotations

import argparse
import os
import sys

from clinchat import local


def main() -> int:
    names = (
        "embedding",
        "stages",
        "retrieval",
        "quotes",
        "answers",
        "library",
        "audit",
        "rotation",
        "sessions",
        "phi",
        "drugs",
        "checking",
        "training",
        "controls",
        "continuity",
    )
    rewriting = ("train",)
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="name", help=f"any of: {', '.join((*names, *rewriting))} (default: all but train)"
    )
    parser.add_argument("--collection", default="demo", help="collection that is asked (default: demo)")
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - {*names, *rewriting}:
        parser.error(f"unknown measurement: {', '.join(sorted(unknown))}")

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinchat.settings")
    local.ensure_services()
    import django

    django.setup()
    from bench import (
        answers,
        audit,
        checking,
        continuity,
        controls,
        drugs,
        embedding,
        library,
        phi,
        quotes,
        retrieval,
        rotation,
        sessions,
        stages,
        train,
        training,
    )

    modules = (
        *(embedding, stages, retrieval, quotes, answers, library, audit, rotation, sessions, phi, drugs, checking),
        training,
        controls,
        continuity,
        train,
    )
    measurements = dict(zip((*names, *rewriting), modules, strict=True))
    for name in chosen.names or names:
        print(f"\n== {name} ==")
        if reason := measurements[name].run(chosen.collection):
            print(f"skipped: {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A set of modules and policies that is right and short, for tests that break or change it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from training.bank.types import SIX

OBJECTIVES: Final = ("first", "second", "third", "fourth", "fifth", "sixth")
OPTIONS: Final = """\
  options:
  - {text: Ask, right: true, why: It helps.}
  - {text: Wait, right: SECOND, why: It depends.}
  - {text: Leave, right: false, why: It harms.}
"""
BODIES: Final = (
    f"  kind: single\n{OPTIONS.replace('SECOND', 'false')}",
    f"  kind: multiple\n{OPTIONS.replace('SECOND', 'true')}",
    """\
  kind: ordering
  steps:
  - {text: Wash, why: Hands first.}
  - {text: Look, why: Then see.}
  - {text: Act, why: Then do.}
""",
    """\
  kind: matching
  pairs:
  - {left: Red, right: Stop, why: Danger.}
  - {left: Green, right: Go, why: Free.}
  - {left: Yellow, right: Slow, why: Soon.}
  extra:
  - {right: Turn, why: No color says so.}
""",
    """\
  kind: numeric
  answer:
    value: 60
    tolerance: 0.5
    unit: mg
    why: Half of 120.
  common:
  - {value: 120, why: Not halved.}
""",
    """\
  kind: case
  case: Somebody arrives.
  parts:
  - question: What first?
    options:
    - {text: Look, right: true, why: See first.}
    - {text: Talk, right: false, why: Too soon.}
    - {text: Leave, right: false, why: Never.}
  - question: What then?
    options:
    - {text: Look, right: false, why: Done already.}
    - {text: Talk, right: true, why: Now.}
    - {text: Leave, right: false, why: Never.}
""",
)
LESSON: Final = """\
---
title: About TITLE
minutes: 3
objectives: [OBJECTIVE]
clauses: ["164.1"]
check:
  question: Which one?
  options:
  - {text: This, right: true, why: Because.}
  - {text: That, right: false, why: Not so.}
  - {text: None, right: false, why: Not so either.}
---
## Begin

> [!CASE] 4 West
> Somebody asks.

A paragraph with **strong** and *soft* words, less than <5 mg.

- one
- two

> [!AVOID] Not this
> Wrong.

> [!DO] But this
> Right.

![Three doors](pictures/doors.svg)
"""
PICTURE: Final = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" role="img">
  <title>Doors</title>
  <rect x="1" y="1" width="3" height="7" fill="#eee"/>
  <text x="5" y="5">Door</text>
</svg>
"""
POLICY: Final = """\
---
slug: SLUG
number: 1
title: Use of the portal
version: "VERSION"
change: CHANGE
material: MATERIAL
lessons: [LESSONS]
---
## 1. Who

Everybody.
"""


def items(slug: str) -> str:
    """42 questions: seven for each objective, of every kind, each with a case in every second."""
    found = []
    for number in range(42):
        body = BODIES[number % 6]
        case = "" if "  case:" in body or number % 2 else "  case: It is night.\n"
        found.append(
            f"- key: {slug}-{number + 1:03}\n  objective: {OBJECTIVES[number // 7]}\n"
            f'  clause: "164.1"\n  difficulty: {"easy" if number % 7 < 4 else "medium"}\n'
            f"  question: What about {number + 1}?\n{case}{body}"
        )
    return "".join(found)


def module_file(
    slug: str, *, number: int = 1, version: str = "1.0", material: bool = False, changed: Sequence[str] = ()
) -> str:
    objectives = "".join(f"- key: {one}\n  text: Do the {one} thing.\n" for one in OBJECTIVES)
    blueprint = "".join(f"  {one}: {{easy: 1, medium: 1}}\n" for one in OBJECTIVES)
    return f"""\
slug: {slug}
number: {number}
title: About {slug}
purpose: You can do it.
version: "{version}"
change: What is new in {version}.
material: {str(material).lower()}
changed: [{", ".join(changed)}]
objectives:
{objectives}references:
- key: "164.1"
  name: 45 CFR 164.1
  says: Says what to do.
assessment:
  pass_percent: 80
  attempts: 3
  wait: [10m, 24h, 7d]
  minutes: null
blueprint:
{blueprint}card:
- heading: Before
  lines: [Look.]
- heading: After
  lines: [Tell.]
"""


def write_module(folder: Path, slug: str, *, number: int = 1) -> Path:
    """The files of a module in folder/slug."""
    path = folder / slug
    (path / "lessons").mkdir(parents=True)
    (path / "pictures").mkdir()
    (path / "module.yaml").write_text(module_file(slug, number=number))
    (path / "items.yaml").write_text(items(slug))
    for place, objective in enumerate(("first", "second"), 1):
        text = LESSON.replace("TITLE", objective).replace("OBJECTIVE", objective)
        (path / "lessons" / f"{place:02}-about-{objective}.md").write_text(text)
    (path / "pictures" / "doors.svg").write_text(PICTURE)
    return path


def policy_file(slug: str, *, version: str = "1.0", material: bool = False, lessons: Sequence[str] = ()) -> str:
    text = POLICY.replace("SLUG", slug).replace("VERSION", version).replace("LESSONS", ", ".join(lessons))
    return text.replace("CHANGE", f"New in {version}.").replace("MATERIAL", str(material).lower())


def write_all(folder: Path) -> Path:
    """The six modules and two policies."""
    for number, slug in enumerate(SIX, 1):
        write_module(folder / "modules", slug, number=number)
    (folder / "policies").mkdir()
    for slug in ("conduct", "secrecy"):
        (folder / "policies" / f"{slug}.md").write_text(policy_file(slug, lessons=["hipaa/about-first"]))
    return folder

"""Invented identifiers, each in a phrase it could stand in. The same ones in every run."""

from __future__ import annotations

import random
from typing import NamedTuple


class Seed(NamedTuple):
    phrase: str
    value: str


_FIRST = ("Maria", "James", "Linda", "Robert", "Patricia", "Michael", "Jennifer", "David", "Elizabeth", "William")
_LAST = (
    "Lopez",
    "Petrenko",
    "Kowalski",
    "Okafor",
    "Nguyen",
    "Hernandez",
    "Schneider",
    "Johansson",
    "Castillo",
    "Novak",
)
_STREETS = ("Maple", "Oak", "Cedar", "Elm", "Walnut", "Chestnut", "Birch", "Willow")


def seeds(count: int) -> list[Seed]:
    make = random.Random(20261121)
    kinds = (
        lambda: ("SSN {}", f"{make.randint(100, 665)}-{make.randint(10, 99)}-{make.randint(1000, 9999)}"),
        lambda: ("MRN {}", str(make.randint(10**6, 10**8))),
        lambda: ("call her at {}", f"({make.randint(201, 989)}) 555-0{make.randint(100, 199)}"),
        lambda: ("fax {}", f"{make.randint(201, 989)}-555-0{make.randint(100, 199)}"),
        lambda: ("mail {}", f"{make.choice(_LAST).lower()}{make.randint(1, 999)}@old-mail.example"),
        lambda: ("Mrs. {} was seen", f"{make.choice(_FIRST)} {make.choice(_LAST)}"),
        lambda: ("Patient: {}", f"{make.choice(_FIRST)} {make.choice(_LAST)}"),
        lambda: ("Dr. {} asks", make.choice(_LAST)),
        lambda: ("DOB {}", f"{make.randint(1, 12):02}/{make.randint(1, 28):02}/{make.randint(1930, 2010)}"),
        lambda: ("admitted {}", f"20{make.randint(10, 26)}-{make.randint(1, 12):02}-{make.randint(1, 28):02}"),
        lambda: ("lives at {}", f"{make.randint(10, 9999)} {make.choice(_STREETS)} Street"),
        lambda: ("from {}", f"198.51.100.{make.randint(1, 254)}"),
        lambda: ("see {}", f"https://portal.example.org/u/{make.randint(10**5, 10**8)}"),
        lambda: ("member ID {}", f"XQ{make.randint(10**7, 10**9)}"),
        lambda: ("account number {}", str(make.randint(10**8, 10**10))),
        lambda: ("aged {}", f"{make.randint(91, 109)} years old"),
    )
    found = []
    for number in range(count):
        phrase, value = kinds[number % len(kinds)]()
        found.append(Seed(phrase.format(value), value))
    return found

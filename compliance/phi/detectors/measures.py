"""What makes a number a measurement: the unit directly behind it. Shared by all detectors of numbers."""

from __future__ import annotations

import re


def any_of(words: str) -> str:
    """A pattern for one of the words, which white space parts; an underscore stands for a space inside a phrase."""
    return f"(?:{'|'.join(word.replace('_', '[ ]') for word in words.split())})"


_WORDS = any_of(
    r"""
    mg mgs mcg mcgs ug gm gms kg kgs ng pg ml mls cc dl oz lb lbs mm cm nm um iu miu units? meq mmol umol nmol mosm
    grams? milligrams? liters?
    mmhg cmh2o bpm hz khz mhz rpm lpm msec beats breaths min mins minutes? secs? seconds?
    hr hrs hours? days? wks? weeks? weekly mos? months? monthly yrs? years? daily nights?
    tabs? tablets? caps? capsules? pills? drops? gtts? puffs? sprays? patch(?:es)? doses? vials? refills? cups? tsp tbsp
    times pts patients? participants? subjects? cases? controls? people persons women men adults? children infants?
    deaths events copies cells? cfu studies trials cores? nodes?
    fr french gauge inch(?:es)? kcal cal calories joules? gy cgy mci degrees?
    line degree generation trimester percentile centile edition
    """
)
UNIT = rf"(?:[ ]?-?[ ]?{_WORDS}\b|[ ]?[%°]|[ ]?x[ ]?\d|[gLhdu]\b)"
"""Directly behind a number: it counts or measures something."""
_UNIT = re.compile(UNIT, re.IGNORECASE)


def measured(text: str, end: int) -> bool:
    """Whether a unit follows the number that ends here."""
    return bool(_UNIT.match(text, end))

"""Days with a name: the holidays of the United States and the feasts of a day or two of the larger religions.

Seasons of weeks (Lent, Ramadan, Advent) stay readable: patients fast in them, and they name no day.
"""

from __future__ import annotations

import re
from functools import cache

from compliance.phi.detectors.measures import any_of

_CIVIL = any_of(
    r"""
    new_year'?s'?(?:_(?:day|eve|morning))?(?!_resolution) new_year(?=_(?:day|eve)) m\.?l\.?k\.?_day
    martin_luther_king(?:_jr\.?)?(?:_day|'s_birthday) presidents?'?s?'?_day washington's_birthday groundhog_day
    super_bowl_sunday valentine'?s(?:_day)? st\.?_patrick'?s_day april_fools'?(?:_day)? cinco_de_mayo mother'?s'?_day
    father'?s'?_day memorial_day flag_day juneteenth independence_day labou?r_day columbus_day
    indigenous_peoples?'?s?'?_day halloween election_day veterans?'?s?'?_day thanksgiving(?:_day|_eve)? black_friday
    cyber_monday boxing_day bonfire_night canada_day australia_day anzac_day bastille_day
    (?:early_may|spring|august)_bank_holiday
    """
)
_RELIGIOUS = any_of(
    r"""
    christmas(?:_(?:day|eve|morning|night))?(?!_(?:disease|tree|factor|island)) x-?mas(?:_(?:day|eve))?
    good_friday ash_wednesday palm_sunday (?:holy|maundy)_thursday easter(?:_(?:sunday|monday))?(?!_(?:island|seals?))
    pentecost(?!_island) whit_(?:sunday|monday) ascension_day corpus_christi(?=_(?:day|sunday))
    all_(?:saints|souls)'?(?:_day)? epiphany(?=_(?:20|sunday)) (?<=of_the_)epiphany (?<=eve_of_)epiphany
    three_kings'?(?:_day)?
    d[ií]a_de_(?:los_)?(?:muertos|reyes) day_of_the_dead mardi_gras
    shrove_tuesday
    rosh_ha-?shanah? yom_kippur
    (?:(?:first|second|last)_)?(?:night|day)_of_(?:hanukkah|chanukah|passover|pesach|sukkot)
    hanukkah chanukah passover pesach purim shavuot simchat_torah tisha_b'?av
    eid(?:[\s-](?:al|ul|e)[\s-](?:fitr|adha|azha))?(?:_day)? ashura mawlid
    diwali deepavali holi(?=_(?:20|festival|day)) navratri raksha_bandhan vaisakhi guru_nanak_jayanti vesak losar
    t[eế]t(?=_(?:20|holiday)) (?:lunar|chinese)_new_year nowruz kwanzaa
    """
)


@cache
def pattern(year: str) -> re.Pattern[str]:
    """A holiday, with "Day" or "Eve" and a year (the pattern given) where they follow."""
    return re.compile(
        rf"(?<!\w)(?:{_CIVIL}|{_RELIGIOUS})(?:\s(?:day|eve))?(?!\w)(?:,?\s(?:of\s)?{year})?", re.IGNORECASE
    )

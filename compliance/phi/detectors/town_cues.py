"""The wording that stands before a town: where somebody lives, comes from and travels to."""

from __future__ import annotations

import re

_ADVERBS = (
    r"(?:(?:alone|still|now|currently|up|down|over|out|back|originally|mostly|mainly|independently|here|there) ){0,2}"
)
_NEAR = (
    r"(?:(?:just |right )?(?:in|at|near|outside(?: of)?|by|around|of|from|north of|south of|east of|west of|close to"
    r"|next to|up in|down in|over in|out in|out by) )"
)
HOME = re.compile(
    r"\b(?:(?:(?:lives?|lived|living|resid(?:es?|ed|ing)|resident|residents|based|located|raised on|born|grew up|farms?"
    r"|farming|settled|homeless|camp(?:s|ed|ing)?|hik(?:ed|es|ing)|hunt(?:ed|s|ing)|swam|swim(?:s|ming)?|fish(?:ed|ing)"
    rf"|honeymoon|vacation(?:ed|ing)?|house|home|apartment|farm|ranch|cabin|trailer|incarcerated|stationed"
    rf"|deployed) {_ADVERBS}{_NEAR}"
    r"|(?:relocat(?:ed|ing)|travel(?:l?ed|s|l?ing)?|trip|trips|flew|flown|flight|flying|immigrated|emigrated"
    r"|commut(?:es|ing|ed)"
    r"|driv(?:es|ing|en)|drove|hails|layover|landed|bussed|cruise|refugee|migrated|walked) (?:here |back "
    r"|home |in |up |down |over |out ){0,2}"
    r"(?:to|from|in|into|at|through|via|around|across|out of|for) "
    r"|(?:native|city|town|village|suburbs?|outskirts|borough|municipality|hamlet|community|pueblo|island|port"
    r"|mayor|streets|part|side|area) of "
    r"|(?:just )?outside(?: of)? |on the outskirts of "
    r"|(?:miles?|mi|km|minutes|mins?|hours?|hrs?) (?:north|south|east|west|outside|away|drive|ne|nw|se|sw)? ?"
    r"(?:from|of) "
    r"|(?:he|she|they|pt|patient)(?:'s|'re| is| are| was| were) (?:now |originally |visiting |here |back )?from "
    r"|(?:patient|pt|man|woman|male|female|lady|gentleman|boy|girl|kid|mother|father|farmer|rancher|worker"
    r"|student|family|couple|veteran"
    r"|traveler|traveller|visitor|tourist|immigrant|refugee|originally|home|yo|y/o|[mf]) from "
    r"|(?:leav(?:e|es|ing)|left|bound|head(?:s|ed|ing)?|depart(?:s|ed|ing)?) for |(?:headed|heading|en route"
    r"|relocate[sd]?) to "
    r"|(?:broke down|stranded|stopped|pulled over|crashed|fell|hurt|shot|found|bitten|stung|stuck|works?"
    r"|working) (?:in|near"
    r"|by|outside) "
    r"|(?:aunt|uncle|niece|nephew|grand(?:ma|pa|mother|father|son|daughter)|in-laws?|mom|dad|brother|sister"
    r"|son|daughter"
    r"|wife|husband|mother|father|cousin|friend|boyfriend|girlfriend|partner|ex) [A-Z][a-z]{1,14} (?:in|near"
    r"|outside|from) "
    r"|(?:farmer|rancher|worker|student|camper|hiker|party|plant|school bus|cousin|family|relatives|wife"
    r"|husband|son|daughter|mother"
    r"|father|sister|brother|parents) (?:in|near|outside) "
    r"|(?:visit(?:ing|ed|s)?|visiting family in|moved|moving|return(?:ed|ing|s)?) (?:here |back |home "
    r"|in \w+ ){0,1}(?:to|from|in) )"
    r"(?:the )?)|\b(?:home ?town|home village|village|birth ?place|place of birth|city|town|county|island"
    r"|residence|municipality"
    r"|neighbou?rhood|born)(?: is|:| :)? (?:in )?",
    re.IGNORECASE,
)
"""A town may follow even when no list knows it."""
MOVE = re.compile(
    r"\b(?:lives?|living|residing|flew|from|in|near|at|to|outside|around|via|through|of|toward|towards"
    r"|visiting|visited|born|landed|ports?|stops?"
    r"|outta|across|into|reached|left|crossed|between|off)\s(?:(?:the|downtown|nearby|rural|northern|southern"
    r"|eastern|western|north|south|east|west|greater|central|upstate|metro|inner|old)\s)?"
    r"|[,(/|;:]\s?|\n",
    re.IGNORECASE,
)
"""A town of the lists may follow."""
NEXT = re.compile(r"\s?(?:-{1,2}>|-|→|=>|>|/|&|,|\bto\b|\band\b|\bthen\b|\bvia\b|\bor\b)\s?(?:to |then |via |and )?")
"""Between one town of a journey and the next."""
COUNTY = re.compile(r"\s(?i:county|parish|township|twp|borough|co\.)(?!\w)")
LAND = re.compile(
    r"\s(?:Indian |Indian Community |Tribal )?(?:Reservation|Rez|rez|Nation|Rancheria|Pueblo|Colony|Airport"
    r"|Island|Islands|Beach|Lake|River|Creek"
    r"|Valley|Canyon|Mountains?|National (?:Park|Forest)|State Park|Park|Harbor|Bay|Heights|Village|Township"
    r"|Twp|neighbou?rhood|district|metro|area|suburbs?"
    r"|Falls|Springs|Ferry|Landing|Junction|Mills?|Corners|Grove|City|Rapids|Bluffs|Forks|Crossing|Hills"
    r"|Reservoir|Dam|Pond"
    r"|Bayou|Cove|Trailhead|Campground|Glacier|Gulch|Notch|Summit|Peninsula|Quarter|Docks?|Wharf|Pier|Marsh"
    r"|Swamp|Mesa|Butte"
    r"|Acres|Farms|Station|Depot|Locks?|ball field|fairgrounds|boat (?:ramp|launch|landing)|trailhead|campground|rez"
    r"|reservation|creek|river|lake|beach|Bridge)\b"
)
FLOWN = re.compile(r"\b(?:flew|fly|flight|flying|landed|landing|layover|connect(?:ed|ing)|airport|arrived|departed)\b")
AIRPORT = re.compile(r"\b(?:at|from|to|via|into|through|in|flew|landed)\s(?P<place>[A-Z]{3})\b")
"""Behind the wording of a flight: three capitals are an airport."""

"""Forms of clinical wording, one pattern a class: codes, amounts, results, scores, stages, genes, organisms."""

from __future__ import annotations

import re

_NUMBER = r"\d[\d,.]{0,14}"
REGISTERS = re.compile(
    r"\b[Xx][- ]?[Rr]ays?\b|"
    r"\bJohnson & Johnson\b|\b(?i:clinicaltrials|cdc|fda|nih|pubmed|who|uptodate|medlineplus|cms|nccn|cochrane)"
    r"\.(?:gov|com|int|org)\b(?!/)|\bNCT[ -]?\d{8}\b|\bISRCTN\s?\d{8}\b|\bEudraCT\s?\d{4}-\d{6}-\d\d\b|\bACTRN\d{14}\b"
    r"|\b(?:PMID|PMCID|PMC|PubMed(?: record| ID)?|OMIM|MIM|CUI|RXCUI|RxNorm|SNOMED(?:[ -]CT)?|LOINC|CPT|HCPCS"
    r"|ICD-?(?:9|10|11)?(?:-(?:CM|PCS))?|ATC|NDC|CAS|DRG|MS-DRG|APC|CVX|UNII|Orphanet|ORPHA|DSM-?5?|HGNC|UniProt|CTCAE)"
    r"\b(?:\s(?:codes?|no\.?|numbers?|ID))?[\s:#]{0,3}[A-Z]?\d[\w.:-]{0,14}"
    r"(?:,? (?:and |or |with )?[A-Z]?\d[\w.-]{2,8}(?![\w/])){0,4}"
    r"|\b10\.\d{4,9}/[^\s\"'<>]{1,200}|\brs\d{3,12}\b|\bENS[GTP]\d{11}\b|\bN[MPRC]_\d{6,9}(?:\.\d{1,2})?\b"
)
DRUG_CODES = re.compile(
    r"\b(?:BMS|MK|LY|AZD|GSK|PF|ABT|RG|RO|JNJ|TAK|SAR|BAY|BI|MEDI|AMG|ONO|ABBV|REGN|INCB|BGB|MRNA|BNT|CTX|NSC"
    r"|SKF|UCB|ALN|ISIS|NVP|CHIR|ARRY|WIN|TMC|DMP|HMR|ALKS|TAS|ASP|ICI|BLU|LOXO|PLX|ACZ|BYL|LDK)[ -]\d{2,8}[A-Z]?\b"
    r"|\b(?:VX|GS|SB|DS|CP|YM|SCH|RU|AVE|STI|RAD|CS|HZT)-\d{3,4}\b(?!-)|\b(?:BMS|AZD|GSK|JNJ|ABBV|REGN|INCB"
    r"|AMG|MEDI)\d{3,8}\b"
)
AMOUNTS = re.compile(
    rf"(?<![\w.,-]){_NUMBER}(?:\s?[-/]\s?{_NUMBER}){{0,3}}\s?(?:mg|mcg|µg|ug|ng|pg|g|kg|m[lL]|dL|L|mm|cm|nm|IU"
    rf"|mIU|mEq|mmol|umol|µmol"
    r"|nmol|pmol|mOsm|mU|kU|U|units?|copies|cells?|CFU|bpm|mmHg|cmH2O|kPa|METs?|Gy|cGy|mCi|MBq|kcal|Fr|French"
    r"|gauge|LPM|L/min"
    r"|tabs?|tablets?|caps(?:ules)?|puffs?|drops|gtts?|sprays?|x\s?10\^?\d{0,2}|/\s?(?:mm3|uL|µL|mL|dL|L|HPF"
    r"|hpf|min|kg))\b"
    r"(?:/(?:kg|day|d|h|hr|min|dose|m2|dL|mL|L|week|g){1,2}){0,3}"
    r"|(?<![\w.,-])\d{1,3}(?:,\d{3}){1,5}\b(?!-)"
)
SCORES = re.compile(
    r"\b(?:[A-Za-z][\w-]{1,20} )?(?:score|scale|index|stage|grade|class|type|category|level|group|phase|risk) "
    r"(?:of |is |was |= ?|: ?)?"
    r"(?:\d{1,3}(?:\.\d{1,2})?[A-D]?(?:/\d{1,3})?|[IVX]{1,4}[A-Da-d]?)(?![\w/])"
    r"|\b[pcuy]{0,2}T(?:[0-4]|is|x)[a-d]?\s?[pc]?N[0-3x][a-c]?(?:\s?[pc]?M[01x][a-c]?)?\b"
    r"|\b(?:ECOG|NYHA|ASA|CCS|KPS|mRS|FIGO|CKD|GOLD|Gleason|BI-RADS|LI-RADS|PI-RADS|TI-RADS|Lung-RADS|RASS"
    r"|CAGE|Child-Pugh|MELD|Hunt-Hess)"
    r"\s?(?:stage|grade|class|score|PS)?\s?[:=]?\s?(?:\d{1,3}[A-D]?(?:\s?\+\s?\d)?|[IVX]{1,3}[A-D]?)\b"
)
TESTS = re.compile(
    r"\b(?:Na|K|Cl|HCO3|CO2|BUN|Cr|Ca|Mg|Phos|Glu|BG|A1c|HbA1c|WBC|RBC|Hgb|Hb|Hct|plts?|PLT|MCV|ANC|INR|PTT?"
    r"|aPTT|AST|ALT|ALP|GGT|bili|Tbili|LDH|CK|CPK"
    r"|trop(?:onin)?(?: [IT])?|hs-?trop|BNP|NT-proBNP|CRP|ESR|TSH|FT4|T3|T4|PSA|CEA|AFP|ferritin|TIBC|B12"
    r"|folate|vit D|lactate|pH|pCO2|pO2|PaO2|PaCO2|SpO2|FiO2|EF|LVEF"
    r"|eGFR|GFR|GCS|HR|BP|MAP|RR|T|Tmax|wt|BMI|CrCl|EtOH|APAP|LDL|HDL|TG|TC|QTc|PR|QRS|LVIDd|RVSP|PCWP|PEEP"
    r"|FEV1|FVC|DLCO|PHQ-?[29]|GAD-?7|MoCA|MMSE|CIWA|COWS|NIHSS|APACHE(?: II)?|SOFA"
    r"|qSOFA|CURB-65|HAS-BLED|CHA2DS2-VASc|TIMI|GRACE|Wells|AUDIT(?:-C)?|EPDS|Apgars?|Bishop|Braden|Morse|Berg"
    r"|TUG|6MWT|VAS|Centor)"
    r"(?: score| level| of| is| was)?\s?[:=<>~]{0,2}\s?\d{1,5}(?:[.,]\d{1,3})?(?:\s?(?:/|-|->|→)\s?\d{1,4}"
    r"(?:\.\d{1,2})?)?(?![\w/-]|\.\d)"
)
GENETICS = re.compile(
    r"\b[cpgmnr]\.(?:\[|\()?[\w*>=+?-]{3,30}\)?|\bIVS\d{1,2}[+-]\d{1,4}\w{1,6}|\b[A-Z]\d{2,4}(?:[A-Z]"
    r"(?:fs\S{0,6})?|\*|del|dup|ins)(?!\w)"
    r"|\bHLA-?[A-Z]{1,4}\d?(?:\*\d{2,3}(?::\d{2,3}){0,3})?|\b(?:DRB1|DQB1|DQA1|DPB1)\*\d{2}(?::\d{2}){0,2}"
    r"|\b(?:del|inv|dup|add|t|i|der)\s?\((?:[\dXY]{1,2}[pq]?)(?:[;,]\s?[\dXY]{1,2})?[pq]?\)(?:\([pq\d.;]{1,20}\))?"
    r"|\b(?:[1-9]|1\d|2[0-2]|[XY])[pq]\d{1,2}(?:\.\d{1,2})?\b|\b4[5-7],[XY]{1,4}(?:,[+-]?\w{1,20})?\b"
    r"|\b[A-Z][A-Z0-9]{1,6}(?:\*\d{1,2}[A-Z]?)(?:/\*\d{1,2}[A-Z]?)?(?!\w)|\bchr(?:omosome)? ?(?:\d{1,2}"
    r"|[XY])\b|\b(?:miR|let)-\d{1,4}[a-z]?(?:-[35]p)?\b"
)
TRIALS = re.compile(
    r"\b[A-Z]{3,}(?:-[A-Z]{1,9})?-\d{1,4}\b(?!-)|\b[A-Z]{2,12}-(?:HF|AF|CKD|TIMI|ACS|MI|PCI|OUTCOMES?|BLEED|DM"
    r"|ICD|CRT|II|III|IV|T|R|X)\b|\b[A-Z]{2,6}\*[A-Z]{1,3}(?!\w)"
)
CELL_LINES = re.compile(
    r"\b(?:HeLa|HEK-?293T?|CHO(?:-K1)?|Jurkat|MCF-?7|A549|HepG2|Caco-?2|U-?87|U-?937|THP-?1|K562|Vero(?: E6)?"
    r"|NIH[ -]3T3|PC-?3|LNCaP|HL-?60|HUVECs?)\b"
)
SPECIES = re.compile(
    r"\b(?P<genus>[A-Z][a-z]{4,18}|[A-Z]\.) (?P<species>[a-z]{3,18}(?:ii|ae|is|um|us|ans|ens|ica|icum|osa|ata"
    r"|atus|oides|orum|ensis|ense|iae|eri|ei|asei|lla|rum|gii|coli|mallei|avium))\b"
)
"""Providencia stuartii, C. difficile."""
DOSED = re.compile(
    r"\s?(?:\(\w{1,20}\)\s?)?(?:XR|ER|SR|CR|XL|LA|IR|DR|HCT|HFA|Depot|gel|cream|patch|inhaler|pen|IM|IV|PO|SQ"
    r"|\d{1,4}(?:[./]\d{1,4})?\s?(?:mg|mcg|g|ml|units?|%|tabs?)\b"
    r"|(?:once |twice )?(?:daily|nightly|weekly|monthly|bid|BID|tid|TID|qd|QD|qid|qhs|prn|PRN)\b)",
)

"""Codes everybody shares: they name a study, a disease, a drug, a gene or a service, never a person."""

from __future__ import annotations

import re

_PUBLIC = re.compile(
    # registers of studies, papers, terms and sequences
    r"(?:NCT|ISRCTN|EUCTR|ACTRN|ChiCTR|CTRI|DRKS|UMIN|PMID|PMCID|PMC|ICD|CPT|HCPCS|LOINC|SNOMED|NDC|OMIM|MIM|ORPHA|UMLS|CUI|RXCUI|MONDO|CHEBI"
    r"|CHEMBL|GSE|GSM|SRR|SRP|PRJNA|rs|chr|ENS[A-Z]{1,3}|[NX][CGMPRTW]_|LRG_)[:_ -]?\d[\w.]*|(?:HP|GO|EC|CAS):\d[\d.-]*"
    # genes, antigens, receptors, viruses
    r"|(?:LINC|LOC|MIR|KIAA|FAM|ZNF|SLC|TMEM|CCDC|RP\d{1,2}|SNOR[AD]|[Cc]irc(?:RNA)?|CYP|HLA|CD|IL|HSP|COVID|SARS|MERS|HBV|HCV|HPV)[_-]?\d[\w*.:-]*|H\d{1,2}N\d{1,2}"
    # diseases (ICD-10 with its dot), services (CPT with a modifier, HCPCS), packages of drugs (NDC)
    r"|[A-TV-Z]\d[0-9AB]\.[0-9A-Z]{1,4}|\d{5}-(?:[A-Z]{2}|\d\d)|[A-V]\d{4}|\d{4,5}-\d{3,4}-\d{2}"
    # substances under development: the letters of the developer, four digits or more
    r"|(?:ABBV|ABT|ALN|AMG|ARRY|ASP|AZD|BAY|BGB|BI|BIBF|BIBW|BMN|BMS|BNT|CEP|CGP|CNTO|CTX|GDC|GS|GSK|ICI|INCB|JNJ|LY|MDV|MEDI|MK|MLN|MRNA|NSC|ODM"
    r"|ONO|PF|PLX|REGN|RG|RO|RXDX|SAR|SB|SCH|SKF|STI|SYL|TKM|TAK|TAS|UCB|VX|WAY|YM|ZM)[- ]?\d{3,8}[A-Z]?"
)


def public_code(value: str) -> bool:
    """Whether the whole value has the form of such a code, which a record number may have as well."""
    return bool(_PUBLIC.fullmatch(value))

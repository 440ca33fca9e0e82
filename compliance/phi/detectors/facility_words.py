"""The words by which a hospital, school or other house is known: at the end of its name, at its start, before it."""

from __future__ import annotations

import re

from compliance.phi.detectors.places import CAP, CAPS, GAP, C

_CARE = (
    r"Hospitals?|Hosp\.?|Clinics?|(?:Medical|Med\.?|Health|Health Care|Surgical|Surgery|Cancer|Heart|Kidney|Eye|Breast"
    r"|Birth|Trauma|Burn|Transplant|Pain|Spine|Sleep|Wound|Counseling|Recovery|Treatment|Dialysis|Wellness|Imaging"
    r"|Nursing|Rehab|Care|Community|Senior|Research|Cancer Care|Detention|Correctional) (?:Cent(?:er|re)s?|Ctr\.?)"
    r"|Medical (?:Group|Associates|Campus|Plaza|Arts|Park|Clinic|Practice|Partners)|Med\.? ?Ctr\.?|(?<!J )Med|MedCenter"
    r"|Health(?:care)? (?:System|Network|Partners|Services|Clinic|Group|Alliance|Plex|Department|Sciences)"
    r"|Health(?: ?[Cc]are)?"
    r"|Cent(?:er|re)|Ctr|Infirmary|Hospice|Sanatorium|Nursing (?:Home|Facility)|(?:& |and )?Rehab"
    r"(?:ilitation)?|Institute"
    r"|Pharmacy|Drugs?|Drug Store|Children's|Apothecary|Urgent Care|Family (?:Practice|Medicine|Care|Health)"
    r"|Dialysis|Kidney Care|Memorial|General"
    r"|Regional|Methodist|Presbyterian|Baptist|Lutheran|Adventist|Samaritan|Deaconess|VAMC|VA|CBOC|Manor"
    r"|Assisted Living|Senior Living"
    r"|Memory Care|Independent Living|Retirement (?:Home|Community|Village)|Group Home|Care (?:Home|Community)"
    r"|Adult Day(?: Care)?"
    r"|(?:Clinical )?Laborator(?:y|ies)|Labs?|Diagnostics|Imaging|Surgicenter|Behavioral(?: Health)?|Treatment Program"
    r"|Critical Access|Vascular|Wellness|Birthing Center|Blood Bank|Cancer Alliance|Ambulance|EMS|Life Flight"
    r"|Chapter House|Kidney Cent(?:er|re)|(?:Nursing|Health|Care|Rehab) (?:& |and )?(?:Nursing|Health|Care|Rehab) "
    r"Cent(?:er|re)|Convalescent(?: Hospital| Home)?|Veterans Home|Christian Home|Lutheran Home|Health Home|Gen"
    r"|Medical Supply|Medical Equipment|DME|Oxygen|Medical|Trauma|Emergency|Service Unit|Tribal Health|Indian (?:Health"
    r"|Hospital|Health Service)|Student Health|Public Health|County Health|Open MRI|MRI|Radiology Cent(?:er|re)"
    r"|Sports (?:& |and )?(?:Spine|Ortho|Medicine|Rehab)|Sports Med|Recovery|Detox|Sober Living|Outreach|Crisis Cent"
    r"(?:er|re)|Crisis Line|Crisis|Hospital District|Fire Rescue|Fire(?:-| and )?(?:Rescue|Dept|Department)|Air Care"
    r"|Life ?Net|Ambulance District|ACT Team|Mental Health|Physical Rehab|Day Surgery|Same Day Surgery|Eye Associates"
    r"|Foot (?:& |and )?Ankle|Hand Cent(?:er|re)|Fertility|Midwifery|Birth House|Pain (?:Clinic|Management)|Hearing"
    r"|Audiology|Chiropractic|Acupuncture|Council on Aging|Senior Cent(?:er|re)|Adult (?:Family|Foster) Home|Home Care"
    r"|Home Health|Home Infusion|Visiting Nurses?|ALF|SNF|LTACH?|IRF|AFH|CCRC|Poison Cent(?:er|re)|Organ Bank"
    r"|Eye Bank|Tissue Bank|Plasma"
)
_OTHER = (
    r"University|College|School|Elementary(?: School)?|Middle School|High School|High|Academy|Preschool"
    r"|Intermediate|Day ?[Cc]are|ISD"
    r"|Shelter|Prison|Jail|Penitentiary|Correctional(?: Facility| Institution)?|Detention|Pretrial|Reformatory"
    r"|Halfway House"
    r"|Church|Chapel|Synagogue|Mosque|Cathedral|Tabernacle|Monastery|Convent|Funeral Home|Mortuary|Crematory"
    r"|Crematorium|Cemetery"
    r"|AFB|Air Force Base|Naval (?:Base|Station|Hospital)|Barracks|Airfield|Army (?:Base|Depot)|Pavilion|Annex"
    r"|Residences?|Towers?|House of Correction|(?:District|Superior|Circuit|County|Family|Juvenile|Municipal"
    r"|Probate) Court"
    r"|Courthouse|Animal (?:Control|Hospital|Shelter|Clinic)|Veterinary(?: Clinic| Hospital)?|Humane Society"
    r"|(?:County )?Sheriff(?:'s (?:Office|Department|Dept\.?))?|Police (?:Department|Dept\.?)|PD|Parochial"
    r"|Montessori|Charter"
    r"|Kindergarten|Head Start|Boys (?:& |and )Girls Club|YMCA|YWCA|Community Cent(?:er|re)|Library|Food "
    r"(?:Bank|Pantry)"
    r"|Soup Kitchen|Mission|Ministries|Parish|Temple|Gurdwara|Mandir|Islamic Cent(?:er|re)|Fellowship|Assembly of God"
    r"|Union Hall|Legion(?: Post)?|VFW|Fairgrounds|Ball ?field|ball ?field|Speedway|Raceway|Country Club|Golf Club|Gym"
    r"|Brewery|Tavern|Diner|Caf[eé]|Grill|Bar & Grill|Restaurant|Bakery|Salon|Barbershop|Motors|Hardware|Grocery|Market"
    r"|Supermarket|Mine|Mill|Foundry|Plant|Warehouse|Poultry|Packing|Dairy|Farms|Foods|Winery|Vineyards?|Nursery|Lumber"
    r"|hotel|motel|inn|casino|restaurant|bar|diner|resort|brewery|council on aging|act team|tribal health"
    r"|student health"
    r"|(?:county )?hosp|Middle(?! [A-Z])"
    r"|facility|clinic|hospital|campus|branch|office|nursing home|pharmacy|shelter|hospice|rehab|jail|prison"
    r"|high school|elementary|nursing center|rehab center|care center|medical center|health center|senior center"
    r"|kidney center|dialysis center|surgery center|cancer center|home health|home care|middle school|jail|house"
    r"|church|daycare|funeral home|dialysis|memory care|assisted living|group home|care home|camp|lab|VA"
    r"|(?:men|women)'s shelter"
)
_PRACTICE = (
    r"Orthop(?:a?edics|edic)|Cardiology|Oncology|Pediatrics|Paediatrics|Dermatology|Neurology|Urology"
    r"|Nephrology|Radiology|Pathology"
    r"|Gastroenterology|Endocrinology|Rheumatology|Pulmonology|Psychiatry|Psychology|Ophthalmology|Optometry"
    r"|Podiatry|Dental|Dentistry"
    r"|Obstetrics|OB/GYN|OBGYN|Internal Medicine|Primary Care|Family Physicians|Physical Therapy|Home "
    r"(?:Health|Care)|Surgery|Surgeons"
    r"|Digestive (?:Care|Health)|Genetics|Associates|Physicians|Specialists|Partners|Practice|Group|Kids"
    r"|Transport|LLP|PLLC|Genomics|Medicine|ENT|Heart (?:&|and) Vascular|Bone (?:&|and) Joint|Ear,? Nose (?:&"
    r"|and) Throat|Women's Health|Eye Care|Vision|Infusion(?: Suites?| Center)?"
)
PRACTICE = rf"(?:{_PRACTICE}|Drugs?)"
_SUFFIX_WORDS = f"{_CARE}|{_OTHER}|{_PRACTICE}"
_SHOUTED = (
    f"{_CARE}|{_PRACTICE}|HIGH SCHOOL|MIDDLE SCHOOL|ELEMENTARY|UNIVERSITY|COLLEGE|CHURCH|PRISON|JAIL|SHELTER".upper()
)
LOOSE = (
    r"(?:Medical|Trauma|Emergency|Market|Plant|Mine|Mill|Nursery|Gym|Grill|Foods|Farms|Motors|Mission|Recovery"
    r"|Crisis|Hearing"
    r"|MRI|PD|Plasma|Oxygen|Partners|Practice|Group|Transport|Vision|Fertility|Gen|General|Memorial|Drugs?"
    r"|Charter|house|bar)"
)
"""At the end of a house's name only behind a word that names by itself."""
SUFFIX = rf"(?:{_SUFFIX_WORDS}|{_SHOUTED})(?![\w])"
NAMED = re.compile(
    rf"\b(?P<place>(?P<name>{CAP}(?:{GAP}{CAP}){{0,5}}?)(?: |-(?!VA))(?P<suffix>{SUFFIX})(?:(?: |, | & | and "
    rf"| - ){SUFFIX}){{0,3}})"
)
"""Lakeview Regional, Willow Bend Nursing Home: the kind of house behind its name."""
CARES = re.compile(
    r"(?:Hospital|Clinic|Medical Cent(?:er|re)|Med Ctr|Cent(?:er|re)|Health|Institute|Orthop(?:a?edics|edic)"
    r"|Cardiology|Oncology|Pediatrics|Dermatology|Associates|Practice|Physicians|Group|House|Hall|Lodge"
    r"|Pretrial|Inn|Motel|Hotel|Village|Gardens|Terrace|Oaks|Pines|Meadows|Hollow|Ranch)\b"
)
OPENED = re.compile(
    r"\b(?P<place>(?:Hospital|Cl[ií]nica?|Centro(?: M[eé]dico| de Salud)?|Sanatorio|H[oô]pital|CHU|Klinik"
    r"(?:um)?|Krankenhaus|Universit[aä]tsklinikum|Ospedale"
    r"|Policlinico|Szpital|Sjukhuset|Sykehus|Masjid|Beth|Beit|Congregation|Casa|Iglesia|Parroquia|Escuela"
    r"|Colegio|Fort|Ft\.|Camp|Joint Base"
    r"|Naval (?:Base|Station)|Our Lady of|Sisters of|Brothers of|Church of|Daughters of|Little Sisters of|Univ"
    r"(?:ersity|\.)? of|U of|Universidad de"
    r"|(?:Superior|District|Circuit|Family|Juvenile|Probate|County|Municipal|Drug) Court of|VA|VAMC|FCI|USP"
    r"|HMP|HMYOI|FDC|FMC|Farmacia|Botica|Consultorio|Sunrise of|Arbors? (?:at|of)|Villas? (?:at|of)"
    r"|Gardens at|(?:University |Regional )?Children's (?:of|Hospital of)"
    r"|MCI|SCI|Shriners|Fisher House|DaVita|Fresenius)"
    rf" (?P<name>(?:(?:de|del|la|las|los|the|of|at|Nuestra|do|da|di) ){{0,3}}{CAPS}))"
)
"""Hospital San Juan, Klinikum Ostertal, Our Lady of the Dunes: the kind of house before its name."""
SAINT = re.compile(
    rf"\b(?P<place>(?:St|ST|Saint|SAINT|Sta|Santa|Ste|Mt|MT|Mount|Mercy|Providence|Sacred Heart|Holy \w{{4,12}}"
    rf"|Good \w{{3,10}}|Trinity)\.? "
    rf"{C}[\w'-]{{1,20}}(?: (?:of |and |& )?{C}[\w'-]{{2,20}}){{0,2}})"
)
LOWER_SAINT = re.compile(
    r"\b(?:at|from|to|of|via|with) (?P<place>(?:our lady of [a-z]{3,14}|sacred heart|holy [a-z]{4,10}|good sam"
    r"(?:aritan)?|mercy [a-z]{4,12}"
    r"|(?:st|saint|mt|mount)\.? (?!elevation|depression|segment|changes|elev|dep|jude)[a-z]{3,14}(?:'s|s')?)"
    r"(?: (?:hospital|medical center|med center|clinic|nursing home|rehab|hospice|regional|general))?)\b"
    r"(?! (?:elevation|wort|encephalitis|segment))",
)
LOWER = re.compile(
    r"\b(?:at|from|to|in|of|the|by|with|per|near|thru|through|via) (?P<place>(?P<name>(?:[a-z][a-z'&.-]{1,18} ){1,4}?)"
    r"(?P<suffix>hospital|(?:county |community |regional |general )?hosp|nursing (?:home|center)|"
    r"(?:tribal|student|public|county|behavioral|mental|home) health(?: dept| department| center| clinic)?"
    r"|council on aging"
    r"|act team|home care|senior (?:center|living)|kidney center|dialysis center|rehab center|recovery"
    r"(?: center)?|medical supply"
    r"|surgery center|cancer center|crisis center|sober living|detention(?: center)?|correctional(?: facility)?"
    r"|(?:district|superior|county) court|medical center|med center|med ctr|clinic|hospice|rehab|general"
    r"|memorial|regional|methodist|baptist"
    r"|presbyterian|manor|assisted living|memory care|pharmacy|drugs|high school|elementary|middle school"
    r"|church|shelter|dialysis|jail|prison|county jail"
    r"|urgent care|children'?s|va|vamc|health center|care center|funeral home|university|college))\b(?!-)"
)
_WENT = (
    r"admitted|readmitted|transported|referral|transferred|txfr?|tx|txd|xfer(?:red)?|trans|tfr|referred|sent"
    r"|discharged|dc'?d?|d/c'?d?|presented|brought|returned|taken|went|going|came|come|coming"
    r"|presenting|transfer|transfers|admission|seen|treated|followed|delivered|born|intubated|stabili[sz]ed"
    r"|hospitali[sz]ed|evaluated|worked up|diagnosed"
    r"|moved|records|airlifted|life-?flighted|medevac'?d?|flown|received|care|surgery|done|performed"
    r"|established|accepted|rehab|boarding|residing|resident|inpt|inpatient"
    r"|filled|scan(?:ned)?|imaged|imaging|biopsied|operated|staying|stay|works|employed|teacher|student"
    r"|bed|flight|transport|declined|refused|denied|diverted|appt|appointment|volunteers?|worships|boarded"
    r"|chaplain|imam|rabbi|pastor|priest|coach|counselor|lodging|held|booked"
)
_SENT_WITH = (
    r"slides|path|films|discs?|images|reports?|results|labs|echo|swallow|consult|shots?|vaccines?|notes?|letter|fax"
    r"|packet|call|phone call|biopsy|eeg|emg|mri|ct|cath|scan|x-?rays?|pft|culture|cultures"
)
SEEN_AT = re.compile(
    rf"(?i:\b(?:at|@|(?:{_SENT_WITH})(?: [\w/.-]{{2,10}})? from|visited|attended|attends|refuses to go to"
    rf"|graduated from|in from|(?:{_WENT})(?: back| here"
    rf"| over| up| in| out| [\w/.-]{{2,10}})?(?: to| from| at| by| into| of| with)"
    rf"|dr\.? [a-z][\w'.-]{{0,20}}(?: [a-z][\w'.-]{{0,20}}){{0,2}} (?:from|of|in)|facility\s?:|hospital\s?:"
    rf"|(?:ambulance|transport|funeral home|pharmacy|snf|nursing home|agency|referring|sending|receiving|dme"
    rf"|hospice|school"
    rf"|home health|ems|day ?care|preschool|church|shelter|employer|dialysis unit|lab|rehab|assisted living|destination"
    rf"|origin|dest|referred by|ref)\s?:|pcp at|facility|hospitali[sz]ed|clinic:|school:|lab"
    rf"(?:oratory)?:)\s{{1,2}}(?:the |our |a )?)(?!(?:Dr|Mr"
    rf"|Mrs|Ms|Prof)\b)(?P<place>{CAPS})"
)
_NICKNAMES = (
    r"Children's|Mercy|Methodist|Baptist|Presby(?:terian)?|Mt\.? Sinai|Sinai|Lutheran|Providence|Deaconess"
    r"|Good Sam(?:aritan)?|Sacred Heart|Holy (?:Cross|Family|Name|Spirit|Redeemer|Rosary)|County General"
    r"|Memorial|Regional"
    r"|Shriners|St\.? [A-Z][a-z]{2,12}(?:'s|s)?|Saint [A-Z][a-z]{2,12}|Our Lady|Ascension|Trinity|Univ"
    r"(?:ersity)?|The U|County"
)
SENDS = re.compile(
    rf"(?:^|[.!?,;:]\s|\b(?:and|but|that|says|said|per|the|then)\s)(?P<place>{_NICKNAMES})(?= (?:ED |ER |ICU )?"
    rf"(?:sent|called"
    r"|transferred|is sending|wants? to (?:send|transfer)|faxed|accepted|refused|declined|discharged|says|said"
    r"|did|has her"
    r"|has his|has no|can't take|won't take|is on divert|is full|admitted|records|tox|transfer|started|gave"
    r"|told|ED|ER))",
    re.MULTILINE,
)
"""A hospital by its nickname that does something: Good Sam sent us."""
NICKNAME = re.compile(
    rf"\b(?:(?:at|from|to|by|per|with|via) (?:the )?(?P<place>{_NICKNAMES})"
    rf"|(?:AT|FROM|TO|PER|VIA) (?:THE )?(?P<shouted>{_NICKNAMES.upper()}))(?![\w'])(?! [a-z]+(?:itis|sign|wort)\b)"
)
"""What people call a hospital when they leave out the word."""
LODGED = re.compile(
    rf"\b(?:of|at|in|from|hotel|near|to|by) (?:the )?(?P<place>{CAP}(?: {CAP}){{0,2}} (?:Hall|House|Lodge|Inn"
    rf"|Motel|Hotel|Tower|Towers|Apartments|Estates"
    r"|Village|Manor|Court|Gardens|Oaks|Pines|Meadows|Hollow|Ranch|Homes|Suites|Plaza|Mall|Marina|Casino"
    r"|Stadium|Arena|Park|Zoo))\b"
)
"""Somebody's dwelling, or where something happened."""
SENT_ON = re.compile(
    rf"\b(?:sent|transferred|moved|discharged|referred)\b[^.\n]{{0,50}}?\b(?:to|from) (?P<place>{CAPS})"
)
ACRONYM = r"(?:[A-Z]{1,5}(?:MC|GH|MH|RH|UH|CH|VA|HS)|[A-Z]{2,4}H)"
MOVED = re.compile(rf"(?i:\b(?:{_WENT})(?: back| here| over)?(?: to| from| at)\s)(?P<place>{ACRONYM})\b")
"""An acronym that ends as those of hospitals do, behind "transferred from"."""
BRANCH = re.compile(rf"\b(?P<head>[A-Z]{{2,6}}|[A-Z][a-z]+Health) (?P<town>{C}[a-z]{{3,20}}(?: {C}[a-z]{{3,20}})?)\b")
"""UPMC Altoona, AdventHealth Orlando: a network and the town of its house."""
ANY = re.compile(r"\b[A-Z][\w.&'-]{1,20}(?: (?:of |for |and |& )?[A-Z&][\w.&'-]{0,20}){0,5}")
TOWN_AFTER = re.compile(rf"(?:,| in| at| of| -) (?P<place>{CAP}(?: {CAP}){{0,2}})")
NUMBERED_SCHOOL = re.compile(
    r"\bP\.?S\.? \d{1,3}\b|\b(?:First|Second|Third) (?:Presbyterian|Baptist|Methodist|Lutheran|Congregational"
    r"|Christian|United)(?: Church)?\b"
)
"""PS 118, First Presbyterian."""
HL7 = re.compile(
    r"^MSH\|[^|\n]{1,8}\|[^|\n]{0,40}\|(?P<from>[^|\n]{0,40})\|[^|\n]{0,40}\|(?P<to>[^|\n]{0,40})\|"
    r"|^PV1\|[^|\n]{0,20}\|[^|\n]{0,5}\|[^|^\n]{0,20}\^[^|^\n]{0,10}\^[^|^\n]{0,10}\^(?P<at>[\w .-]{1,40})",
    re.MULTILINE,
)
FOR = re.compile(
    r"\b(?:at|from|to|with|by|of|the|via) (?:the )?(?P<place>(?:Clinic|Cent(?:er|re)|Institute|Home|School"
    r"|House|Hospital)"
    rf" for (?:the )?(?!Disease|Medic|Health|Drug|Tobacco|Devices|Science|Evidence){CAP} {CAP}(?: {CAP}){{0,3}})"
)
"""Clinic for Special Children."""
LOWER_KIND = re.compile(
    rf"\b(?:at|from|to|in|near|by|of|with|via|per) (?:the )?(?P<place>(?P<name>{CAP}(?: {CAP}){{1,3}}) (?:hotel"
    rf"|motel|inn|casino"
    r"|restaurant|bar|diner|resort|shelter|church|clinic|pharmacy|nursing home|nursing center|hospital"
    r"|apartments|mall|gym"
    r"|library|dorms?|campground|plant|factory|mine|farm|ranch|building|brewery|store|daycare|school|group home))\b"
)
"""Two capitals and what it is in small letters: at the Turning Leaf hotel."""
AIR = re.compile(
    r"\b(?:(?:Mercy|Guardian|Classic|Native|Northwest|Survival) (?:Air|Flight|Link)|MedFlight|LifeFlight"
    r"|Life Flight|AirCare"
    r"|Air ?Evac|LifeNet|LifeStar|CareFlight|Flight For Life|AirLife|Air Life|AeroCare|SkyHealth|Angel Flight"
    r"|AirMed|StatFlight"
    rf"|Air ?Link|Life ?Link|MedEvac)(?: (?:\d{{1,3}}|{C}[a-z]{{2,14}}))?\b"
)
"""A helicopter service with the number or base of the crew."""

"""What stands beside two numbers with a stroke between, and says whether they are a date."""

from __future__ import annotations

from compliance.phi.detectors.measures import any_of

TIMES = any_of(
    "on since until till? 'til through thru before after by from frm around circa starting beginning effective between"
)
"""Small words of time."""

EVENTS = any_of(
    r"""
    visits? visited appts? appointments? f/?u follow-?_?ups? rtc seen saw clinic (?:re-?)?admit(?:ted)?
    (?:re)?admission adm discharged? disch d/c'?e?d? dc'?d? left transfer(?:red)? xfer(?:red)? moved returned back
    presented arrived coming accept(?:ed)? check-?_?in missed left died passed born pick-?_?up recheck(?:ed)?
    dx'?e?d? diagnosed surgery operated procedure s/p cath delivery delivered intubated extubated trach(?:ed)?
    implanted placed inserted removed pulled exchanged picc foley line port bypass transposition fixation orif nail
    repair(?:ed)? resect(?:ion|ed) graft(?:ed)? stent(?:ed)? cabg tavr lap \w{3,12}(?:ectomy|plasty|otomy|ostomy|scopy)
    labs? (?:re)?drawn? drew coll(?:ected)? resulted bloods? bmp cmp cbc lfts? inr a1c tsh psa troponins? ua swab
    tests? cultures? cx biopsy bx path pap imaging ct mri mra cta x-?ray cxr kub echo tte ekg ecg eeg (?:re-?)?scan
    pet us u/s ultrasound colonoscopy egd mammo(?:gram)? lp level periods? menses vax\w*
    covid flu rsv strep rapid wean(?:ed)? eval flights? t[kh]a
    notes? dictated signed letter dated? dates dos dod lmp edd edc due reported updated reviewed discuss(?:ed)?
    (?:re)?started? began stopped held given received gave got took done finished completed vaccine shot booster
    infusion chemo doses? abx vanc
    cycle_\d c\dd\d dialy[sz]ed hd (?:re)?filled refills? valid exp(?:ires?|ired)? randomi[sz]ed enrolled
    called calls? spoke emailed faxed mailed sent messaged? msg
    fell fall injur(?:y|ed) onset symptoms sx seizures? exposed exposure needlestick lkw lkn rebound ran
    next last week_of wk_of weekend_of night_of morning_of as_of same_day pod_?#?\d since until
    rehab snf hospice roster shifts? cover(?:age|ing)? (?:re)?scheduled planned ordered approved denied hearing
    flew landed traveled
    """
)
"""What happens on a day."""

EXAMINED = any_of(
    """ct mri mra cta x-?ray cxr kub ultrasound us u/s mammo(?:gram)? scan colonoscopy egd surgery op or_date procedure
    t[kh]a eval planned scheduled rescheduled booked visit visited seen fell onset"""
)
"""Of those, what no laboratory value follows, but now and then a size or a distance."""

DATED = any_of(
    """appt appointment f/u follow-?up rtc (?:re-?)?admitted admission discharged d/c'?d dc'?d transferred lkw lkn edd
    edc lmp spoke signed dictated died returned"""
)
"""Of those, what no decimal follows."""

SCALES = any_of(
    r"""
    pain strength power motor reflex(?:es)? dtrs? scale scor(?:e|es|ed|ing) rat(?:es?|ed|ing|io) murmur grade
    systolic diastolic holosystolic sem hsm
    nrs vas gcs e\dv\dm\d apgars? moca mmse slums mini-?_?mental minicog phq\S{0,2} gad\S{0,2} braden morse berg
    tinetti ess
    epworth epds ciwa cows cage audit dast ace flacc cpot bps painad aldrete beighton timi grace perc stop-?bang news
    mews centor aims edss fim i?adls? katz lawton caprini padua has-?bled bisap ranson westley nottingham fuhrman
    sirs qsofa duke ros recall(?:ed)? orientation oriented
    cat act nihss rass heart_score wells curb sofa meld mrc ecog bishop gleason tof severity intensity criteria
    insight
    visual acuity va vision snellen o[dsu] bcva cores? nodes? lns? cm out_of
    soreness discomfort fatigue mood anxiety itch\w* agree\w* positive responders? gestation\w* ga pulses? edema
    headaches? h/?a migraine cramp\w* aches? aching burning nausea dyspnea stress tenderness
    tone grip quad\w* delt\w* bicep\w* tricep\w* psoas iliopsoas hams?tring\w* dorsiflex\w* plantar\w* flexion
    extension abduction adduction
    dis[ck]s?
    """
)
"""What is rated, as so much of so much: the first number is never the higher one."""

PRESSED = any_of(
    r"""
    bp sbp blood_pressure iop tonometry [bc]i?pap ipap psv? simv vent peep pressure_support settings? i:e ratio m/f m:f
    male/female station effac\w* dilat\w* fraction tabs? tablets?
    nph lantus glargine humulin novolin novolog humalog lispro aspart levemir
    """
)
"""What is measured or dosed with any two numbers."""

SEQUENCES = any_of(
    """phase grade type types stage class group level tier jak cdk ck mek erk hsv hiv htlv kinases? cytokeratin
    presenilin
    idh ribs? toes? fingers? discs? disks? segments? levels? vertebra\\w* facets? dermatomes? molars? days?
    pages? pg part parts step week weeks wk session bag item round cycle course image slice no\\. ages? aged
    ratio only"""
)
"""What is numbered: day 3/7, phase 1/2, CK 5/6."""

RATIOS = "was|is|of|now|today|at|were"
"""What may stand between two things and their two values."""

COUNTED = any_of(
    """patients? pts subjects cases people participants men women children kids infants eyes bottles? sets?
    specimens cx bcx cultures
    samples? smears sites quadrants stools swabs lesions vessels teeth attempts joints digits lobes limbs extremities
    criteria points? sirs positive correct words objects items questions domains cores nodes lns cups? inch(?:es)?
    teaspoons? tsp tbsp strength ns normal_saline pattern inhibitors? mutations? mutant fractions studies trials
    tumou?rs controls animals mice rats"""
)
"""What is counted: 3/4 bottles."""

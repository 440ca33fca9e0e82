"""The words that announce an identifying number, by kind of identifier. White space parts them.

An underscore stands for any separator or none: "member_id" is also "member-id" and "MemberID". `PROPER` words mean
such a number and nothing else. `EVERYDAY` words have another use ("case 3", "order 2 units"), so their number counts
only behind "no.", "#", ":" or "id", or when it is long enough to be nothing else.
"""

from __future__ import annotations

from compliance.phi.types import Label

PROPER: dict[Label, str] = {
    Label.MRN: """
        mrn m_r_n mr_# m_r_# umrn emrn mr_no mr_number medical_record medical_rec med_rec med_record
        health_record_number hospital_number hospital_no hosp_no hosp_number patient_id patient_ids
        patient_number patient_no patient_identifier pt_id pt_no pt_number name_id chart_number chart_no
        record_number record_no emr_id ehr_id epic_id cerner_id empi mpi unit_record urn fin fin_nbr csn har
        encounter_number encounter_id encounter_no visit_number visit_id visit_no contact_serial
        hospital_account crn chi_number person_number pid
    """,
    Label.SSN: """
        ssn s_s_n ss_# s_s_# ss_number ss_no social_security soc_sec social last_four last_4 last_four_of_ssn
        last_four_digits last_4_digits last_4_of_ssn last_4_of_social last_four_of_social itin tin
    """,
    Label.HEALTH_PLAN: """
        mbi hicn hic_number member_id member_no member_number memb_id subscriber_id subscriber_no
        subscriber_number policy_no policy_number policy_id group_no group_number group_id grp grp_no
        plan_id plan_number ins_id insurance_id insurance_number insurance_no insurance_card medicaid_id
        medicaid_no medicaid_number medicare_id medicare_no medicare_number medicare_card cin beneficiary_id
        health_card ohip nhs_no nhs_number hplan payer_id payor_id rxgrp rx_grp rxbin medigap_no
    """,
    Label.ACCOUNT: """
        account_no account_number account_id acct acct_no acct_number iban routing_number routing_no aba
        swift card_number card_no credit_card debit_card visa_card mastercard amex invoice_no invoice_number
        guarantor_no guarantor_number guarantor_id bank_account hsa_no statement_no
    """,
    Label.LICENSE: """
        npi dea dea_no declia cdl oln x_waiver license_no license_number licence_no licence_number
        license_id lic_no lic drivers_license driver_license driver's_license driver's_licence driver's_lic
        drivers_lic driver's_lic_no medical_license nursing_license rn_license state_license state_licence
        passport passport_no green_card alien_no a_# uscis_# alien_number bar_no bar_number bar_id upin
        aadhaar nric curp cedula state_id dl_no dl_number gmc_no gmc nmc_pin certificate_no
        certificate_number cert_no cert_number permit_no permit_number placard_no placard_number tail_no tail_number
    """,
    Label.VEHICLE: """
        vin license_plate licence_plate number_plate plate_no plate_number car_tag vehicle_id
        registration_plate reg_plate fixed_wing_tail
    """,
    Label.DEVICE: """
        serial serial_no serial_number s_n sn ser_no ser device_id device_no device_number device_serial udi
        gtin imei imsi iccid meid lot lot_no lot_number model_serial pump_serial icd_serial transmitter_id
        sensor_id blood_unit unit_din din donation_no asset_tag asset_no asset workstation hostname host
        ankle_monitor monitor_id implant_id mac
    """,
    Label.BIOMETRIC: """
        fingerprint finger_print fingerprint_id thumbprint thumb_print voiceprint voice_print palm_vein
        palm_print retinal_scan retina_scan retinal_template iris_scan iris_id iris_template face_id
        faceprint biometric biometric_id afis afis_hit gait_id dna_profile fingerprint_template
        voiceprint_template face_template palm_template iris_code
    """,
    Label.OTHER_ID: """
        accession acc_no acc_number accn specimen_id specimen_no specimen_number spec_no spec requisition
        requisition_no req_no order_no order_number order_id rx_no rx_number prescription_no
        prescription_number script_no study_id study_no study_number study_code subject_code
        enrollment_study_code subject_id subject_no subject_number participant_id participant_no
        screening_no randomization_no randomisation_no enrollment_id enrolment_id case_no case_number
        case_id docket docket_no cause_no matter_no claim_no claim_number claim_id auth_no auth_number
        authorization_no authorization_number prior_auth reference_no reference_number ref_no ref_number
        our_ref your_ref ticket_no ticket_number incident_no report_no badge badge_no badge_number badge_id
        employee_id employee_no employee_number emp_id emp_no staff_id staff_no payroll_no dod_id edipi
        service_number student_id student_no student_number inmate_no inmate_id offender_id offender_no
        booking_no prison_no apsin passcode pass_code unos gate_pin door_pin form_no form_number form_id
        pin_number pin_code lockbox_code password meeting_id conference_id confirmation confirmation_code conf_code
        confirmation_no
        conf_no conf pnr tracking tracking_no tracking_number barcode bar_code wristband bracelet armband
        band_no donor_id donor_no unos_id locker_no kit_no kit_barcode slide_no block_no path_no
        pathology_no biopsy_no transaction_id session_id device_token transfer_no xfer_no xfer trip_no
        run_no file_no file_number registry_no registry_id booking
    """,
}
EVERYDAY: dict[Label, str] = {
    Label.MRN: """
        chart record encounter visit file patient pt registration reg sticker hospital
    """,
    Label.HEALTH_PLAN: """
        insurance insur ins member subscriber policy medicare medicaid health_plan plan payer beneficiary
        group aetna cigna uhc united bcbs blue_cross humana anthem kaiser tricare tri_care molina centene
        medi_cal card
    """,
    Label.ACCOUNT: """
        account a_c routing invoice billing bank guarantor visa discover statement
    """,
    Label.LICENSE: """
        license licence licensure dl certificate certification credential permit tail
    """,
    Label.VEHICLE: """
        plate plates vehicle tag car truck placard
    """,
    Label.DEVICE: """
        device pacemaker implant pump generator lead controller concentrator monitor unit batch model
    """,
    Label.BIOMETRIC: """
        template
    """,
    Label.OTHER_ID: """
        store trip run job dictation dx dispatch
        req acc order specimen sample case study trial subject participant rx prescription script claim auth
        authorization referral reference ref ticket incident report biopsy path pathology surgical employee
        emp staff student inmate offender doc matter chancery court petition warrant pin kit slide block
        flight seat row tech transfer band donor locker complaint id i_d ids identifier protocol registry
        barcode
    """,
}

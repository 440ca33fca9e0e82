"""What no code may break: records of training stay, and nobody is cleared without the four approvals."""

from __future__ import annotations

from django.db import migrations

KEPT = (
    "moduleversion",
    "enrolment",
    "lessonread",
    "attempt",
    "answer",
    "certificate",
    "accessrequest",
    "delegation",
    "stagedecision",
)
NO_DELETE = "\n".join(
    f"CREATE TRIGGER training_no_delete BEFORE DELETE ON training_{table} "
    "FOR EACH ROW EXECUTE FUNCTION compliance_refuse();"
    for table in KEPT
)
DELETE_AGAIN = "\n".join(f"DROP TRIGGER training_no_delete ON training_{table};" for table in KEPT)

FORWARD = f"""
{NO_DELETE}
CREATE TRIGGER policy_no_delete BEFORE DELETE ON compliance_policyversion
    FOR EACH ROW EXECUTE FUNCTION compliance_refuse();
CREATE TRIGGER acknowledgement_no_change BEFORE UPDATE OR DELETE ON compliance_policyacknowledgement
    FOR EACH ROW EXECUTE FUNCTION compliance_refuse();
CREATE TRIGGER decision_no_change BEFORE UPDATE ON training_stagedecision
    FOR EACH ROW EXECUTE FUNCTION compliance_refuse();
CREATE TRIGGER lesson_read_no_change BEFORE UPDATE ON training_lessonread
    FOR EACH ROW EXECUTE FUNCTION compliance_refuse();

-- What was loaded, and what was submitted, stays as it was.
CREATE TRIGGER module_content_no_change BEFORE UPDATE ON training_moduleversion
    FOR EACH ROW WHEN (OLD.content IS DISTINCT FROM NEW.content OR OLD.version <> NEW.version OR OLD.slug <> NEW.slug)
    EXECUTE FUNCTION compliance_refuse();
CREATE TRIGGER policy_text_no_change BEFORE UPDATE ON compliance_policyversion
    FOR EACH ROW WHEN (OLD.text <> NEW.text OR OLD.version <> NEW.version OR OLD.slug <> NEW.slug)
    EXECUTE FUNCTION compliance_refuse();
CREATE TRIGGER graded_no_change BEFORE UPDATE ON training_attempt
    FOR EACH ROW WHEN (OLD.state = 'graded') EXECUTE FUNCTION compliance_refuse();
CREATE FUNCTION training_answer_is_open() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM training_attempt WHERE id = OLD.attempt_id AND state = 'graded') THEN
        RAISE EXCEPTION 'an answer of a graded attempt is not changed' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER graded_answer_no_change BEFORE UPDATE ON training_answer
    FOR EACH ROW EXECUTE FUNCTION training_answer_is_open();
CREATE TRIGGER certificate_only_revoked BEFORE UPDATE ON training_certificate
    FOR EACH ROW WHEN (OLD.token <> NEW.token OR OLD.person_id <> NEW.person_id OR OLD.slug <> NEW.slug
        OR OLD.expires_at <> NEW.expires_at OR OLD.issued_at <> NEW.issued_at OR OLD.revoked_at IS NOT NULL
        OR OLD.title <> NEW.title OR OLD.version <> NEW.version OR OLD.percent IS DISTINCT FROM NEW.percent
        OR OLD.enrolment_id IS DISTINCT FROM NEW.enrolment_id)
    EXECUTE FUNCTION compliance_refuse();

-- Nobody is cleared without four approvals of this round by four people, none of them the applicant.
CREATE FUNCTION training_is_approved(which uuid, whose uuid, in_round integer) RETURNS boolean
    LANGUAGE sql STABLE AS $$
    SELECT count(DISTINCT step) = 4 AND count(DISTINCT by_id) = 4 AND bool_and(by_id <> whose)
    FROM training_stagedecision
    WHERE request_id = which AND round = in_round AND applicant_id = whose
        AND step IN ('identity', 'approve_head', 'approve_privacy', 'approve_security')
$$;
CREATE FUNCTION training_cleared_is_approved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.stage = 'cleared' AND NOT training_is_approved(NEW.id, NEW.person_id, NEW.round) THEN
        RAISE EXCEPTION 'nobody is cleared without all approvals' USING ERRCODE = 'check_violation';
    END IF;
    IF TG_OP = 'UPDATE' AND (NEW.round < OLD.round OR (OLD.stage = 'revoked' AND NEW.stage = 'cleared')) THEN
        RAISE EXCEPTION 'what was revoked or left begins anew' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER cleared_is_approved BEFORE INSERT OR UPDATE ON training_accessrequest
    FOR EACH ROW EXECUTE FUNCTION training_cleared_is_approved();
CREATE FUNCTION training_clearance_is_approved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM training_accessrequest
        WHERE person_id = NEW.user_id AND stage = 'cleared' AND training_is_approved(id, person_id, round)
    ) THEN
        RAISE EXCEPTION 'a clearance rests on a request with all approvals' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER clearance_is_approved BEFORE INSERT OR UPDATE ON compliance_clearance
    FOR EACH ROW WHEN (NEW.basis = 'onboarding' AND NEW.revoked_at IS NULL)
    EXECUTE FUNCTION training_clearance_is_approved();
"""

BACKWARD = f"""
DROP TRIGGER clearance_is_approved ON compliance_clearance;
DROP FUNCTION training_clearance_is_approved();
DROP TRIGGER cleared_is_approved ON training_accessrequest;
DROP FUNCTION training_cleared_is_approved();
DROP FUNCTION training_is_approved(uuid, uuid, integer);
DROP TRIGGER certificate_only_revoked ON training_certificate;
DROP TRIGGER graded_answer_no_change ON training_answer;
DROP FUNCTION training_answer_is_open();
DROP TRIGGER graded_no_change ON training_attempt;
DROP TRIGGER policy_text_no_change ON compliance_policyversion;
DROP TRIGGER module_content_no_change ON training_moduleversion;
DROP TRIGGER lesson_read_no_change ON training_lessonread;
DROP TRIGGER decision_no_change ON training_stagedecision;
DROP TRIGGER acknowledgement_no_change ON compliance_policyacknowledgement;
DROP TRIGGER policy_no_delete ON compliance_policyversion;
{DELETE_AGAIN}
"""


class Migration(migrations.Migration):
    dependencies = [("training", "0001_initial"), ("compliance", "0009_onboarding")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]

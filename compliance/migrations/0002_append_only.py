"""The database itself keeps the audit trail append-only and people undeletable.

ENABLE ALWAYS: the triggers also fire for a session that has set session_replication_role to replica.
"""

from __future__ import annotations

from django.db import migrations

FORWARD = """
CREATE FUNCTION compliance_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER audit_event_no_change BEFORE UPDATE OR DELETE ON compliance_auditevent
    FOR EACH STATEMENT EXECUTE FUNCTION compliance_refuse();
CREATE TRIGGER audit_event_no_truncate BEFORE TRUNCATE ON compliance_auditevent
    FOR EACH STATEMENT EXECUTE FUNCTION compliance_refuse();
CREATE TRIGGER user_no_delete BEFORE DELETE ON compliance_user
    FOR EACH ROW EXECUTE FUNCTION compliance_refuse();

ALTER TABLE compliance_auditevent ENABLE ALWAYS TRIGGER audit_event_no_change;
ALTER TABLE compliance_auditevent ENABLE ALWAYS TRIGGER audit_event_no_truncate;
ALTER TABLE compliance_user ENABLE ALWAYS TRIGGER user_no_delete;
"""

BACKWARD = """
DROP TRIGGER user_no_delete ON compliance_user;
DROP TRIGGER audit_event_no_truncate ON compliance_auditevent;
DROP TRIGGER audit_event_no_change ON compliance_auditevent;
DROP FUNCTION compliance_refuse();
"""


class Migration(migrations.Migration):
    dependencies = [("compliance", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]

"""Training, assessments and approvals. Its only output towards the rest is a compliance.Clearance."""

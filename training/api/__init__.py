"""The API of training, assessments, certificates, policies and requests for access."""

"""What is put together for others to read: the monthly report, and the bundle an auditor takes away."""

"""Object stores for backups (folders, S3 buckets), and the encryption of what is written to them."""

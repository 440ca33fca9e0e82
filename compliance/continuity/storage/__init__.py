"""Where backups lie: folders and buckets, what is in them encrypted under keys of ours."""

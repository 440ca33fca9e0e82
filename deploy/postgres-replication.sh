#!/bin/sh
# Lets the owner's role copy the whole server and read its write-ahead log, from the network "data" alone.
# Runs by itself on an empty volume; on an older one add the line to pg_hba.conf by hand and reload.
set -eu
printf 'host replication clinchat_owner samenet scram-sha-256\n' >>"$PGDATA/pg_hba.conf"

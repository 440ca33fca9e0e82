-- The two roles of the product. Runs by itself on an empty volume, and by hand on one of version 0.1
-- (docs/operations.md, "From one role to two"); it can be repeated.
-- clinchat_owner owns the database and everything in it, and only `migrate` is it. Everything else is clinchat, which
-- cannot change tables, nor take back what is in the audit trail. Neither is a superuser: they can neither read the
-- server's files nor run programs on it.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
\set owner_password `cat /run/secrets/database_owner_password`
\set password `cat /run/secrets/database_password`
SELECT format('CREATE ROLE %I LOGIN', name) FROM unnest(ARRAY['clinchat_owner', 'clinchat']) AS name
WHERE name NOT IN (SELECT rolname FROM pg_roles) \gexec
ALTER ROLE clinchat_owner PASSWORD :'owner_password';
-- A backup is restored into a new database, which then takes the name of the old one; sessions of the old one are ended.
-- Base copies and the write-ahead log are replication (postgres-replication.sh lets it in).
ALTER ROLE clinchat_owner CREATEDB REPLICATION;
GRANT pg_signal_backend TO clinchat_owner;
ALTER ROLE clinchat PASSWORD :'password';
SELECT 'CREATE DATABASE clinchat' WHERE 'clinchat' NOT IN (SELECT datname FROM pg_database) \gexec
ALTER DATABASE clinchat OWNER TO clinchat_owner;
-- What such a new database begins as: only a superuser can make these extensions.
SELECT 'CREATE DATABASE clinchat_template' WHERE 'clinchat_template' NOT IN (SELECT datname FROM pg_database) \gexec
ALTER DATABASE clinchat_template OWNER TO clinchat_owner;
\connect clinchat_template
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS vector;
SELECT count(*) > 0 AS has_amcheck FROM pg_available_extensions WHERE name = 'amcheck' \gset
\if :has_amcheck
CREATE EXTENSION IF NOT EXISTS amcheck;
GRANT EXECUTE ON FUNCTION bt_index_check(regclass) TO clinchat;
GRANT EXECUTE ON FUNCTION verify_heapam(regclass, boolean, boolean, text, bigint, bigint) TO clinchat;
\endif
\connect clinchat
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS vector;
-- Two control checks look where only superusers may without these: at damaged pages, and at how others are connected.
SELECT count(*) > 0 AS has_amcheck FROM pg_available_extensions WHERE name = 'amcheck' \gset
\if :has_amcheck
CREATE EXTENSION IF NOT EXISTS amcheck;
GRANT EXECUTE ON FUNCTION bt_index_check(regclass) TO clinchat;
GRANT EXECUTE ON FUNCTION verify_heapam(regclass, boolean, boolean, text, bigint, bigint) TO clinchat;
\endif
GRANT pg_read_all_stats TO clinchat;
BEGIN;
-- What comes: migration 0003 takes UPDATE and DELETE on the audit trail away again, and all of its key.
ALTER DEFAULT PRIVILEGES FOR ROLE clinchat_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO clinchat;
ALTER DEFAULT PRIVILEGES FOR ROLE clinchat_owner IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO clinchat;
-- What is there already.
REASSIGN OWNED BY clinchat TO clinchat_owner;
SELECT format('GRANT SELECT, INSERT%s ON %s TO clinchat',
    CASE WHEN relname ~ '^compliance_(auditevent|seal|sealedevent)' THEN '' ELSE ', UPDATE, DELETE' END, oid::regclass)
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname <> 'compliance_auditkey'
\gexec
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO clinchat;
COMMIT;

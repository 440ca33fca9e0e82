-- What PostgreSQL itself can say of the data. Each check is one row: what was looked at, how much of it, how many problems
-- and the first of them. No number of problems: it could not be looked at, and the subject says why.
-- Every other function of the schema that is named integrity_… and returns these rows is asked as well: apps bring theirs.
CREATE TYPE compliance_integrity AS ("check" text, subject text, looked bigint, problems bigint, sample text[]);

-- STABLE: everything that one call reads is of one moment.
CREATE FUNCTION verify_referential_integrity() RETURNS SETOF compliance_integrity LANGUAGE plpgsql STABLE
    SET search_path = public, pg_temp AS $$
DECLARE
    reference record;
    missing bigint;
    first text[];
    looked bigint := 0;
    closed text[] := '{}';
    problems bigint := 0;
    sample text[] := '{}';
BEGIN
    FOR reference IN
        SELECT conname, conrelid::regclass AS child, confrelid::regclass AS parent,
            has_table_privilege(conrelid, 'SELECT') AND has_table_privilege(confrelid, 'SELECT') AS open,
            (SELECT string_agg(format('p.%I = c.%I', p.attname, c.attname), ' AND ')
             FROM unnest(conkey, confkey) AS pair(here, there)
             JOIN pg_attribute c ON c.attrelid = conrelid AND c.attnum = here
             JOIN pg_attribute p ON p.attrelid = confrelid AND p.attnum = there) AS joined,
            (SELECT string_agg(format('c.%I IS NOT NULL', attname), ' AND ')
             FROM pg_attribute WHERE attrelid = conrelid AND attnum = ANY(conkey)) AS given,
            coalesce((SELECT format('concat_ws('':'', %s)', string_agg(format('c.%I', attname), ', ' ORDER BY attnum))
             FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey)
             WHERE indrelid = conrelid AND indisprimary HAVING count(*) > 0), 'c.ctid::text') AS name
        FROM pg_constraint
        WHERE contype = 'f' AND connamespace = 'public'::regnamespace AND conparentid = 0 ORDER BY conname
    LOOP
        IF NOT reference.open THEN
            closed := closed || reference.conname::text;
            CONTINUE;
        END IF;
        EXECUTE format(
            'WITH gone AS (SELECT %s AS name FROM %s c WHERE %s AND NOT EXISTS (SELECT FROM %s p WHERE %s)) '
            'SELECT count(*), array(SELECT name FROM gone LIMIT 3) FROM gone',
            reference.name, reference.child, reference.given, reference.parent, reference.joined
        ) INTO missing, first;
        looked := looked + 1;
        problems := problems + missing;
        sample := sample || array(SELECT reference.conname || ' of ' || one FROM unnest(first) AS one);
    END LOOP;
    RETURN NEXT ROW('foreign_keys', 'rows whose reference is missing', looked, problems, sample[:10])::compliance_integrity;
    IF closed <> '{}' THEN
        RETURN NEXT ROW('foreign_keys_closed', 'this role may not read the tables', 0, NULL, closed[:10])::compliance_integrity;
    END IF;
    RETURN QUERY
        SELECT 'constraints', 'constraints that were never checked', count(*), count(*) FILTER (WHERE NOT sound),
            (array_agg(name ORDER BY name) FILTER (WHERE NOT sound))[:10]
        FROM (SELECT conrelid::regclass || ' ' || conname AS name, convalidated AND conenforced AS sound
              FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid <> 0) AS one;
    RETURN QUERY
        SELECT 'triggers', 'triggers that are switched off', count(*), count(*) FILTER (WHERE NOT sound),
            (array_agg(name ORDER BY name) FILTER (WHERE NOT sound))[:10]
        FROM (SELECT tgrelid::regclass || ' ' || tgname AS name, tgenabled IN ('O', 'A') AS sound
              FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
              WHERE relnamespace = 'public'::regnamespace) AS one;
    RETURN QUERY
        SELECT 'indexes', 'indexes that are not whole', count(*), count(*) FILTER (WHERE NOT sound),
            (array_agg(name ORDER BY name) FILTER (WHERE NOT sound))[:10]
        FROM (SELECT indexrelid::regclass::text AS name, indisvalid AND indisready AND indislive AS sound
              FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
              WHERE relnamespace = 'public'::regnamespace) AS one;
END
$$;

CREATE FUNCTION integrity_sequences() RETURNS SETOF compliance_integrity LANGUAGE plpgsql STABLE
    SET search_path = public, pg_temp AS $$
DECLARE
    one record;
    highest bigint;
    looked bigint := 0;
    behind text[] := '{}';
BEGIN
    FOR one IN
        SELECT seq.oid, seq.relname, refobjid::regclass AS numbered, attname FROM pg_depend
        JOIN pg_class seq ON seq.oid = objid AND seq.relkind = 'S'
        JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
        WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i')
            AND seq.relnamespace = 'public'::regnamespace
            AND has_table_privilege(refobjid, 'SELECT') AND has_table_privilege(seq.oid, 'SELECT')
        ORDER BY seq.relname
    LOOP
        EXECUTE format('SELECT max(%I) FROM %s', one.attname, one.numbered) INTO highest;
        looked := looked + 1;
        IF highest > coalesce(pg_sequence_last_value(one.oid), 0) THEN
            behind := behind || one.relname::text;
        END IF;
    END LOOP;
    RETURN NEXT ROW('sequences', 'counters behind the rows they number', looked, cardinality(behind), behind[:10])::compliance_integrity;
END
$$;

-- The trail refuses an event whose month has no table.
CREATE FUNCTION integrity_months() RETURNS SETOF compliance_integrity LANGUAGE sql STABLE
    SET search_path = public, pg_temp AS $$
SELECT 'audit_months', 'months of the audit trail without a table', count(*), count(*) FILTER (WHERE to_regclass(name) IS NULL),
    (array_agg(name ORDER BY name) FILTER (WHERE to_regclass(name) IS NULL))[:10]
FROM (SELECT 'compliance_auditevent_' || to_char(now() + make_interval(months => ahead), 'YYYYMM') AS name
      FROM generate_series(0, 1) AS ahead) AS month
$$;

CREATE FUNCTION integrity_checksums() RETURNS SETOF compliance_integrity LANGUAGE sql STABLE
    SET search_path = public, pg_temp AS $$
SELECT 'checksums', 'pages whose checksum was wrong when they were read', count(*),
    CASE current_setting('data_checksums') WHEN 'on' THEN coalesce(sum(checksum_failures), 0)::bigint ELSE 1 END,
    CASE current_setting('data_checksums') WHEN 'on'
        THEN (array_agg(coalesce(datname, 'shared') ORDER BY datname) FILTER (WHERE checksum_failures > 0))[:10]
        ELSE ARRAY['data_checksums is off'] END
FROM pg_stat_database
$$;

-- Tables and B-trees by amcheck, where PostgreSQL has it and this role may use it; what is larger than 160 MB is left to the
-- checksums, which each base copy reads as a whole.
CREATE FUNCTION integrity_pages() RETURNS SETOF compliance_integrity LANGUAGE plpgsql STABLE
    SET search_path = public, pg_temp AS $$
DECLARE
    by_index regprocedure := to_regprocedure('bt_index_check(regclass)');
    by_table regprocedure := to_regprocedure('verify_heapam(regclass,boolean,boolean,text,bigint,bigint)');
    one record;
    wrong bigint;
    looked bigint := 0;
    broken text[] := '{}';
BEGIN
    IF by_index IS NULL OR by_table IS NULL THEN
        RETURN NEXT ROW('pages', 'not available: PostgreSQL has no amcheck here', 0, NULL, '{}')::compliance_integrity;
        RETURN;
    ELSIF NOT has_function_privilege(by_index, 'EXECUTE') OR NOT has_function_privilege(by_table, 'EXECUTE') THEN
        RETURN NEXT ROW('pages', 'not available: this role may not use amcheck', 0, NULL, '{}')::compliance_integrity;
        RETURN;
    END IF;
    FOR one IN
        SELECT thing.oid::regclass AS name, relkind FROM pg_class thing LEFT JOIN pg_am method ON method.oid = relam
        WHERE relnamespace = 'public'::regnamespace AND relpersistence = 'p' AND relpages <= 20000
            AND (relkind = 'r' OR (relkind = 'i' AND amname = 'btree')) ORDER BY relname
    LOOP
        looked := looked + 1;
        BEGIN
            IF one.relkind = 'i' THEN
                wrong := 0;
                EXECUTE 'SELECT bt_index_check($1)' USING one.name;
            ELSE
                EXECUTE 'SELECT count(*) FROM verify_heapam($1)' INTO wrong USING one.name;
            END IF;
        EXCEPTION WHEN data_corrupted OR index_corrupted THEN
            wrong := 1;
        END;
        IF wrong > 0 THEN
            broken := broken || one.name::text;
        END IF;
    END LOOP;
    RETURN NEXT ROW('pages', 'tables and indexes whose pages do not hold', looked, cardinality(broken), broken[:10])::compliance_integrity;
END
$$;

CREATE FUNCTION check_data_integrity() RETURNS SETOF compliance_integrity LANGUAGE plpgsql STABLE
    SET search_path = public, pg_temp AS $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT pg_proc.oid::regprocedure::text AS call, proname FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND prorettype = 'compliance_integrity'::regtype AND pronargs = 0
            AND (proname LIKE 'integrity\_%' OR proname = 'verify_referential_integrity')
        ORDER BY proname = 'verify_referential_integrity' DESC, proname
    LOOP
        BEGIN
            RETURN QUERY EXECUTE 'SELECT * FROM ' || one.call;
        EXCEPTION WHEN data_corrupted OR index_corrupted THEN
            RETURN NEXT ROW('unreadable', 'checks that met a damaged page', 1, 1, ARRAY[one.proname || ' ' || SQLSTATE])::compliance_integrity;
        END;
    END LOOP;
END
$$;

/// The schema `sys` that DSQL has and a plain PostgreSQL does not, made in the backend's database: jobs, functions, the
/// user `admin`, and event triggers for the rules that only the catalog can decide.
enum SystemSchema {
  /// Makes it, or brings it up to date; several emulators may start at once.
  static func install(conninfo: String, password: String?) throws(SetupProblem) {
    do throws(ServerError) {
      let connection = try BackendConnection(conninfo: conninfo, password: password, settings: [])
      try connection.run("BEGIN; SET LOCAL client_min_messages = warning; SELECT pg_advisory_xact_lock(46510316)")
      for part in [roles, jobs, functions, sizes, eventTriggers] { try connection.run(part) }
      try connection.run("COMMIT")
    } catch {
      throw SetupProblem("the backend cannot be prepared: \(error.message)")
    }
  }

  private static let roles = """
    DO $$ BEGIN
      IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'admin') THEN CREATE ROLE admin LOGIN SUPERUSER; END IF;
    EXCEPTION WHEN unique_violation OR duplicate_object THEN
      -- An emulator before another database of the cluster was faster.
    END $$;
    CREATE SCHEMA IF NOT EXISTS sys;
    GRANT USAGE ON SCHEMA sys TO PUBLIC;
    CREATE TABLE IF NOT EXISTS sys.role_mappings (arn text, role_name text, PRIMARY KEY (arn, role_name));
    CREATE OR REPLACE VIEW sys.iam_pg_role_mappings AS
      SELECT r.oid AS iam_oid, m.arn, r.oid AS pg_role_oid, m.role_name::name AS pg_role_name,
             (SELECT oid FROM pg_roles WHERE rolname = 'admin') AS grantor_pg_role_oid
      FROM sys.role_mappings m JOIN pg_roles r ON r.rolname = m.role_name;
    GRANT SELECT ON sys.iam_pg_role_mappings TO PUBLIC;
    CREATE OR REPLACE PROCEDURE sys.iam_grant(role_name text, arn text) LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM FROM pg_roles r WHERE r.rolname = iam_grant.role_name;
      IF NOT FOUND THEN RAISE 'role "%" does not exist', role_name USING ERRCODE = '42704'; END IF;
      INSERT INTO sys.role_mappings VALUES (iam_grant.arn, iam_grant.role_name) ON CONFLICT DO NOTHING;
      -- A privilege keeps the role from being dropped.
      EXECUTE format('GRANT SELECT ON sys.role_mappings TO %I', role_name);
    END $$;
    CREATE OR REPLACE PROCEDURE sys.iam_revoke(role_name text, arn text) LANGUAGE plpgsql AS $$
    BEGIN
      DELETE FROM sys.role_mappings m WHERE m.arn = iam_revoke.arn AND m.role_name = iam_revoke.role_name;
      PERFORM FROM sys.role_mappings m WHERE m.role_name = iam_revoke.role_name;
      IF NOT FOUND THEN EXECUTE format('REVOKE SELECT ON sys.role_mappings FROM %I', role_name); END IF;
    END $$;
    """

  private static let jobs = """
    CREATE TABLE IF NOT EXISTS sys.job_log (
      job_id text PRIMARY KEY, outcome text NOT NULL, details text, job_type text NOT NULL, class_id oid, object_id oid,
      object_name text, start_time timestamptz NOT NULL, ends_at timestamptz NOT NULL);
    CREATE OR REPLACE VIEW sys.jobs AS
      SELECT job_id,
             CASE WHEN ends_at > clock_timestamp() THEN 'processing' ELSE outcome END AS status,
             CASE WHEN ends_at > clock_timestamp() THEN NULL
                  WHEN job_type = 'INDEX_BUILD' AND outcome = 'completed'
                    AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = object_id)
                    THEN 'relation "' || object_name || '" does not exist'
                  ELSE details END AS details,
             job_type, class_id, object_id,
             (SELECT (n.nspname || '.' || c.relname) COLLATE "default" FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
              WHERE c.oid = object_id) AS object_name,
             start_time,
             CASE WHEN ends_at > clock_timestamp() THEN start_time ELSE ends_at END AS update_time
      FROM sys.job_log WHERE ends_at > clock_timestamp() - interval '30 minutes';
    GRANT SELECT ON sys.jobs TO PUBLIC;
    CREATE OR REPLACE FUNCTION sys.file_job(type text, outcome text, details text, class oid, object oid, name text)
      RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
      INSERT INTO sys.job_log
      SELECT string_agg(substr('abcdefghijklmnopqrstuvwxyz234567', 1 + floor(random() * 32)::int, 1), ''),
             outcome, details, type, class, object, name, clock_timestamp(),
             clock_timestamp() + current_setting('dsql_emulator.index_build_ms')::int * interval '1 ms'
      FROM generate_series(1, 26)
      RETURNING job_id
    $$;
    -- An index is not valid while its job runs.
    CREATE OR REPLACE FUNCTION sys.spoil_index(index_id oid, makes_unique boolean) RETURNS void
      LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
      UPDATE pg_index SET indisvalid = false, indisunique = indisunique OR makes_unique WHERE indexrelid = index_id
    $$;
    CREATE OR REPLACE FUNCTION sys.finish_jobs() RETURNS void
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
    BEGIN
      UPDATE pg_index i SET indisvalid = true FROM sys.job_log l
      WHERE i.indexrelid = l.object_id AND NOT i.indisvalid
        AND l.job_type = 'INDEX_BUILD' AND l.outcome = 'completed' AND l.ends_at <= clock_timestamp();
    EXCEPTION WHEN serialization_failure THEN
      -- Another session has done it since this one's snapshot.
    END $$;
    CREATE OR REPLACE PROCEDURE sys.wait_for_job(IN job_id text, INOUT succeeded boolean DEFAULT NULL)
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
    DECLARE job sys.job_log;
    BEGIN
      IF wait_for_job.job_id !~ '^[a-z2-7]{26}$' THEN
        RAISE 'Unable to convert text to UUID' USING ERRCODE = '22P02';
      END IF;
      SELECT * INTO job FROM sys.job_log l WHERE l.job_id = wait_for_job.job_id;
      IF FOUND THEN PERFORM pg_sleep(greatest(0, extract(epoch FROM job.ends_at - clock_timestamp()))); END IF;
      PERFORM sys.finish_jobs();
      succeeded := coalesce(job.outcome = 'completed', false);
    END $$;
    """

  private static let functions = """
    CREATE OR REPLACE FUNCTION sys.stored_types() RETURNS oid[] LANGUAGE sql IMMUTABLE AS $$
      SELECT ARRAY['smallint', 'integer', 'bigint', 'real', 'double precision', 'numeric', 'character', 'varchar',
        'text', 'boolean', 'uuid', 'date', 'time', 'timetz', 'timestamp', 'timestamptz', 'interval', 'bytea', 'json',
        'jsonb']::regtype[]::oid[]
    $$;
    CREATE OR REPLACE FUNCTION sys.version() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'PostgreSQL 16'::text $$;
    CREATE OR REPLACE FUNCTION sys.current_setting(name text, missing_ok boolean DEFAULT false)
      RETURNS text LANGUAGE sql STABLE AS $$
      SELECT CASE lower(name) WHEN 'server_version' THEN '16.15' WHEN 'server_version_num' THEN '160015'
             WHEN 'max_connections' THEN '20'
             WHEN 'disable_sync_create_index'
               THEN coalesce(pg_catalog.current_setting('dsql_emulator.disable_sync_create_index', true), 'on')
             ELSE pg_catalog.current_setting(name, missing_ok) END
    $$;
    CREATE OR REPLACE FUNCTION sys.set_config(name text, value text, is_local boolean)
      RETURNS text LANGUAGE plpgsql AS $$
    BEGIN
      IF lower(name) <> ALL ('{\(SettingRules.settable.sorted().joined(separator: ","))}') THEN
        RAISE 'setting configuration parameter "%" not supported', name USING ERRCODE = '0A000';
      END IF;
      RETURN pg_catalog.set_config(
        CASE lower(name) WHEN 'disable_sync_create_index' THEN 'dsql_emulator.' ELSE '' END || name, value, is_local);
    END $$;
    CREATE OR REPLACE FUNCTION sys.drop_parts(definition text, relation text, columns text[], constraints text[])
      RETURNS void LANGUAGE plpgsql AS $$
    DECLARE key record;
    BEGIN
      SELECT k.conname, a.attname INTO key
      FROM pg_constraint k
      LEFT JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey) AND a.attname = ANY (columns)
      WHERE k.conrelid = to_regclass(relation) AND k.contype = 'p' ORDER BY array_position(columns, a.attname::text) LIMIT 1;
      IF key.attname IS NOT NULL THEN
        RAISE 'cannot drop primary key column %', key.attname USING ERRCODE = '0A000';
      ELSIF key.conname = ANY (constraints) THEN
        RAISE 'unsupported ALTER TABLE DROP CONSTRAINT statement' USING ERRCODE = '0A000';
      END IF;
      EXECUTE definition;
    END $$;
    CREATE OR REPLACE FUNCTION sys.current_database() RETURNS name LANGUAGE sql IMMUTABLE AS
      $$ SELECT 'postgres'::name $$;
    CREATE OR REPLACE FUNCTION sys.cluster_size() RETURNS bigint LANGUAGE sql STABLE AS
      $$ SELECT pg_database_size(pg_catalog.current_database()) $$;
    CREATE OR REPLACE FUNCTION sys.cluster_size_limit() RETURNS bigint LANGUAGE sql IMMUTABLE AS
      $$ SELECT 10995116277760 $$;
    CREATE OR REPLACE FUNCTION sys.iam_session_user() RETURNS text LANGUAGE sql STABLE AS $$ SELECT session_user::text $$;
    CREATE OR REPLACE FUNCTION sys.supported_datatypes() RETURNS SETOF text LANGUAGE sql IMMUTABLE AS $$
      SELECT format_type(t, NULL) FROM unnest(sys.stored_types()) t
    $$;
    CREATE OR REPLACE FUNCTION sys.uuid_to_base32_str(id uuid) RETURNS text LANGUAGE sql IMMUTABLE AS $$
      SELECT string_agg(substr('abcdefghijklmnopqrstuvwxyz234567', 1 +
        substr(('x' || replace(id::text, '-', ''))::bit(128)::text || '00', 5 * n + 1, 5)::bit(5)::int, 1), '' ORDER BY n)
      FROM generate_series(0, 25) n
    $$;
    CREATE OR REPLACE FUNCTION sys.define(definition text, change text, existing text) RETURNS void
      LANGUAGE plpgsql AS $$
    DECLARE existed boolean := existing IS NOT NULL AND to_regclass(existing) IS NOT NULL;
    BEGIN
      EXECUTE definition;
      IF NOT existed THEN EXECUTE change; END IF;
    END $$;
    CREATE OR REPLACE FUNCTION sys.dsql_major_version() RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT 1 $$;
    CREATE OR REPLACE FUNCTION sys.current_session_id() RETURNS text LANGUAGE sql STABLE AS
      $$ SELECT pg_backend_pid()::text $$;
    CREATE OR REPLACE FUNCTION sys.current_transaction_id() RETURNS text LANGUAGE sql STABLE AS
      $$ SELECT pg_current_xact_id()::text $$;
    CREATE OR REPLACE FUNCTION sys.create_index(definition text, is_asynchronous boolean)
      RETURNS TABLE (job_id text) LANGUAGE plpgsql AS $$
    DECLARE index_id oid; outcome text := 'completed'; details text; has_rows boolean;
    BEGIN
      IF NOT is_asynchronous
         AND coalesce(current_setting('dsql_emulator.disable_sync_create_index', true), 'on') <> 'off' THEN
        RAISE 'unsupported mode. please use CREATE INDEX ASYNC.' USING ERRCODE = '0A000';
      END IF;
      PERFORM set_config('dsql_emulator.created_index', '', true);
      BEGIN
        EXECUTE definition;
      EXCEPTION WHEN unique_violation THEN
        IF NOT is_asynchronous THEN RAISE; END IF;
        outcome := 'failed';
        details := 'found duplicate key(s) while validating index uniqueness';
        EXECUTE regexp_replace(definition, '\\munique\\M', '', 'i');
      END;
      index_id := nullif(current_setting('dsql_emulator.created_index'), '')::oid;
      IF index_id IS NULL THEN RETURN; END IF;
      IF NOT is_asynchronous THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)',
          (SELECT indrelid::regclass FROM pg_index WHERE indexrelid = index_id)) INTO has_rows;
        -- The synchronous form is for empty tables.
        IF has_rows THEN RAISE 'unsupported mode. please use CREATE INDEX ASYNC.' USING ERRCODE = '0A000'; END IF;
        RETURN;
      END IF;
      IF outcome = 'failed' OR current_setting('dsql_emulator.index_build_ms')::int > 0 THEN
        PERFORM sys.spoil_index(index_id, outcome = 'failed');
      END IF;
      RETURN QUERY SELECT sys.file_job('INDEX_BUILD', outcome, details, 'pg_class'::regclass, index_id,
        (SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.oid = index_id));
    END $$;
    CREATE OR REPLACE FUNCTION sys.validate_constraint(definition text)
      RETURNS TABLE (job_id text) LANGUAGE plpgsql AS $$
    DECLARE outcome text := 'completed'; details text;
    BEGIN
      BEGIN
        EXECUTE definition;
      EXCEPTION WHEN integrity_constraint_violation THEN
        outcome := 'failed';
        details := sqlerrm;
      END;
      RETURN QUERY SELECT sys.file_job('VALIDATE_CONSTRAINT', outcome, details, 'pg_class'::regclass, NULL, NULL);
    END $$;
    """

  private static let eventTriggers = """
    CREATE OR REPLACE FUNCTION sys.check_created() RETURNS event_trigger LANGUAGE plpgsql AS $$
    DECLARE made record; number int; type_name text;
    BEGIN
      PERFORM sys.guard_table(c.table_id) FROM (
        SELECT DISTINCT CASE e.object_type WHEN 'table' THEN e.objid ELSE i.indrelid END AS table_id
        FROM pg_event_trigger_ddl_commands() e LEFT JOIN pg_index i ON i.indexrelid = e.objid
        WHERE e.command_tag IN ('CREATE TABLE', 'ALTER TABLE', 'CREATE INDEX') AND e.schema_name <> 'sys'
          AND e.object_type IN ('table', 'index') AND e.schema_name !~ '^pg_') c;
      IF coalesce(current_setting('dsql_emulator.session', true), '') <> 'on' THEN RETURN; END IF;
      FOR made IN SELECT * FROM pg_event_trigger_ddl_commands() LOOP
        IF made.object_type = 'index' THEN
          PERFORM set_config('dsql_emulator.created_index', made.objid::text, true);
          SELECT format_type(a.atttypid, NULL) INTO type_name
          FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indexrelid AND a.attnum <= i.indnkeyatts
          WHERE i.indexrelid = made.objid
            AND a.atttypid IN ('json'::regtype, 'jsonb'::regtype, 'bytea'::regtype, 'interval'::regtype, 'timetz'::regtype)
          ORDER BY a.attnum LIMIT 1;
          IF FOUND THEN RAISE 'datatype % is not supported in a key', type_name USING ERRCODE = '0A000'; END IF;
          SELECT sum(CASE WHEN a.attlen > 0 THEN a.attlen
            WHEN a.atttypmod > 4 AND a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype) THEN a.atttypmod - 4 END)
          INTO number
          FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indexrelid AND a.attnum <= i.indnkeyatts
          WHERE i.indexrelid = made.objid;
          IF number > 2000 THEN
            RAISE 'key size greater than 2000 bytes not supported' USING ERRCODE = '54000';
          END IF;
          SELECT count(*) INTO number FROM pg_index i
          WHERE i.indrelid = (SELECT j.indrelid FROM pg_index j WHERE j.indexrelid = made.objid);
          IF number > 24 THEN
            RAISE 'more than 24 indexes per table are not allowed' USING ERRCODE = '54000';
          END IF;
        ELSIF made.object_type IN ('view', 'sequence') AND made.command_tag IN ('CREATE VIEW', 'CREATE SEQUENCE') THEN
          SELECT count(*) INTO number FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE c.relkind = CASE made.object_type WHEN 'view' THEN 'v' ELSE 'S' END
            AND n.nspname NOT IN ('sys', 'information_schema') AND n.nspname !~ '^pg_';
          IF number > 5000 THEN
            RAISE '%', CASE made.object_type WHEN 'view' THEN 'creating more than 5000 views not allowed'
              ELSE 'creating more than 5000 sequences is not allowed' END USING ERRCODE = '54000';
          END IF;
        ELSIF made.object_type = 'statistics object' THEN
          SELECT count(*) INTO number FROM pg_statistic_ext s
          WHERE s.stxrelid = (SELECT e.stxrelid FROM pg_statistic_ext e WHERE e.oid = made.objid);
          IF number > 5 THEN
            RAISE 'more than 5 extended statistics per table are not allowed' USING ERRCODE = '54000';
          END IF;
        ELSIF made.object_type = 'table' AND made.command_tag IN ('CREATE TABLE', 'ALTER TABLE') THEN
          SELECT count(*) INTO number FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE c.relkind = 'r' AND n.nspname NOT IN ('sys', 'information_schema') AND n.nspname !~ '^pg_';
          IF number > 1000 AND made.command_tag = 'CREATE TABLE' THEN
            RAISE 'creating more than 1000 tables not allowed' USING ERRCODE = '54000';
          END IF;
          WITH RECURSIVE base AS (
            SELECT a.attnum, a.atttypid FROM pg_attribute a
            WHERE a.attrelid = made.objid AND a.attnum > 0 AND NOT a.attisdropped
            UNION ALL
            SELECT base.attnum, t.typbasetype FROM base JOIN pg_type t ON t.oid = base.atttypid WHERE t.typtype = 'd')
          SELECT format_type(base.atttypid, NULL) INTO type_name FROM base JOIN pg_type t ON t.oid = base.atttypid
          WHERE t.typtype <> 'd' AND base.atttypid <> ALL (sys.stored_types()) ORDER BY base.attnum LIMIT 1;
          IF FOUND THEN RAISE 'datatype % not supported', type_name USING ERRCODE = '0A000'; END IF;
          SELECT count(*) INTO number FROM pg_attribute
          WHERE attrelid = made.objid AND attnum > 0 AND NOT attisdropped;
          IF number > 256 THEN
            RAISE '%', CASE WHEN EXISTS (SELECT FROM pg_constraint WHERE conrelid = made.objid AND contype = 'p')
              THEN 'cannot use more than 256 columns in an index' ELSE 'tables can have at most 255 columns' END
              USING ERRCODE = '54011';
          END IF;
          SELECT count(*) INTO number FROM pg_index WHERE indrelid = made.objid;
          IF number > 24 THEN
            RAISE 'more than 24 indexes per table are not allowed' USING ERRCODE = '54000';
          END IF;
        END IF;
      END LOOP;
    END $$;
    CREATE OR REPLACE FUNCTION sys.check_dropped() RETURNS event_trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF EXISTS (SELECT FROM pg_event_trigger_dropped_objects() WHERE object_type = 'index' AND original) THEN
        PERFORM sys.guard_table(tgrelid) FROM pg_trigger WHERE tgname = 'dsql_emulator_keys';
      END IF;
      PERFORM sys.file_job('DROP', 'completed', NULL, classid, objid, NULL) FROM pg_event_trigger_dropped_objects()
      WHERE object_type = 'table' AND schema_name !~ '^(pg_|sys$)'
        AND coalesce(current_setting('dsql_emulator.session', true), '') = 'on';
    END $$;
    CREATE OR REPLACE FUNCTION sys.check_before() RETURNS event_trigger LANGUAGE plpgsql AS $$
    DECLARE number int;
    BEGIN
      IF coalesce(current_setting('dsql_emulator.session', true), '') <> 'on' THEN RETURN; END IF;
      IF tg_tag = 'CREATE SCHEMA' THEN
        SELECT count(*) INTO number FROM pg_namespace
        WHERE nspname NOT IN ('sys', 'public', 'information_schema') AND nspname !~ '^pg_';
        IF number >= 10 THEN RAISE 'more than 10 schemas not allowed' USING ERRCODE = '54000'; END IF;
      END IF;
    END $$;
    DROP EVENT TRIGGER IF EXISTS dsql_emulator_created;
    CREATE EVENT TRIGGER dsql_emulator_created ON ddl_command_end EXECUTE FUNCTION sys.check_created();
    DROP EVENT TRIGGER IF EXISTS dsql_emulator_dropped;
    CREATE EVENT TRIGGER dsql_emulator_dropped ON sql_drop EXECUTE FUNCTION sys.check_dropped();
    DROP EVENT TRIGGER IF EXISTS dsql_emulator_before;
    CREATE EVENT TRIGGER dsql_emulator_before ON ddl_command_start EXECUTE FUNCTION sys.check_before();
    """
}

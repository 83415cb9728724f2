extension SystemSchema {
  /// Limits on values, rows and keys as they are stored: hidden triggers, on those tables only whose columns can break a
  /// limit, and under conditions, so that rows pay for little more than a comparison.
  /// Compressible values are stored once aside, to see what is left of them.
  static let sizes = """
    CREATE TABLE IF NOT EXISTS sys.stored_value (text text, json json, jsonb jsonb);
    DO $$ BEGIN
      ALTER TABLE sys.stored_value ALTER text SET COMPRESSION lz4, ALTER json SET COMPRESSION lz4,
        ALTER jsonb SET COMPRESSION lz4;
    EXCEPTION WHEN feature_not_supported THEN
      -- This server was built without LZ4, and compresses a little less.
    END $$;
    CREATE OR REPLACE FUNCTION sys.stored_size(value anyelement, type text) RETURNS int
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
    DECLARE size int;
    BEGIN
      EXECUTE format('INSERT INTO sys.stored_value (%I) VALUES ($1)', type) USING value;
      EXECUTE format('SELECT pg_column_size(%I) FROM sys.stored_value', type) INTO size;
      DELETE FROM sys.stored_value;
      RETURN size;
    END $$;
    -- Columns with their base types and the most bytes a value can have; NULL: as many as a value may.
    CREATE OR REPLACE FUNCTION sys.column_widths(table_id oid)
      RETURNS TABLE (number smallint, name name, type text, storage "char", width int)
      LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
      WITH RECURSIVE base AS (
        SELECT attnum, attname, attstorage, atttypid AS id, atttypmod AS modifier FROM pg_attribute
        WHERE attrelid = table_id AND attnum > 0 AND NOT attisdropped
        UNION ALL
        SELECT attnum, attname, attstorage, t.typbasetype, t.typtypmod
        FROM base JOIN pg_type t ON t.oid = base.id WHERE t.typtype = 'd')
      SELECT attnum, attname, t.typname::text, attstorage,
             CASE WHEN t.typlen > 0 THEN t.typlen
                  WHEN t.typname = 'numeric' AND modifier < 4 THEN 600
                  WHEN t.typname = 'numeric' THEN (modifier - 4 >> 16 & 65535) / 2 + 16
                  WHEN modifier > 4 THEN 4 * (modifier - 4) END
      FROM base JOIN pg_type t ON t.oid = base.id WHERE t.typtype <> 'd'
    $$;
    CREATE OR REPLACE FUNCTION sys.check_sizes() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
    DECLARE col record; size int; total bigint := 0; kind text;
    BEGIN
      FOR col IN SELECT * FROM sys.column_widths(tg_relid) LOOP
        EXECUTE format('SELECT pg_column_size(($1).%I)', col.name) INTO size USING NEW;
        size := coalesce(size, 0);
        IF size > 2000 AND col.type <> 'numeric' THEN
          kind := CASE WHEN col.type IN ('varchar', 'bpchar') THEN 'text' ELSE col.type END;
          size := size - 4;
          IF kind <> 'bytea' AND col.storage IN ('x', 'm') THEN
            EXECUTE format('SELECT sys.stored_size(($1).%I::%s, %L)', col.name, kind, kind) INTO size USING NEW;
          END IF;
          IF size > 1048576 THEN
            RAISE 'datatype limit greater than 1048576 bytes not supported for %', kind USING ERRCODE = '54000';
          END IF;
        END IF;
        total := total + size;
      END LOOP;
      IF total > 2097152 THEN RAISE 'maximum row size exceeded' USING ERRCODE = '54000'; END IF;
      RETURN NULL;
    END $$;
    CREATE OR REPLACE FUNCTION sys.refuse_key() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE 'key size too large' USING ERRCODE = '54000'; END $$;
    -- Columns of up to 2,000 bytes cannot fill a row, even 255 of them. Statements of one row pay mostly for reading the
    -- condition, so it is short.
    CREATE OR REPLACE FUNCTION sys.size_condition(table_id oid) RETURNS text
      LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
      SELECT 'pg_column_size(NEW.*) > 524288' FROM sys.column_widths(table_id)
      WHERE coalesce(width, 65536) > 2000 LIMIT 1
    $$;
    -- The columns of a key share 1,981 bytes, each but the first costs 7 more; indexes carry the primary key too.
    CREATE OR REPLACE FUNCTION sys.key_condition(table_id oid) RETURNS text
      LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
      SELECT string_agg(DISTINCT condition, ' OR ' ORDER BY condition) FROM (
        SELECT string_agg(format('coalesce(%s(NEW.%I), 0)',
                 CASE c.type WHEN 'numeric' THEN 'pg_column_size' ELSE 'octet_length' END, c.name), ' + ' ORDER BY number)
                 FILTER (WHERE c.type IN ('text', 'varchar', 'bpchar', 'numeric'))
               || ' > ' || 1981 - 7 * (count(*) - 1)
                 - coalesce(sum(width) FILTER (WHERE c.type NOT IN ('text', 'varchar', 'bpchar', 'numeric')), 0)
               AS condition
        FROM pg_index i CROSS JOIN LATERAL (
          SELECT k.number FROM unnest(i.indkey) WITH ORDINALITY k(number, place) WHERE k.place <= i.indnkeyatts
          UNION
          SELECT unnest(p.conkey) FROM pg_constraint p WHERE p.conrelid = table_id AND p.contype = 'p') key
        JOIN sys.column_widths(table_id) c USING (number)
        WHERE i.indrelid = table_id
        GROUP BY i.indexrelid
        HAVING sum(coalesce(width, 65536)) + 7 * (count(*) - 1) > 1981) each_index
    $$;
    CREATE OR REPLACE FUNCTION sys.set_guard(table_id oid, guard name, condition text, refusal text) RETURNS void
      LANGUAGE plpgsql SET search_path = pg_catalog AS $$
    DECLARE existing record; label text;
    BEGIN
      -- What a column's name stands for may change.
      label := condition || (SELECT ' of ' || string_agg(number || ' ' || name, ', ' ORDER BY number)
                             FROM sys.column_widths(table_id));
      SELECT oid, tgargs INTO existing FROM pg_trigger WHERE tgrelid = table_id AND tgname = guard;
      IF FOUND THEN
        IF existing.tgargs = convert_to(label, 'UTF8') || '\\000' THEN RETURN; END IF;
        EXECUTE format('DROP TRIGGER %I ON %s', guard, table_id::regclass);
      END IF;
      IF condition IS NULL THEN RETURN; END IF;
      EXECUTE format('CREATE TRIGGER %I AFTER INSERT OR UPDATE ON %s FOR EACH ROW WHEN (%s) EXECUTE FUNCTION %s(%L)',
        guard, table_id::regclass, condition, refusal, label);
      -- Internal triggers are not listed, dumped or copied; nor does this one keep its columns from being dropped.
      UPDATE pg_trigger SET tgisinternal = true WHERE tgrelid = table_id AND tgname = guard;
      DELETE FROM pg_depend WHERE classid = 'pg_trigger'::regclass AND refobjid = table_id AND refobjsubid > 0
        AND objid = (SELECT oid FROM pg_trigger WHERE tgrelid = table_id AND tgname = guard);
    END $$;
    -- What DSQL counts of the rows that this transaction has written: values, as they are up to 8 KiB and above that as
    -- they are stored; 100 bytes for each row; for each entry of an index its key, and four times what of it is text.
    -- Rows that one transaction has written, and that it sees, are not older than its own number.
    CREATE OR REPLACE FUNCTION sys.row_size(table_id oid) RETURNS text
      LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
      SELECT '100' || coalesce((
          SELECT string_agg(CASE WHEN type IN ('text', 'varchar', 'bpchar', 'bytea')
            THEN format(' + coalesce(CASE WHEN octet_length(%1$I) > 8192 THEN pg_column_size(%1$I) '
                        'ELSE octet_length(%1$I) END, 0)', name)
            ELSE format(' + coalesce(pg_column_size(%I), 0)', name) END, '')
          FROM sys.column_widths(table_id)), '')
        || coalesce((
          SELECT string_agg(format(' + coalesce(%s * pg_column_size(%I), 0)',
            CASE WHEN c.type IN ('text', 'varchar', 'bpchar') THEN 4 ELSE 1 END, c.name), '')
          FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k(number, place)
          JOIN sys.column_widths(table_id) c USING (number)
          WHERE i.indrelid = table_id AND NOT i.indisprimary AND k.place <= i.indnkeyatts), '')
    $$;
    CREATE OR REPLACE FUNCTION sys.transaction_size(made_rows int) RETURNS bigint
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
    DECLARE
      since text := nullif(current_setting('dsql_emulator.measured_at', true), '');
      now pg_lsn := pg_current_wal_insert_lsn();
      written oid; size bigint; total bigint := 0;
    BEGIN
      PERFORM set_config('dsql_emulator.measured_at', now::text, false);
      -- What has not been logged since has not been written either, but for what compression has saved.
      IF now - since::pg_lsn + made_rows * 8192 < 8388608 THEN RETURN 0; END IF;
      FOR written IN
        SELECT relid FROM pg_stat_xact_user_tables WHERE n_tup_ins + n_tup_upd > 0 AND schemaname <> 'sys'
      LOOP
        EXECUTE format('SELECT sum(%s) FROM %s WHERE xmin::text::bigint >= %s', sys.row_size(written),
          written::regclass, pg_current_xact_id()::text::numeric % 4294967296) INTO size;
        total := total + coalesce(size, 0);
      END LOOP;
      RETURN total;
    END $$;
    CREATE OR REPLACE FUNCTION sys.guard_table(table_id oid) RETURNS void
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
    BEGIN
      -- DSQL compresses text and JSON, not bytea.
      UPDATE pg_attribute SET attstorage = 'e'
      WHERE attrelid = table_id AND atttypid = 'bytea'::regtype AND attstorage = 'x';
      PERFORM sys.set_guard(table_id, 'dsql_emulator_sizes', sys.size_condition(table_id), 'sys.check_sizes');
      PERFORM sys.set_guard(table_id, 'dsql_emulator_keys', sys.key_condition(table_id), 'sys.refuse_key');
    END $$;
    SELECT sys.guard_table(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname NOT IN ('sys', 'information_schema')
      AND n.nspname !~ '^pg_';
    """
}

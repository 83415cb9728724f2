extension SystemSchema {
  /// Limits on values and rows as they are stored: a hidden trigger on every table looks at rows that may be too large.
  /// Compressible values are stored once aside, to see what is left of them.
  static let sizes = """
    CREATE TABLE IF NOT EXISTS sys.stored_value (text text, json json, jsonb jsonb);
    CREATE OR REPLACE FUNCTION sys.stored_size(value anyelement, type text) RETURNS int
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
    DECLARE size int;
    BEGIN
      EXECUTE format('INSERT INTO sys.stored_value (%I) VALUES ($1)', type) USING value;
      EXECUTE format('SELECT pg_column_size(%I) FROM sys.stored_value', type) INTO size;
      DELETE FROM sys.stored_value;
      RETURN size;
    END $$;
    CREATE OR REPLACE FUNCTION sys.check_sizes() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
    DECLARE col record; size int; total bigint := 0;
    BEGIN
      FOR col IN
        SELECT a.attname, a.attstorage,
               CASE t.typname WHEN 'varchar' THEN 'text' WHEN 'bpchar' THEN 'text' ELSE t.typname END AS type
        FROM pg_attribute a JOIN pg_type d ON d.oid = a.atttypid
        JOIN pg_type t ON t.oid = CASE d.typtype WHEN 'd' THEN d.typbasetype ELSE d.oid END
        WHERE a.attrelid = tg_relid AND a.attnum > 0 AND NOT a.attisdropped
      LOOP
        EXECUTE format('SELECT pg_column_size(($1).%I)', col.attname) INTO size USING NEW;
        size := coalesce(size, 0);
        IF size > 2000 AND col.type IN ('text', 'json', 'jsonb', 'bytea') THEN
          size := size - 4;
          IF col.type <> 'bytea' AND col.attstorage IN ('x', 'm') THEN
            EXECUTE format('SELECT sys.stored_size(($1).%I::%s, %L)', col.attname, col.type, col.type)
              INTO size USING NEW;
          END IF;
          IF size > 1048576 THEN
            RAISE 'datatype limit greater than 1048576 bytes not supported for %', col.type USING ERRCODE = '54000';
          END IF;
        END IF;
        total := total + size;
      END LOOP;
      IF total > 2097152 THEN RAISE 'maximum row size exceeded' USING ERRCODE = '54000'; END IF;
      RETURN NULL;
    END $$;
    CREATE OR REPLACE FUNCTION sys.guard_table(table_id oid) RETURNS void
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
    BEGIN
      -- DSQL compresses text and JSON, not bytea.
      UPDATE pg_attribute SET attstorage = 'e'
      WHERE attrelid = table_id AND atttypid = 'bytea'::regtype AND attstorage = 'x';
      PERFORM FROM pg_trigger WHERE tgrelid = table_id AND tgname = 'dsql_emulator_sizes';
      IF FOUND THEN RETURN; END IF;
      EXECUTE format('CREATE TRIGGER dsql_emulator_sizes AFTER INSERT OR UPDATE ON %s FOR EACH ROW '
        'WHEN (pg_column_size(NEW.*) > 1048576) EXECUTE FUNCTION sys.check_sizes()', table_id::regclass);
      -- Internal triggers are not listed, dumped or copied.
      UPDATE pg_trigger SET tgisinternal = true WHERE tgrelid = table_id AND tgname = 'dsql_emulator_sizes';
    END $$;
    SELECT sys.guard_table(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname NOT IN ('sys', 'information_schema')
      AND n.nspname !~ '^pg_';
    """
}

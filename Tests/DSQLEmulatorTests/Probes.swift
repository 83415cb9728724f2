/// What is asked, and DSQL's answers as recorded or documented.
enum Probes {
  static let tables: [Probe] = [
    Probe("CREATE TEMP TABLE x (a int)", "0A000", "TEMPORARY or TEMP table not supported for CREATE TABLE"),
    Probe("CREATE UNLOGGED TABLE x (a int)", "0A000", "UNLOGGED table not supported for CREATE TABLE"),
    Probe("CREATE TABLE x AS SELECT 1", "0A000", "unsupported statement: CreateTableAs"),
    Probe("SELECT 1 AS a INTO x", "0A000", "unsupported statement: CreateTableAs"),
    Probe("CREATE MATERIALIZED VIEW x AS SELECT 1", "0A000", "unsupported statement: CreateTableAs"),
    Probe(
      "CREATE TABLE x (a int) PARTITION BY RANGE (a)", "0A000", "PARTITION BY clause not supported for CREATE TABLE"),
    Probe("CREATE TABLE x PARTITION OF t DEFAULT", "0A000", "PARTITION OF clause not supported for CREATE TABLE"),
    Probe("CREATE TABLE x (a int[])", "0A000", "datatype integer[] not supported"),
    Probe("CREATE TABLE x (a text[])", "0A000", "datatype text[] not supported"),
    Probe("CREATE TABLE x (a money)", "0A000", "datatype money not supported"),
    Probe("CREATE TABLE x (a inet)", "0A000", "datatype inet not supported"),
    Probe("CREATE TABLE x (a xml)", "0A000", "datatype xml not supported"),
    Probe("CREATE TABLE x (a bit(3))", "0A000", "datatype bit not supported"),
    Probe("CREATE TABLE x (a bit varying(3))", "0A000", "datatype bit varying not supported"),
    Probe("CREATE TABLE x (a point)", "0A000", "datatype point not supported"),
    Probe("CREATE TABLE x (a int4range)", "0A000", "datatype int4range not supported"),
    Probe("CREATE TABLE x (a tsvector)", "0A000", "datatype tsvector not supported"),
    Probe("CREATE TABLE x (a serial)", "42704", "type \"serial\" does not exist"),
    Probe("CREATE TABLE x (a bigserial PRIMARY KEY)", "42704", "type \"bigserial\" does not exist"),
    Probe("CREATE TABLE x (a mood)", "42704", "type \"mood\" does not exist"),
    Probe("CREATE TABLE x (a hstore)", "42704", "type \"hstore\" does not exist"),
    Probe("CREATE TABLE x (a numeric(1001,2))", "22023", "NUMERIC precision 1001 must be between 1 and 1000"),
    Probe(
      "CREATE TABLE x (a char(4097))", "54000", "Datatype limit greater than 4096 bytes not supported for char"),
    Probe(
      "CREATE TABLE x (a varchar(65536))", "54000", "Datatype limit greater than 65535 bytes not supported for varchar"),
    Probe("CREATE TABLE x (a text COLLATE \"C\")", "0A000", "COLLATE clause not supported"),
    Probe("CREATE TABLE x (a jsonb PRIMARY KEY)", "0A000", "datatype jsonb is not supported in a key"),
    Probe("CREATE TABLE x (a int, b bytea, UNIQUE (a, b))", "0A000", "datatype bytea is not supported in a key"),
    Probe("CREATE TABLE x (a interval UNIQUE)", "0A000", "datatype interval is not supported in a key"),
    Probe(
      "CREATE TABLE x (a timetz PRIMARY KEY)", "0A000", "datatype time with time zone is not supported in a key"),
    Probe("CREATE TABLE x (a int UNIQUE DEFERRABLE)", "0A000", "DEFERRABLE constraint not supported"),
    Probe("CREATE TABLE x (a int, UNIQUE (a) DEFERRABLE)", "0A000", "DEFERRABLE constraint not supported"),
    Probe(
      "CREATE TABLE x (a int, CHECK (a > 0) DEFERRABLE)", "0A000", "CHECK constraints cannot be marked DEFERRABLE"),
    Probe(
      "CREATE TABLE x (a bigint GENERATED ALWAYS AS IDENTITY)", "0A000",
      "identity column is not supported without an explicit cache size. "
        + "please define CACHE greater than or equal to 65536 or equal to 1"),
    Probe(
      "CREATE TABLE x (a bigint GENERATED ALWAYS AS IDENTITY (CACHE 100))", "0A000",
      "CACHE (100) must be greater than or equal to 65536 or equal to 1"),
    Probe(
      "CREATE TABLE x (a int GENERATED ALWAYS AS IDENTITY (CACHE 1))", "0A000",
      "datatype integer not supported, identity column type must be bigint"),
    Probe(
      "CREATE SEQUENCE s", "0A000",
      "CREATE SEQUENCE is not supported without an explicit cache size. "
        + "please define CACHE greater than or equal to 65536 or equal to 1"),
    Probe(
      "CREATE TABLE x (a int, b int, c int, d int, e int, f int, g int, h int, i int, "
        + "PRIMARY KEY (a, b, c, d, e, f, g, h, i))", "54011", "more than 8 column keys in an index are not supported"),
    Probe(
      "CREATE TABLE x (\((1...257).map { "c\($0) int" }.joined(separator: ", ")))", "54011",
      "tables can have at most 255 columns"),
    Probe(
      "CREATE TABLE x (\((1...257).map { "c\($0) int" }.joined(separator: ", ")), PRIMARY KEY (c1))", "54011",
      "cannot use more than 256 columns in an index"),
    Probe(
      "CREATE TABLE x (a timestamptz, b text GENERATED ALWAYS AS (a::text) STORED)", "42P17",
      "generation expression is not immutable"),
  ]

  static let alterations: [Probe] = [
    Probe(
      "ALTER TABLE t ADD COLUMN x int DEFAULT 3", "0A000", "ALTER TABLE ADD COLUMN with constraint not supported"),
    Probe(
      "ALTER TABLE t ADD COLUMN x int NOT NULL", "0A000", "ALTER TABLE ADD COLUMN with constraint not supported"),
    Probe("ALTER TABLE t ADD COLUMN x int[]", "0A000", "datatype integer[] not supported"),
    Probe("ALTER TABLE t DROP COLUMN id", "0A000", "cannot drop primary key column id"),
    Probe("ALTER TABLE t ADD x int, DROP a, DROP id CASCADE", "0A000", "cannot drop primary key column id"),
    Probe("ALTER TABLE referenced DROP COLUMN id", "0A000", "cannot drop primary key column id"),
    Probe(
      "ALTER TABLE referenced DROP CONSTRAINT referenced_pkey", "0A000",
      "unsupported ALTER TABLE DROP CONSTRAINT statement"),
    Probe("ALTER TABLE t DROP COLUMN missing", "42703", "column \"missing\" of relation \"t\" does not exist"),
    Probe("ALTER TABLE missing DROP COLUMN a", "42P01", "relation \"missing\" does not exist"),
    Probe(
      "ALTER TABLE t ALTER COLUMN a SET NOT NULL", "0A000",
      "unsupported ALTER TABLE ALTER COLUMN ... SET NOT NULL statement"),
    Probe(
      "ALTER TABLE t ALTER COLUMN a TYPE bigint", "0A000",
      "unsupported ALTER TABLE ALTER COLUMN ... SET DATA TYPE statement"),
    Probe(
      "ALTER TABLE t ALTER COLUMN a SET STATISTICS 5", "0A000",
      "unsupported ALTER TABLE ALTER COLUMN ... SET STATISTICS statement"),
    Probe(
      "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)", "0A000", "unsupported ALTER TABLE ADD CONSTRAINT statement"),
    Probe("ALTER TABLE t ADD UNIQUE (a)", "0A000", "unsupported ALTER TABLE ADD CONSTRAINT statement"),
    Probe("ALTER TABLE t ADD PRIMARY KEY (a)", "0A000", "unsupported ALTER TABLE ADD CONSTRAINT statement"),
    Probe(
      "ALTER TABLE t ADD UNIQUE (a) NOT VALID", "0A000", "UNIQUE constraints cannot be marked NOT VALID"),
    Probe(
      "ALTER TABLE t ADD PRIMARY KEY (a) NOT VALID", "0A000", "PRIMARY KEY constraints cannot be marked NOT VALID"),
    Probe("ALTER TABLE t VALIDATE CONSTRAINT c", "0A000", "unsupported ALTER TABLE VALIDATE CONSTRAINT statement"),
    Probe("ALTER TABLE t DROP CONSTRAINT t_pkey", "0A000", "unsupported ALTER TABLE DROP CONSTRAINT statement"),
    Probe("ALTER TABLE t ENABLE ROW LEVEL SECURITY", "0A000", "unsupported ALTER TABLE ENABLE ROW SECURITY statement"),
  ]

  static let indexes: [Probe] = [
    Probe("CREATE INDEX ON t (a)", "0A000", "unsupported mode. please use CREATE INDEX ASYNC."),
    Probe("CREATE UNIQUE INDEX i ON t (a)", "0A000", "unsupported mode. please use CREATE INDEX ASYNC."),
    Probe("CREATE INDEX CONCURRENTLY i ON t (a)", "0A000", "CONCURRENTLY not supported for CREATE INDEX"),
    Probe("CREATE INDEX ASYNC i ON t USING btree (a)", "0A000", "USING not supported for CREATE INDEX"),
    Probe("CREATE INDEX ASYNC i ON t USING gin (j)", "0A000", "USING not supported for CREATE INDEX"),
    Probe("CREATE INDEX ASYNC i ON t (a DESC)", "0A000", "specifying sort order not supported for index keys"),
    Probe("CREATE INDEX ASYNC i ON t (b text_pattern_ops)", "0A000", "opclass not supported for index keys"),
    Probe("CREATE INDEX ASYNC i ON t (j)", "0A000", "datatype jsonb is not supported in a key"),
    Probe("CREATE INDEX ASYNC public.i ON t (a)", "42601", "syntax error at or near \".\""),
    Probe("CREATE INDEX ASYNC IF NOT EXISTS ON t (a)", "42601", "syntax error at or near \"ON\""),
    Probe(
      "CREATE INDEX ASYNC i ON t ((random()))", "42P17", "functions in index expression must be marked IMMUTABLE"),
    Probe(
      "CREATE INDEX ASYNC i ON t (a) INCLUDE (lower(b))", "0A000",
      "expressions are not supported in included columns"),
    Probe(
      "CREATE INDEX ASYNC i ON t (a, a, a, a, a, a, a, a, a)", "54011",
      "more than 8 column keys in an index are not supported"),
    Probe("DROP INDEX CONCURRENTLY t_pkey", "0A000", "CONCURRENTLY not supported for DROP INDEX"),
  ]

  static let others: [Probe] = [
    Probe("TRUNCATE t", "0A000", "unsupported statement: Truncate"),
    Probe("LOCK TABLE t", "0A000", "unsupported statement: Lock"),
    Probe("LISTEN x", "0A000", "unsupported statement: Listen"),
    Probe("NOTIFY x", "0A000", "unsupported statement: Notify"),
    Probe("UNLISTEN x", "0A000", "unsupported statement: Unlisten"),
    Probe("DECLARE c CURSOR FOR SELECT 1", "0A000", "unsupported statement: DeclareCursor"),
    Probe("ALTER SYSTEM SET work_mem = 1", "0A000", "unsupported statement: AlterSystem"),
    Probe("VACUUM t", "0A000", "unsupported VACUUM statement"),
    Probe("CREATE EXTENSION hstore", "0A000", "unsupported statement: CreateExtension"),
    Probe("CREATE DATABASE x", "0A000", "unsupported statement: Createdb"),
    Probe("CREATE TABLESPACE x LOCATION '/x'", "0A000", "unsupported statement: CreateTableSpace"),
    Probe("CREATE FOREIGN TABLE x (a int) SERVER s", "0A000", "unsupported statement: CreateForeignTable"),
    Probe("CREATE TYPE x AS ENUM ('a')", "0A000", "CREATE TYPE not supported"),
    Probe("CREATE TYPE x AS (a int)", "0A000", "unsupported statement: CompositeType"),
    Probe("CREATE TYPE x AS RANGE (subtype = int)", "0A000", "unsupported statement: CreateRange"),
    Probe("ALTER TYPE x ADD VALUE 'b'", "0A000", "ALTER TYPE not supported"),
    Probe("ALTER TYPE x RENAME TO y", "0A000", "unsupported object in RENAME statement"),
    Probe("DROP TYPE x", "0A000", "unsupported object in DROP statement"),
    Probe(
      "CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()", "0A000", "CREATE TRIGGER not supported"),
    Probe("CREATE POLICY p ON t", "0A000", "unsupported statement: CreatePolicy"),
    Probe("CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1'", "0A000", "PROCEDURE is not supported"),
    Probe(
      "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'", "0A000",
      "CREATE FUNCTION with language plpgsql not supported"),
    Probe("DO 'BEGIN END'", "0A000", "unsupported statement: Do"),
    Probe("GRANT USAGE ON SCHEMA public TO PUBLIC", "0A000", "feature not supported on system entity"),
    Probe("CREATE SCHEMA x CREATE TABLE y (a money)", "0A000", "datatype money not supported"),
    Probe("CREATE SCHEMA x CREATE INDEX ON y (a)", "0A000", "unsupported mode. please use CREATE INDEX ASYNC."),
    Probe("SAVEPOINT s", "0A000", "unsupported transaction statement: SAVEPOINT"),
    Probe("RELEASE s", "0A000", "unsupported transaction statement: RELEASE"),
    Probe("ROLLBACK TO s", "0A000", "unsupported transaction statement: ROLLBACK TO"),
    Probe("SET statement_timeout = 5", "0A000", "setting configuration parameter \"statement_timeout\" not supported"),
    Probe("SET LOCAL work_mem = 100", "0A000", "setting configuration parameter \"work_mem\" not supported"),
    Probe("RESET synchronous_commit", "0A000", "setting configuration parameter \"synchronous_commit\" not supported"),
    Probe("SET ROLE admin", "0A000", "setting configuration parameter \"role\" not supported"),
    Probe(
      "SET default_transaction_isolation = 'serializable'", "0A000",
      "setting configuration parameter \"default_transaction_isolation\" not supported"),
    Probe("SET TRANSACTION READ ONLY", "0A000", "setting configuration parameter \"TRANSACTION\" not supported"),
    Probe(
      "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "0A000",
      "setting configuration parameter \"TRANSACTION\" not supported"),
    Probe("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "0A000", "Unsupported isolation level: SERIALIZABLE"),
    Probe("BEGIN ISOLATION LEVEL READ COMMITTED", "0A000", "Unsupported isolation level: READ COMMITTED"),
    Probe("START TRANSACTION ISOLATION LEVEL SERIALIZABLE", "0A000", "Unsupported isolation level: SERIALIZABLE"),
    Probe("SHOW lc_collate", "42704", "unrecognized configuration parameter \"lc_collate\""),
    Probe("PREPARE p AS SELECT 1", "0A000", "unsupported statement: Prepare"),
    Probe("DISCARD ALL", "0A000", "unsupported statement: Discard"),
    Probe("COPY t TO '/tmp/x'", "0A000", "COPY from or to a file is not supported"),
    Probe("COPY t FROM PROGRAM 'id'", "0A000", "COPY from or to a file is not supported"),
  ]

  static let queries: [Probe] = [
    Probe(
      "SELECT * FROM t FOR SHARE", "0A000",
      "locking clauses other than FOR UPDATE/FOR KEY SHARE are not supported"),
    Probe(
      "SELECT * FROM (SELECT * FROM t FOR NO KEY UPDATE) x", "0A000",
      "locking clauses other than FOR UPDATE/FOR KEY SHARE are not supported"),
    Probe("SELECT * FROM t TABLESAMPLE SYSTEM (10)", "0A000", "TABLESAMPLE clause not supported"),
    Probe("SELECT pg_advisory_lock(1)", "0A000", "function pg_advisory_lock not supported"),
    Probe("SELECT pg_try_advisory_lock(1)", "0A000", "function pg_try_advisory_lock not supported"),
    Probe(
      "SELECT set_config('work_mem', '1MB', false)", "0A000",
      "setting configuration parameter \"work_mem\" not supported"),
    Probe(
      "MERGE INTO t USING child c ON t.id = c.id WHEN MATCHED THEN DELETE", "0A000",
      "unsupported statement type: MERGE"),
    Probe("SELEC 1", "42601", "syntax error at or near \"SELEC\""),
    Probe("SELECT a FROM t GROUP BY ALL", "42601", "syntax error at end of input"),
    Probe("SELECT sys.wait_for_job('x')", "42809", "sys.wait_for_job(unknown) is a procedure"),
    Probe("CALL sys.wait_for_job('not an id')", "22P02", "Unable to convert text to UUID"),
    Probe("CALL sys.wait_for_job((SELECT 'x'))", "0A000", "cannot use subquery in CALL argument"),
    Probe("SELECT * FROM missing", "42P01", "relation \"missing\" does not exist"),
  ]

  static let accepted: [Probe] = [
    "CREATE TABLE x (a int PRIMARY KEY, b numeric, c numeric(293,167), d varchar(65535), e char(4096), f timetz, g uuid)",
    "CREATE TABLE x (a bigint GENERATED BY DEFAULT AS IDENTITY (CACHE 1) PRIMARY KEY, b json, c interval, d bytea)",
    "CREATE TABLE x (a bigint GENERATED ALWAYS AS IDENTITY (CACHE 65536), b int REFERENCES t DEFERRABLE)",
    "CREATE TABLE IF NOT EXISTS t (id int)", "CREATE TABLE x (LIKE t)",
    "CREATE TABLE x (a int PRIMARY KEY, b int UNIQUE NULLS NOT DISTINCT, c int CHECK (c > 0) DEFAULT 3)",
    "ALTER TABLE t ADD COLUMN x int", "ALTER TABLE t ADD COLUMN IF NOT EXISTS x numeric NULL",
    "ALTER TABLE t DROP COLUMN a", "ALTER TABLE t DROP COLUMN a, DROP COLUMN b",
    "ALTER TABLE t ALTER COLUMN a SET DEFAULT 3", "ALTER TABLE t ALTER COLUMN a DROP NOT NULL",
    "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID",
    "ALTER TABLE child ADD FOREIGN KEY (parent) REFERENCES t NOT VALID", "ALTER TABLE t RENAME COLUMN a TO z",
    "ALTER TABLE t RENAME TO u", "ALTER TABLE t DISABLE TRIGGER ALL", "DROP TRIGGER IF EXISTS x ON t",
    "ALTER TABLE t ALTER COLUMN b SET STORAGE EXTERNAL", "CREATE INDEX ASYNC i ON t (a, lower(b)) WHERE a > 0",
    "CREATE UNIQUE INDEX ASYNC IF NOT EXISTS i ON t (a NULLS FIRST) INCLUDE (b) NULLS NOT DISTINCT",
    "create /* a comment */ index async on t (a)", "CREATE SEQUENCE s CACHE 65536",
    "CREATE DOMAIN d AS int CHECK (VALUE > 0)",
    "CREATE SCHEMA s", "CREATE SCHEMA s CREATE SEQUENCE q CACHE 1 GRANT SELECT ON SEQUENCE q TO PUBLIC",
    "CREATE VIEW w AS SELECT 1 AS a", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE STATISTICS s ON id, a FROM t", "COMMENT ON TABLE t IS 'x'", "CREATE ROLE probe_role WITH LOGIN",
    "GRANT SELECT ON t TO PUBLIC", "DROP VIEW v", "DROP TABLE child", "SET TIME ZONE 'UTC'",
    "SET search_path TO public", "SET LOCAL ROLE admin", "RESET ALL", "SET CONSTRAINTS ALL DEFERRED",
    "SET application_name = 'x'", "SHOW transaction_isolation", "EXPLAIN ANALYZE SELECT 1", "ANALYZE t",
    "SELECT * FROM t FOR UPDATE", "SELECT * FROM t FOR KEY SHARE OF t NOWAIT", "DEALLOCATE ALL",
    "WITH d AS (DELETE FROM t RETURNING *) INSERT INTO t SELECT * FROM d",
    "INSERT INTO t (id, a) SELECT * FROM unnest('{1,2}'::int[], '{3,4}'::int[]) ON CONFLICT (id) DO UPDATE SET a = excluded.a",
    "SELECT set_config('timezone', 'UTC', true)", "SELECT 'a;b', $$c;d$$, E'\\';' -- ;",
  ].map(Probe.init(runs:))
}

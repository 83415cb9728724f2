/// The same rules in spellings that a reader of words would miss, and rules that hold behind them.
extension Probes {
  private static let entity = "feature not supported on system entity"

  static let spellings: [Probe] = [
    Probe("create /* x */ temp table x (a int)", "0A000", "TEMPORARY or TEMP table not supported for CREATE TABLE"),
    Probe("CREATE TABLE pg_temp.x (a int)", "0A000", "TEMPORARY or TEMP table not supported for CREATE TABLE"),
    Probe("CREATE GLOBAL TEMPORARY TABLE x (a int)", "0A000", "TEMPORARY or TEMP table not supported for CREATE TABLE"),
    Probe("CREATE TABLE x (a _int4)", "0A000", "datatype integer[] not supported"),
    Probe("CREATE TABLE x (a int ARRAY[3])", "0A000", "datatype integer[] not supported"),
    Probe("CREATE TABLE x (a timestamptz[])", "0A000", "datatype timestamp with time zone[] not supported"),
    Probe("CREATE TABLE x (a t)", "0A000", "datatype t not supported"),
    Probe("CREATE TABLE x (a record)", "0A000", "datatype record not supported"),
    Probe("CREATE DOMAIN d AS inet", "0A000", "datatype inet not supported"),
    Probe("CREATE DOMAIN d AS int[]", "0A000", "datatype integer[] not supported"),
    Probe("CREATE DOMAIN d AS text COLLATE \"C\"", "0A000", "COLLATE clause not supported"),
    Probe("CREATE TABLE x (a int CHECK (a > 0) DEFERRABLE)", "0A000", "CHECK constraints cannot be marked DEFERRABLE"),
    Probe("ALTER TYPE x SET SCHEMA public", "0A000", "ALTER TYPE not supported"),
    Probe("ALTER TYPE x OWNER TO admin", "0A000", "ALTER TYPE not supported"),
    Probe("ALTER SEQUENCE q CACHE 100", "0A000", "CACHE (100) must be greater than or equal to 65536 or equal to 1"),
    Probe("ALTER SEQUENCE q AS int", "0A000", "datatype integer not supported, sequence type must be bigint"),
    Probe(
      "ALTER TABLE t ALTER a SET CACHE 5", "0A000", "CACHE (5) must be greater than or equal to 65536 or equal to 1"),
    Probe(
      "ALTER TABLE ASYNC t ADD COLUMN x int", "0A000", "ALTER TABLE ASYNC is for VALIDATE CONSTRAINT only"),
    Probe("DROP SCHEMA public CASCADE", "0A000", entity), Probe("DROP SCHEMA sys CASCADE", "0A000", entity),
    Probe("ALTER SCHEMA public RENAME TO x", "0A000", entity), Probe("CREATE TABLE sys.x (a int)", "0A000", entity),
    Probe("DROP TABLE sys.job_log", "0A000", entity), Probe("DROP FUNCTION sys.version()", "0A000", entity),
    Probe("ALTER TABLE t SET SCHEMA sys", "0A000", entity),
    Probe("DELETE FROM sys.job_log", "42501", "permission denied for table job_log"),
    Probe("UPDATE pg_class SET relname = 'x'", "42501", "permission denied for table pg_class"),
    Probe("SELECT pg_notify('a', 'b')", "0A000", "function pg_notify not supported"),
    Probe("SELECT pg_catalog.pg_advisory_xact_lock(1)", "0A000", "function pg_advisory_xact_lock not supported"),
    Probe("SELECT lo_create(0)", "0A000", "function lo_create not supported"),
    Probe("SELECT pg_read_file('/etc/passwd')", "0A000", "function pg_read_file not supported"),
    Probe("SELECT lastval()", "42883", "function lastval() does not exist"),
    Probe(
      "SELECT to_tsvector('english', 'x')", "42704", "text search configuration \"english\" does not exist"),
    Probe("SELECT point(1, 2)", "0A000", "datatype point not supported"),
    Probe("SELECT '(1,2),(3,4)'::box", "0A000", "datatype box not supported"),
    Probe(
      "SELECT * FROM t LEFT JOIN LATERAL (SELECT t.a) x ON true", "42804", "attribute 1 of type t has wrong type"),
    Probe(
      "SELECT current_setting('lc_collate')", "42704", "unrecognized configuration parameter \"lc_collate\""),
    Probe("EXPLAIN DECLARE c CURSOR FOR SELECT 1", "0A000", "unsupported statement: DeclareCursor"),
    Probe("EXPLAIN EXECUTE p", "0A000", "unsupported statement: Execute"),
    Probe(
      "WITH x AS (SELECT 1) DELETE FROM t WHERE id IN (SELECT pg_advisory_lock(1)::text::int)", "0A000",
      "function pg_advisory_lock not supported"),
    Probe(
      "SET \"Statement_Timeout\" = 1", "0A000", "setting configuration parameter \"Statement_Timeout\" not supported"),
    Probe("PREPARE TRANSACTION 'x'", "0A000", "unsupported transaction statement: PREPARE"),
    Probe("CREATE TABLE x (a varchar(2001) PRIMARY KEY)", "54000", "key size greater than 2000 bytes not supported"),
    Probe("CREATE INDEX ASYNC ON child (parent, w)", "54000", "key size greater than 2000 bytes not supported"),
    Probe("CREATE TYPE x", "0A000", "CREATE TYPE not supported"),
    Probe("REINDEX TABLE t", "0A000", "unsupported statement: Reindex"),
    Probe("CLUSTER t", "0A000", "unsupported statement: Cluster"),
    Probe(
      "SELECT set_config('work' || '_mem', '1MB', false)", "0A000",
      "setting configuration parameter \"work_mem\" not supported"),
    Probe(
      "SELECT pg_catalog.set_config('statement_timeout', '1', true)", "0A000",
      "setting configuration parameter \"statement_timeout\" not supported"),
    Probe(
      "ALTER STATISTICS st SET STATISTICS 101", "22023", "statistics target 101 exceeds maximum allowed value of 100"),
    Probe(
      "CREATE VIEW x AS SELECT '\(String(repeating: "x", count: 600_000))'", "54000", "view definition too large"),
    Probe(
      "SELECT count(DISTINCT i || repeat('x', 100)) FROM generate_series(1, 2000000) i", "54000",
      "query requires more than allowed temp space of 131072 KB to execute"),
    Probe("FETCH c", "0A000", "unsupported statement: Fetch"),
  ]

  static let acceptedSpellings: [Probe] = [
    "CREATE TABLE x (a int PRIMARY KEY, b text STORAGE PLAIN NOT NULL, storage text, c text STORAGE main, n numeric)",
    "CREATE TABLE x (LIKE t INCLUDING STORAGE)", "ALTER TABLE t ADD COLUMN x text STORAGE EXTERNAL NULL, ADD y int",
    "CREATE DOMAIN d AS numeric CHECK (VALUE > 0)", "ALTER SEQUENCE q INCREMENT 2 CACHE 65536",
    "CREATE VIEW x AS SELECT * FROM sys.jobs", "GRANT SELECT ON public.t TO PUBLIC",
    "SELECT * FROM t LEFT JOIN LATERAL (SELECT 1) x ON true", "SELECT '1.2.3.4'::inet, ARRAY[1, 2]",
    "SELECT sys.cluster_size(), sys.cluster_size_limit(), sys.iam_session_user()",
    "SELECT sys.uuid_to_base32_str(gen_random_uuid())", "SELECT * FROM sys.supported_datatypes()",
    "SELECT set_config('time' || 'zone', 'UTC', true)", "ALTER STATISTICS st SET STATISTICS 100",
    "CREATE TABLE x (\((1...256).map { "c\($0) int" }.joined(separator: ", ")), PRIMARY KEY (c1))",
    "ALTER TABLE t DROP COLUMN IF EXISTS missing, DROP COLUMN b, ADD COLUMN n numeric", "SHOW ALL",
    "SELECT 'TRUNCATE t; LOCK TABLE t', $x$ CREATE TEMP TABLE $x$ -- SAVEPOINT a",
  ].map(Probe.init(runs:))
}

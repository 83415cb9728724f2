"""Tables, rows and changes. Everything is a function of the row's or the transaction's number."""

NARROW = "id bigint PRIMARY KEY, branch integer NOT NULL, balance integer NOT NULL, filler char(84) NOT NULL"
NARROW_ROW = "g, (g % 1000)::integer, ((g * 7919) % 1000000)::integer, 'account ' || g"

WIDE_COLUMNS = [
    ("id", "bigint PRIMARY KEY", "g"),
    ("tenant", "integer NOT NULL", "(g % 977)::integer"),
    ("kind", "smallint", "(g % 7)::smallint"),
    ("active", "boolean", "g % 3 = 0"),
    ("ratio", "double precision", "g / 7.0::float8"),
    ("score", "real", "(g % 1000)::float4 / 3"),
    ("price", "numeric(12,2)", "(g % 100000) / 100.0"),
    ("total", "numeric(20,6)", "CASE WHEN g % 10 = 0 THEN NULL ELSE g * 1.000123 END"),
    ("day", "date", "date '2020-01-01' + (g % 2000)::integer"),
    ("at", "timestamp", "timestamp '2024-01-01' + (g % 1000000) * interval '1 second'"),
    ("seen", "timestamptz", "timestamptz '2024-01-01 00:00:00+00' + (g % 1000000) * interval '1 minute'"),
    ("clock", "time", "time '00:00' + (g % 86400) * interval '1 second'"),
    ("token", "uuid", "md5(g::text)::uuid"),
    ("name", "varchar(80)", "'customer number ' || g"),
    ("code", "char(8)", "'c' || g % 10000"),
    ("note", "text", "repeat(md5(g::text), 3)"),
    ("remark", "text", "CASE WHEN g % 4 = 0 THEN NULL ELSE 'a \"quoted\" \\ remark' || chr(9) || g END"),
    ("payload", "bytea", "decode(md5(g::text) || md5((g + 1)::text), 'hex')"),
    ("document", "jsonb", "jsonb_build_object('n', g, 'tags', jsonb_build_array('a', 'b', g % 5))"),
    ("span", "interval", "(g % 5000) * interval '1 minute'"),
]
WIDE = ", ".join(f'"{name}" {kind}' for name, kind, _ in WIDE_COLUMNS)
WIDE_ROW = ", ".join(value for _, _, value in WIDE_COLUMNS)

TABLES = {"narrow": (NARROW, NARROW_ROW), "wide": (WIDE, WIDE_ROW)}


def create(table: str) -> str:
    return f"CREATE TABLE {table} ({TABLES[table][0]});\n"


def fill(table: str, first: int, last: int) -> str:
    return f"INSERT INTO {table} SELECT {TABLES[table][1]} FROM generate_series({first}::bigint, {last}) g;\n"


def change_tables(base: int) -> str:
    """Both tables with rows -999 to `base`, and the marker that ends a backlog."""
    made = "".join(create(name) + fill(name, -999, base) for name in TABLES)
    return made + "CREATE TABLE marker (id integer PRIMARY KEY);\n" + CHANGES.replace("BASE", str(base)) + "ANALYZE;\n"


# A transaction is 10 rows of one table: 6 updates, 3 inserts, 1 delete. A deleted row was there at the start, or was
# inserted 1,000 transactions before.
CHANGES = """
CREATE PROCEDURE make_changes(start_at bigint, amount bigint) LANGUAGE plpgsql AS $$
DECLARE
  t bigint := start_at;
BEGIN
  WHILE t < start_at + amount LOOP
    IF t % 2 = 0 THEN
      UPDATE narrow SET balance = balance + 1
        WHERE id = ANY (SELECT 1 + ((t * 6 + k) * 7919) % BASE FROM generate_series(0, 5) k);
      INSERT INTO narrow SELECT ROW_NARROW FROM generate_series(BASE + t * 3 + 1, BASE + t * 3 + 3) g;
      DELETE FROM narrow WHERE id = CASE WHEN t < 1000 THEN -t ELSE BASE + (t - 1000) * 3 + 1 END;
    ELSE
      UPDATE wide SET price = price + 1, seen = seen + interval '1 second'
        WHERE id = ANY (SELECT 1 + ((t * 6 + k) * 7919) % BASE FROM generate_series(0, 5) k);
      INSERT INTO wide SELECT ROW_WIDE FROM generate_series(BASE + t * 3 + 1, BASE + t * 3 + 3) g;
      DELETE FROM wide WHERE id = CASE WHEN t < 1000 THEN -t ELSE BASE + (t - 1000) * 3 + 1 END;
    END IF;
    COMMIT;
    t := t + 1;
  END LOOP;
END $$;
""".replace("ROW_NARROW", NARROW_ROW).replace("ROW_WIDE", WIDE_ROW)

# Enough keys that every lane gets some, so a target that has them all has applied everything before them.
MARKERS = 256
END_BACKLOG = f"INSERT INTO marker SELECT generate_series(1, {MARKERS});\n"
AWAIT_MARKERS = f"""
SET statement_timeout = '30min';
DO $$ BEGIN
  WHILE (SELECT count(*) FROM marker) < {MARKERS} LOOP PERFORM pg_sleep(0.005); END LOOP;
END $$;
"""

# 2,000 rows a second in transactions of 10; the last row carries the time.
LATENCY_TABLES = """
CREATE TABLE event (id bigserial PRIMARY KEY, body text NOT NULL);
CREATE TABLE probe (id bigserial PRIMARY KEY, written timestamptz NOT NULL);
"""
LATENCY_TRANSACTION = """
BEGIN;
INSERT INTO event (body) SELECT repeat('x', 100) FROM generate_series(1, 9);
INSERT INTO probe (written) VALUES (clock_timestamp());
COMMIT;
"""
# Looks every millisecond, in one session; each statement of the loop sees what has been committed by then.
LATENCY_WATCH = """
SET statement_timeout = '30min';
CREATE TABLE seen (id bigint PRIMARY KEY, latency float8 NOT NULL);
DO $$
DECLARE
  low bigint := 0;
  until timestamptz := clock_timestamp() + interval 'SECONDS seconds';
BEGIN
  WHILE clock_timestamp() < until LOOP
    INSERT INTO seen
      SELECT p.id, extract(epoch FROM clock_timestamp() - p.written) FROM probe p
        WHERE p.id > low AND NOT EXISTS (SELECT FROM seen s WHERE s.id = p.id);
    SELECT coalesce(max(id), 0) - 1000 INTO low FROM seen;
    PERFORM pg_sleep(0.001);
  END LOOP;
END $$;
"""
LATENCY_RESULT = """
SELECT count(*), array_to_string(percentile_cont(ARRAY[0.5, 0.9, 0.99]) WITHIN GROUP (ORDER BY latency * 1000), ' ')
FROM (SELECT latency FROM seen ORDER BY id OFFSET 400) s
"""


def digest(table: str, columns: str = "t::text") -> str:
    return f"SELECT count(*) || ' ' || coalesce(sum(hashtextextended({columns}, 0)), 0) FROM {table} t;\n"

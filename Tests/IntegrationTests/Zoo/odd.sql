-- Names that need quotes or are as long as names can be, keys of unusual types, every kind of partition and constraint.
CREATE SCHEMA "Odd One";
SET search_path = "Odd One", public;

CREATE TYPE "Mood Ring" AS ENUM ('', 'so so', 'it''s "fine"', 'a,b', '{}', 'Ünï');
CREATE TYPE point3d AS (x double precision, y double precision, "Z z" text);
CREATE TYPE line3d AS (a point3d, b point3d);
CREATE DOMAIN short_code AS varchar(12) CHECK (VALUE <> 'bad');
CREATE DOMAIN shorter_code AS short_code NOT NULL CHECK (length(VALUE) < 11);
CREATE DOMAIN scores AS int[] CHECK (coalesce(array_length(VALUE, 1), 0) < 9);
CREATE TYPE floatrange AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE COLLATION german (provider = icu, locale = 'de-u-ks-level2', deterministic = false);

CREATE TABLE "select" ("from" int PRIMARY KEY, "where" text DEFAULT 'now()', "Group By" date, "user" name);
CREATE TABLE "Mixed Case" ("Id" uuid DEFAULT gen_random_uuid() PRIMARY KEY, "camelCase" text, "with ""quotes""" int, "dots.in.it" text,
  "$1" text, "ünï" numeric(20,5));
CREATE TABLE "a_name_of_sixty_three_bytes_which_is_as_long_as_postgres_takes_" (
  "a_column_of_sixty_three_bytes_which_is_as_long_as_names_can_get" bigint PRIMARY KEY,
  "another_column_of_sixty_three_bytes_which_is_as_long_as_they_be" text UNIQUE
);
CREATE TABLE by_moods (mood "Mood Ring", tag short_code, v text, PRIMARY KEY (mood, tag));
CREATE TABLE by_time (at timestamptz PRIMARY KEY, v int);
CREATE TABLE by_date (d date, n int, v jsonb, PRIMARY KEY (d, n));
CREATE TABLE by_numeric (k numeric(18,4) PRIMARY KEY, v text);
CREATE TABLE by_bare_numeric (k numeric PRIMARY KEY, v text);
CREATE TABLE by_bytes (k bytea PRIMARY KEY, v text);
CREATE TABLE by_flag (k boolean PRIMARY KEY, v text);
CREATE TABLE by_interval (k interval PRIMARY KEY, v text);
CREATE TABLE by_network (k inet, m macaddr, v text, PRIMARY KEY (k, m));
CREATE TABLE by_range (k int4range PRIMARY KEY, v text);
CREATE TABLE by_array (k text[] PRIMARY KEY, v text);
CREATE TABLE by_float (k double precision PRIMARY KEY, v text);
CREATE TABLE by_padded (k char(7) PRIMARY KEY, v text);
CREATE TABLE by_collated (k text COLLATE german, n int, PRIMARY KEY (k, n));
CREATE TABLE eight_keys (a int, b int, c text, d uuid, e smallint, f date, g bigint, h boolean, v text, PRIMARY KEY (a, b, c, d, e, f, g, h));
CREATE TABLE only_key (k varchar(30) PRIMARY KEY);

CREATE TABLE shapes (
  id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY (START WITH 1000 INCREMENT BY 7),
  mood "Mood Ring" DEFAULT 'so so',
  moods "Mood Ring"[],
  place point3d,
  places point3d[],
  track line3d,
  code shorter_code DEFAULT 'c',
  points scores,
  span floatrange,
  spans int8multirange,
  during tstzrange,
  extra hstore,
  path ltree,
  bits bit(5),
  more_bits bit varying(40),
  doc xml,
  cash money,
  box box,
  poly polygon,
  words tsquery,
  any_json json,
  texts text[][],
  whens timestamptz[],
  docs jsonb[],
  tz timetz(3),
  lsn pg_lsn,
  kind regclass
);
CREATE TABLE computed (
  id serial PRIMARY KEY,
  a int,
  b int,
  total int GENERATED ALWAYS AS (a + b) STORED,
  name text,
  lowered text GENERATED ALWAYS AS (lower(name)) STORED,
  tail text DEFAULT 'x' || 'y'
);
CREATE TABLE bookings (
  id bigserial PRIMARY KEY,
  room int NOT NULL,
  during tsrange NOT NULL,
  EXCLUDE USING gist (room WITH =, during WITH &&)
);
CREATE TABLE uniques (
  id int PRIMARY KEY,
  a int UNIQUE,
  b text,
  c int UNIQUE DEFERRABLE INITIALLY DEFERRED,
  d date,
  UNIQUE (b, d)
);
CREATE UNIQUE INDEX uniques_expression ON uniques (lower(b), (a % 100000));
CREATE UNIQUE INDEX uniques_partial ON uniques (d) WHERE a < 0;
CREATE INDEX uniques_include ON uniques (a) INCLUDE (b);
CREATE INDEX uniques_hash ON uniques USING hash (b);
CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree ON DELETE CASCADE ON UPDATE CASCADE, name text NOT NULL);
CREATE TABLE egg (id int PRIMARY KEY, hen int);
CREATE TABLE hen (id int PRIMARY KEY, egg int REFERENCES egg ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED);
ALTER TABLE egg ADD FOREIGN KEY (hen) REFERENCES hen ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED;
CREATE TABLE hashed (id uuid PRIMARY KEY, v text, big text) PARTITION BY HASH (id);
CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (modulus 2, remainder 0);
CREATE TABLE hashed_1 (big text, id uuid NOT NULL, v text);
ALTER TABLE hashed ATTACH PARTITION hashed_1 FOR VALUES WITH (modulus 2, remainder 1);
CREATE TABLE listed (region text, id int, v text, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
CREATE TABLE listed_eu PARTITION OF listed FOR VALUES IN ('eu', 'uk') PARTITION BY RANGE (id);
CREATE TABLE listed_eu_low PARTITION OF listed_eu FOR VALUES FROM (MINVALUE) TO (50);
CREATE TABLE listed_eu_high PARTITION OF listed_eu FOR VALUES FROM (50) TO (MAXVALUE);
CREATE TABLE listed_rest PARTITION OF listed DEFAULT;
CREATE TABLE bag (n int, t text, j jsonb);
ALTER TABLE bag REPLICA IDENTITY FULL;
-- Names that statements about them may use themselves.
CREATE TABLE aliases (t int PRIMARY KEY, u text UNIQUE, s text, c0 text, c1 int, d jsonb, excluded text, own int, n text, k text);
CREATE TABLE alias_bag (t text, u int, c0 jsonb, c1 text, own int);
ALTER TABLE alias_bag REPLICA IDENTITY FULL;
CREATE TABLE full_keyed (id int PRIMARY KEY, v text, big text);
ALTER TABLE full_keyed REPLICA IDENTITY FULL;
ALTER TABLE full_keyed ALTER big SET STORAGE EXTERNAL;
CREATE TABLE documents (id bigserial PRIMARY KEY, body text, raw bytea, doc jsonb, note varchar(200));
ALTER TABLE documents ALTER body SET STORAGE EXTERNAL, ALTER raw SET STORAGE EXTERNAL;
CREATE TABLE secured (id int PRIMARY KEY, owner text DEFAULT current_user, v text);
ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON secured USING (owner = current_user);
CREATE TABLE dropped (gone int, id int PRIMARY KEY, also_gone text, v text, tail int DEFAULT 5);
ALTER TABLE dropped DROP gone, DROP also_gone;
ALTER TABLE dropped ADD late text DEFAULT 'late';

DO $$ BEGIN
  EXECUTE 'CREATE TABLE wide (id int PRIMARY KEY, ' || (SELECT string_agg(format('c%s %s', i, (ARRAY['int', 'text', 'boolean',
    'numeric(9,2)', 'timestamptz'])[1 + i % 5]), ', ') FROM generate_series(1, 240) i) || ')';
END $$;

INSERT INTO "select" SELECT i, 'w' || i, '2024-01-01', 'me' FROM generate_series(1, 40) i;
INSERT INTO "Mixed Case" ("camelCase", "with ""quotes""", "dots.in.it") SELECT 'c' || i, i, NULL FROM generate_series(1, 40) i;
INSERT INTO "a_name_of_sixty_three_bytes_which_is_as_long_as_postgres_takes_" SELECT i, 't' || i FROM generate_series(1, 40) i;
INSERT INTO by_moods SELECT m, 't' || i, NULL FROM unnest(enum_range(NULL::"Mood Ring")) m, generate_series(1, 8) i;
INSERT INTO by_time SELECT '2024-01-01+00'::timestamptz + i * interval '1 microsecond', i FROM generate_series(1, 40) i;
INSERT INTO by_time VALUES ('infinity', 1), ('-infinity', 2), ('4713-01-02 00:00:00+00 BC', 3);
INSERT INTO by_date SELECT '2024-01-01'::date + i, i, '{}' FROM generate_series(1, 40) i;
INSERT INTO by_numeric SELECT i * 1.25, 'n' FROM generate_series(1, 40) i;
INSERT INTO by_numeric VALUES ('NaN', 'not a number');
INSERT INTO by_bare_numeric SELECT i * 1.250, 'n' FROM generate_series(1, 40) i;
INSERT INTO by_bare_numeric VALUES ('NaN', ''), ('Infinity', ''), ('-Infinity', ''), (1e300, ''), (1e-300, '');
INSERT INTO by_bytes SELECT decode(md5(i::text), 'hex'), 'b' FROM generate_series(1, 40) i;
INSERT INTO by_bytes VALUES ('', 'empty'), ('\x00', 'zero');
INSERT INTO by_flag VALUES (true, 't'), (false, 'f');
INSERT INTO by_interval SELECT i * interval '1 minute', 'i' FROM generate_series(1, 40) i;
INSERT INTO by_network SELECT '10.0.0.0/8'::inet + i, '08:00:2b:01:02:03', 'n' FROM generate_series(1, 40) i;
INSERT INTO by_range SELECT int4range(i, i + 5), 'r' FROM generate_series(1, 40) i;
INSERT INTO by_range VALUES ('empty', 'e'), ('(,)', 'all');
INSERT INTO by_array SELECT ARRAY['k', i::text, NULL], 'a' FROM generate_series(1, 40) i;
INSERT INTO by_float SELECT sqrt(i), 'f' FROM generate_series(1, 40) i;
INSERT INTO by_float VALUES ('NaN', ''), ('Infinity', ''), ('-0', '');
INSERT INTO by_padded SELECT 'p' || i, 'p' FROM generate_series(1, 40) i;
INSERT INTO by_collated SELECT 'Straße ' || i, i FROM generate_series(1, 40) i;
INSERT INTO eight_keys SELECT i, i, 'c', md5(i::text)::uuid, 1, '2024-01-01', i, true, 'v' FROM generate_series(1, 40) i;
INSERT INTO only_key SELECT 'k' || i FROM generate_series(1, 40) i;
INSERT INTO only_key VALUES ('');
INSERT INTO shapes (mood, moods, place, places, track, points, span, spans, during, extra, path, bits, more_bits, doc, cash, box, poly,
    words, any_json, texts, whens, docs, tz, lsn, kind)
  SELECT 'it''s "fine"', ARRAY['a,b', NULL, '']::"Mood Ring"[], (i, -0.0, 'z,"')::point3d, ARRAY[(1, NULL, '')::point3d, NULL]::point3d[],
    ((1, 2, '(')::point3d, NULL)::line3d, ARRAY[i, NULL], floatrange(0.1, i), int8multirange(int8range(1, i + 1)),
    tstzrange('2024-01-01+00', NULL), 'a=>NULL', ('a.b' || i)::ltree, 5::bit(5), B'101', '<a/>', i, box(point(i, i), point(0, 0)),
    '((0,0),(1,1),(1,0))', 'fat & rat', '{"b" : 1, "b":2}', ARRAY[['{', '}'], ['"', NULL]], ARRAY[now(), 'infinity'],
    ARRAY['{"x": 1.0}'::jsonb, NULL], '12:00:00.5+05:30', '16/B374D848', 'pg_class' FROM generate_series(1, 50) i;
INSERT INTO computed (a, b, name) SELECT i, NULLIF(i % 5, 0), 'NAME ' || i FROM generate_series(1, 40) i;
INSERT INTO bookings (room, during) SELECT i % 4, tsrange('2024-01-01'::timestamp + i * interval '1 day', '2024-01-01'::timestamp + (i + 1) * interval '1 day')
  FROM generate_series(1, 60) i;
INSERT INTO uniques SELECT i, i, 'B' || i, -i, '2024-01-01' FROM generate_series(1, 60) i;
INSERT INTO tree SELECT i, NULLIF(i / 3, 0), 't' || i FROM generate_series(1, 60) i;
BEGIN;
INSERT INTO egg SELECT i, i FROM generate_series(1, 30) i;
INSERT INTO hen SELECT i, 31 - i FROM generate_series(1, 30) i;
COMMIT;
INSERT INTO hashed SELECT md5(i::text)::uuid, 'h' || i, repeat('big' || i, 1500) FROM generate_series(1, 60) i;
INSERT INTO listed SELECT (ARRAY['eu', 'uk', 'us', 'cn'])[1 + i % 4], i, 'l' FROM generate_series(1, 100) i;
INSERT INTO bag SELECT i % 10, NULLIF('t' || i % 3, 't0'), CASE WHEN i % 4 > 0 THEN '{"a": 1}'::jsonb END FROM generate_series(1, 60) i;
INSERT INTO aliases SELECT i, 'u' || i, NULL, 'c', i, '{}', 'e', i, 'n', repeat('k', i * 100) FROM generate_series(1, 50) i;
INSERT INTO alias_bag SELECT NULLIF('t' || i % 3, 't0'), i % 5, NULL, NULL, i FROM generate_series(1, 50) i;
INSERT INTO full_keyed SELECT i, 'f', repeat('f' || i, 2000) FROM generate_series(1, 30) i;
INSERT INTO documents (body, raw, doc, note) SELECT repeat(md5(i::text), 300), decode(repeat(md5(i::text), 100), 'hex'),
  jsonb_build_object('k', repeat(md5(i::text), 50)), 'n' FROM generate_series(1, 40) i;
INSERT INTO secured SELECT i, 'someone', 's' FROM generate_series(1, 20) i;
INSERT INTO dropped SELECT i, 'd' FROM generate_series(1, 30) i;
INSERT INTO wide (id, c1, c2, c240) SELECT i, 'x', NULL, i FROM generate_series(1, 30) i;

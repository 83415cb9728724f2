-- The full load's ledger: a chunk is marked done in the transaction that writes its last rows.
-- kind: key, ctid, all. lower and upper are the range's bounds, lower included; NULL is open.
CREATE TABLE IF NOT EXISTS penstock.chunk (
  pipeline text NOT NULL,
  source_table text NOT NULL,
  chunk integer NOT NULL,
  heap text NOT NULL,
  kind text NOT NULL,
  lower_bound text,
  upper_bound text,
  bytes_estimate bigint NOT NULL,
  epoch bigint NOT NULL,
  done boolean NOT NULL,
  rows bigint NOT NULL,
  fence integer,
  PRIMARY KEY (pipeline, source_table, chunk)
)

-- The numbered files that this database has seen.
CREATE TABLE IF NOT EXISTS penstock.migration (
  version integer PRIMARY KEY,
  name text NOT NULL
)

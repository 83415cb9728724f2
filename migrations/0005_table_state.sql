-- What was planned for each table when its load began.
-- state: pending (its chunks are not all written), loading, reloading (over rows of an older heap), ready.
-- filenodes: the heaps' file nodes, which change when a heap is rewritten.
CREATE TABLE IF NOT EXISTS penstock.table_state (
  pipeline text NOT NULL,
  source_table text NOT NULL,
  target_table text NOT NULL,
  state text NOT NULL,
  filenodes text NOT NULL,
  load_lsn text,
  indexes_built boolean NOT NULL,
  PRIMARY KEY (pipeline, source_table)
)

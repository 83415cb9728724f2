-- Rows that the target refused and the policy parked: at most one letter for each key of a source table, the newest.
-- id: made of the source table and the key, or of the whole row where there is no key.
-- target_table: quoted, as statements have it.
-- operation: upsert (the whole row), patch (some columns of it), delete, add (copies of a row without a key).
-- position: LSN#ordinal of the change, or the chunk of the full load.
-- key_values and row_values: JSON, the values by the target's columns as text; a long row goes on in dead_letter_part.
-- state: parked; superseded, when a later change of its key was written; replayed.
CREATE TABLE IF NOT EXISTS penstock.dead_letter (
  pipeline text NOT NULL,
  id text NOT NULL,
  source_table text NOT NULL,
  target_table text NOT NULL,
  key_values text,
  operation text NOT NULL,
  position text NOT NULL,
  sqlstate text NOT NULL,
  reason text NOT NULL,
  attempts integer NOT NULL,
  copies integer NOT NULL,
  row_values text NOT NULL,
  state text NOT NULL,
  parked_at timestamptz NOT NULL,
  PRIMARY KEY (pipeline, id)
)

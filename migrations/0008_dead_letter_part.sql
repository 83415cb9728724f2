-- What of a letter's row is beyond its first piece, which is in dead_letter: a column of DSQL holds 1 MiB.
CREATE TABLE IF NOT EXISTS penstock.dead_letter_part (
  pipeline text NOT NULL,
  id text NOT NULL,
  part integer NOT NULL,
  row_values text NOT NULL,
  PRIMARY KEY (pipeline, id, part)
)

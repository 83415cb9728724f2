-- One row for each pipeline. epoch grows when an instance takes the pipeline over.
-- phase: loading, catching-up (until the stream has passed high_mark), streaming.
-- confirm_limit: no position above it was ever reported to the source, so a slot beyond it was moved by others.
CREATE TABLE IF NOT EXISTS penstock.pipeline (
  pipeline text PRIMARY KEY,
  epoch bigint NOT NULL,
  phase text NOT NULL,
  source text NOT NULL,
  slot_name text NOT NULL,
  publication_name text NOT NULL,
  made_slot boolean NOT NULL,
  made_publication boolean NOT NULL,
  slot_lsn text,
  high_mark text,
  confirm_limit text,
  fence integer
)

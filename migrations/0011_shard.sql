-- The shards of a DynamoDB source's streams that were read, by a number that is never used again.
-- start_position: where reading began: trim-horizon, or since and a time in seconds from 1970-01-01 UTC.
-- committed: every lane has everything up to this sequence number; NULL before the first.
-- ended: every lane has all there was in it.
CREATE TABLE IF NOT EXISTS penstock.shard (
  pipeline text NOT NULL,
  number integer NOT NULL,
  source_table text NOT NULL,
  stream text NOT NULL,
  shard text NOT NULL,
  start_position text NOT NULL,
  committed text,
  ended boolean NOT NULL,
  PRIMARY KEY (pipeline, number)
)

-- How far the lane has come in each shard of a DynamoDB source, in the same transaction as its rows: the shard's number
-- in penstock.shard, a colon, and a sequence number; several are set apart by semicolons. NULL for other sources.
ALTER TABLE penstock.lane ADD COLUMN IF NOT EXISTS shards text

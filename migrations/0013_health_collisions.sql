-- Rows of merged tables that found their keys held by rows of other tables, since the instance began.
ALTER TABLE penstock.health ADD COLUMN IF NOT EXISTS collisions bigint

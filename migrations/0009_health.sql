-- How the instance at work was a few seconds ago; no other transaction touches the row.
-- in_flight, allowed, most, waiting: transactions of lanes or load writers under way, how many may be, the setting, and
-- those who wait for their turn.
-- token_expires_at: seconds since 1970-01-01 UTC; the tokens' columns are NULL when the login is by password.
CREATE TABLE IF NOT EXISTS penstock.health (
  pipeline text PRIMARY KEY,
  epoch bigint NOT NULL,
  written_at timestamptz NOT NULL,
  in_flight integer NOT NULL,
  allowed integer NOT NULL,
  most integer NOT NULL,
  waiting integer NOT NULL,
  pool_total integer NOT NULL,
  pool_active integer NOT NULL,
  pool_idle integer NOT NULL,
  pool_waiting integer NOT NULL,
  pool_opened bigint NOT NULL,
  pool_refused bigint NOT NULL,
  token_refreshes bigint,
  token_failures bigint,
  token_expires_at bigint
)

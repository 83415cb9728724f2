-- A lane's position commits with its rows: the last change that they include, as LSN#ordinal.
CREATE TABLE IF NOT EXISTS penstock.lane (
  pipeline text NOT NULL,
  stream text NOT NULL,
  lane integer NOT NULL,
  epoch bigint NOT NULL,
  position text NOT NULL,
  changes bigint NOT NULL,
  fence integer,
  PRIMARY KEY (pipeline, stream, lane)
)

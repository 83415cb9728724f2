-- As pgbench makes them: fill factors, a history without a key.
CREATE SCHEMA bench;
SET search_path = bench, public;

CREATE TABLE branches (bid int NOT NULL, bbalance int, filler char(88)) WITH (fillfactor = 100);
CREATE TABLE tellers (tid int NOT NULL, bid int, tbalance int, filler char(84)) WITH (fillfactor = 100);
CREATE TABLE accounts (aid int NOT NULL, bid int, abalance int, filler char(84)) WITH (fillfactor = 90);
CREATE TABLE history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22));
ALTER TABLE history REPLICA IDENTITY FULL;

INSERT INTO branches SELECT i, 0, NULL FROM generate_series(1, 3) i;
INSERT INTO tellers SELECT i, 1 + i % 3, 0, NULL FROM generate_series(1, 30) i;
INSERT INTO accounts SELECT i, 1 + i % 3, 0, '' FROM generate_series(1, 500) i;
INSERT INTO history SELECT 1 + i % 30, 1 + i % 3, i, i % 7, '2024-01-01', NULL FROM generate_series(1, 100) i;

ALTER TABLE branches ADD PRIMARY KEY (bid);
ALTER TABLE tellers ADD PRIMARY KEY (tid);
ALTER TABLE accounts ADD PRIMARY KEY (aid);
ALTER TABLE tellers ADD FOREIGN KEY (bid) REFERENCES branches;
ALTER TABLE accounts ADD FOREIGN KEY (bid) REFERENCES branches;

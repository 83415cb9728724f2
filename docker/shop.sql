-- After pgbench has made its tables: its history has no primary key, so whole old rows are logged.
ALTER TABLE pgbench_history REPLICA IDENTITY FULL;

"""Measures under DSQL's limits, and of memory in the two hardest cases."""

import statistics
import subprocess
import time

import workload
from measures import Bench, Row, higher_is_better
from peers import Penstock, micros

MEMORY_LIMIT = 150 << 20
# What a pipeline has by default.
WORKERS = 4


def write_limit(bench: Bench) -> list[Row]:
    """The load in transactions of less than 3,000 rows, beside a C program that only writes such batches of ready rows.

    Penstock writes in the same form, first straight to PostgreSQL like the C program, then through the emulator, whose
    own work on the same processors is in the number.
    """
    result = []
    for table, rows in (("narrow", int(2_000_000 * bench.scale)), ("wide", int(400_000 * bench.scale))):
        bench.source.fresh_database("bench")
        bench.source.psql(workload.create(table) + workload.fill(table, 1, rows) + "VACUUM ANALYZE; CHECKPOINT;", "bench")
        limit: list[float] = []
        through: list[float] = []
        direct, emulated = bench.new_penstock(), bench.new_penstock()
        for _ in range(bench.runs):
            bench.fresh_target(table)
            limit.append(write_ready(bench, table, bench.target.connection("bench")))
            bench.must_be_equal([table])

            bench.fresh_target(table)
            with bench.emulator_before("bench") as emulator:
                through.append(write_ready(bench, table, emulator.connection(bench.penstock)))
            bench.must_be_equal([table])

            bench.fresh_target()
            direct.configure([table], pipeline="  mode: full-load\n", parallelism=WORKERS,
                             sink=f"{direct.plain_sink}\n  load-method: insert\n  batch-size: 2999")
            direct.load()
            bench.must_be_equal([table])

            bench.fresh_target()
            with bench.emulator_before("bench") as emulator:
                emulated.configure([table], pipeline="  mode: full-load\n", sink=emulator.sink, parallelism=WORKERS,
                                   environment=emulator.environment)
                emulated.load()
            bench.must_be_equal([table])
        base = rows / statistics.median(limit)
        result.append(higher_is_better(f"full load in batches of 2,999 rows, {table} ({rows:,} rows), beside C writing"
                                       " ready batches", direct.rate(rows), base, 0.85, direct.cpu_per(rows),
                                       direct.peak_bytes))
        result.append(Row("… the same through dsql-emulator", f"{emulated.rate(rows):,.0f} rows/s", "",
                          emulated.rate(rows) / base, "", True, emulated.cpu_per(rows), emulated.peak_bytes))
        result.append(higher_is_better("… C writing ready batches through dsql-emulator, beside without it",
                                       rows / statistics.median(through), base, 0.7, "", 0))
    return result


def write_ready(bench: Bench, table: str, target: str) -> float:
    """Seconds that the C program takes for a table."""
    done = subprocess.run([str(bench.writer), bench.source.connection("bench"), target, table, "2", "2999"],
                          check=True, capture_output=True, text=True)
    return float(done.stdout.split()[1])


def one_transaction(bench: Bench) -> list[Row]:
    """One transaction of 5 million rows."""
    rows = int(5_000_000 * bench.scale)
    return [stream(bench, f"one transaction of {rows:,} rows", workload.create("narrow"),
                   workload.fill("narrow", 1, rows), "narrow", rows)]


def large_rows(bench: Bench) -> list[Row]:
    """Rows of 20 MB, ten loaded and ten streamed."""
    table = "CREATE TABLE large (id integer PRIMARY KEY, body bytea NOT NULL);"
    insert = ("INSERT INTO large SELECT g, decode(repeat(md5(g::text), 1310720), 'hex')"
              " FROM generate_series({}, {}) g;")
    return [stream(bench, "rows of 20 MB, 10 loaded and 10 streamed", table + insert.format(1, 10),
                   insert.format(11, 20), "large", 10)]


def stream(bench: Bench, what: str, before: str, change: str, table: str, rows: int) -> Row:
    bench.source.fresh_database("bench")
    bench.source.psql(before, "bench")
    bench.fresh_target()
    penstock: Penstock = bench.new_penstock()
    penstock.configure([table], parallelism=4)
    penstock.start()
    penstock.ready()
    bench.source.psql("CHECKPOINT")
    used = penstock.cpu()
    bench.source.psql(change, "bench")
    began = time.monotonic()
    penstock.ready()
    seconds, cpu = time.monotonic() - began, penstock.cpu() - used
    bench.must_be_equal([table])
    penstock.stop()
    peak = penstock.peak_bytes
    return Row(what, f"in the target {seconds:.1f} s after its commit", "", None, "≤ 150 MB", peak <= MEMORY_LIMIT,
               micros(cpu / rows, "row"), peak)

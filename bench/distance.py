"""A target whose every COMMIT takes long, as a distributed one's does."""

import os
import statistics
import time

import workload
from measures import Bench, Row
from peers import micros

LANES = 16
LATENCIES = ("0ms", "50ms")


def far_target(bench: Bench) -> list[Row]:
    """Load and catch-up through the emulator with 16 workers and lanes, without and with 50 ms for each COMMIT."""
    rows = int(1_000_000 * bench.scale)
    loads: dict[str, list[float]] = {latency: [] for latency in LATENCIES}
    streams: dict[str, list[float]] = {latency: [] for latency in LATENCIES}
    used: dict[str, list[float]] = {latency: [] for latency in LATENCIES}
    peak = 0
    for _ in range(bench.runs):
        for latency in LATENCIES:
            bench.source.fresh_database("bench")
            bench.source.psql(workload.create("narrow") + workload.fill("narrow", 1, rows) + "VACUUM ANALYZE; CHECKPOINT;",
                              "bench")
            bench.fresh_target()
            penstock = bench.new_penstock()
            with bench.emulator_before("bench", "--commit-latency", latency) as emulator:
                penstock.configure(["narrow"], sink=emulator.sink, parallelism=LANES, environment=emulator.environment)
                loads[latency].append(timed(penstock.until_caught_up))
                bench.source.psql("UPDATE narrow SET balance = balance + 1", "bench")
                streams[latency].append(timed(penstock.until_caught_up))
            used[latency].append(penstock.running.cpu_seconds)
            bench.must_be_equal(["narrow"])
            peak = max(peak, penstock.peak_bytes)
    return [report(f"{what} of {rows:,} rows through dsql-emulator, {LANES} lanes, 50 ms for a COMMIT, beside 0 ms", times,
                   rows, statistics.median(used["50ms"]), peak)
            for what, times in (("load", loads), ("changes", streams))]


def timed(work) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def report(what: str, times: dict[str, list[float]], rows: int, cpu: float, peak: int) -> Row:
    near, far = (rows / statistics.median(times[latency]) for latency in LATENCIES)
    cores = os.cpu_count() or 1
    return Row(what, f"{far:,.0f} rows/s, {far / cores:,.0f} a core", f"{near:,.0f} rows/s", far / near, "≥ 0.85",
               far / near >= 0.85, micros(cpu / rows, "row"), peak)

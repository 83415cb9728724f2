"""What is measured. Each function runs its peers in turn, `runs` times, and returns rows of the report."""

import dataclasses
import pathlib
import statistics
import subprocess
import time
import typing

import workload
from clusters import Cluster
from emulator import Emulator
from peers import Native, Penstock

MEGABYTE = 1 << 20


@dataclasses.dataclass
class Row:
    """One line of the report. `ratio` is None where only memory is asked."""

    what: str
    penstock: str
    baseline: str
    ratio: float | None
    needed: str
    passed: bool
    cpu: str
    peak_bytes: int


@dataclasses.dataclass
class Bench:
    folder: pathlib.Path
    source: Cluster
    target: Cluster
    penstock: pathlib.Path
    # Starts dsql-emulator, with more options, before a database of the target, for as long as its context lasts.
    emulator_before: typing.Callable[..., typing.ContextManager[Emulator]]
    writer: pathlib.Path
    runs: int
    scale: float

    def new_penstock(self) -> Penstock:
        return Penstock(self.penstock, self.folder, self.source, self.target)

    def fresh_target(self, *tables: str) -> None:
        self.target.fresh_database("bench")
        if tables:
            self.target.psql("".join(workload.create(t) for t in tables), "bench")

    def must_be_equal(self, tables: list[str]) -> None:
        for table in tables:
            sql = workload.digest(table)
            mine, theirs = self.source.psql(sql, "bench"), self.target.psql(sql, "bench")
            if mine != theirs:
                raise SystemExit(f"bench: {table} differs: source {mine}, target {theirs}")


def higher_is_better(what: str, mine: float, base: float, least: float, cpu: str, peak: int) -> Row:
    ratio = mine / base
    return Row(what, f"{mine:,.0f} rows/s", f"{base:,.0f} rows/s", ratio, f"≥ {least}", ratio >= least, cpu, peak)


def load(bench: Bench) -> list[Row]:
    """Full load into PostgreSQL beside two `COPY TO | COPY FROM` pipes, each over half of the key range."""
    result = []
    for table, rows in (("narrow", int(5_000_000 * bench.scale)), ("wide", int(1_000_000 * bench.scale))):
        bench.source.fresh_database("bench")
        bench.source.psql(workload.create(table) + workload.fill(table, 1, rows) + "VACUUM ANALYZE; CHECKPOINT;", "bench")
        penstock = bench.new_penstock()
        penstock.configure([table], pipeline="  mode: full-load\n")
        copy = []
        for _ in range(bench.runs):
            bench.fresh_target(table)
            copy.append(copy_pipes(bench, table, rows))
            bench.must_be_equal([table])
            bench.fresh_target()
            penstock.load()
            bench.must_be_equal([table])
        result.append(higher_is_better(
            f"full load to PostgreSQL, {table} ({rows:,} rows), beside 2 COPY pipes", penstock.rate(rows),
            rows / statistics.median(copy), 0.9, penstock.cpu_per(rows), penstock.peak_bytes))
    return result


def copy_pipes(bench: Bench, table: str, rows: int) -> float:
    began = time.monotonic()
    pipes = []
    for low, high in ((1, rows // 2), (rows // 2 + 1, rows)):
        read = f"COPY (SELECT * FROM {table} WHERE id BETWEEN {low} AND {high}) TO STDOUT"
        reader = subprocess.Popen(bench.source.psql_command("bench", "-c", read), stdout=subprocess.PIPE)
        writer = subprocess.Popen(bench.target.psql_command("bench", "-c", f"COPY {table} FROM STDIN"),
                                  stdin=reader.stdout)
        reader.stdout.close()
        pipes += [reader, writer]
    if any(pipe.wait() for pipe in pipes):
        raise SystemExit("bench: a COPY pipe failed")
    return time.monotonic() - began


def catch_up(bench: Bench) -> list[Row]:
    """A backlog of mixed changes, from resuming until all of it is visible at the target."""
    changes = int(1_000_000 * bench.scale)
    tables = ["narrow", "wide", "marker"]
    times: dict[str, list[float]] = {"penstock": [], "native": []}
    peak, cpu = 0, []
    for _ in range(bench.runs):
        for peer in (Native(bench.source, bench.target), bench.new_penstock()):
            bench.source.fresh_database("bench")
            bench.source.psql(workload.change_tables(200_000), "bench")
            bench.fresh_target("narrow", "wide")
            if peer.name == "native":
                bench.target.psql("CREATE TABLE marker (id integer PRIMARY KEY)", "bench")
            else:
                bench.fresh_target()
            peer.configure(tables)
            peer.start()
            peer.ready()
            peer.pause()
            bench.source.psql(f"CALL make_changes(0, {changes // 10}); {workload.END_BACKLOG} CHECKPOINT;", "bench")
            began = time.monotonic()
            peer.resume()
            bench.target.psql(workload.AWAIT_MARKERS, "bench")
            times[peer.name].append(time.monotonic() - began)
            if isinstance(peer, Penstock):
                cpu.append(peer.cpu() / changes * 1e6)
            bench.must_be_equal(tables)
            peer.stop()
            if isinstance(peer, Penstock):
                peak = max(peak, peer.peak_bytes)
    median_cpu = statistics.median(cpu)
    rate = higher_is_better(
        f"catch-up of {changes:,} mixed changes, beside logical replication",
        changes / statistics.median(times["penstock"]), changes / statistics.median(times["native"]), 0.9,
        f"{median_cpu:.2f} µs/change", peak)
    own = Row("… its own processor time per change", f"{median_cpu:.2f} µs", "", None, "≤ 2 µs", median_cpu <= 2, "", 0)
    return [rate, own]


def latency(bench: Bench) -> list[Row]:
    """From the write's time to its being visible at the target, at 2,000 rows a second in transactions of 10."""
    seconds = max(10, int(30 * bench.scale))
    medians: dict[str, list[float]] = {"penstock": [], "native": []}
    detail: dict[str, str] = {}
    peak, cpu = 0, []
    script = bench.folder / "latency.sql"
    script.write_text(workload.LATENCY_TRANSACTION)
    for _ in range(bench.runs):
        for peer in (Native(bench.source, bench.target), bench.new_penstock()):
            bench.source.fresh_database("bench")
            bench.source.psql(workload.LATENCY_TABLES, "bench")
            bench.fresh_target()
            if peer.name == "native":
                bench.target.psql(workload.LATENCY_TABLES, "bench")
            peer.configure(["event", "probe"])
            peer.start()
            peer.ready()
            used = peer.cpu() if isinstance(peer, Penstock) else 0
            writer = subprocess.Popen(
                [str(bench.source.binaries / "pgbench"), "-n", "-f", str(script), "-R", "200", "-c", "2", "-T",
                 str(seconds + 3), "-h", str(bench.source.folder), "-U", "postgres", "bench"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            bench.target.psql(workload.LATENCY_WATCH.replace("SECONDS", str(seconds + 1)), "bench")
            writer.wait()
            count, values = bench.target.psql(workload.LATENCY_RESULT, "bench").split("|")
            p50, p90, p99 = map(float, values.split())
            medians[peer.name].append(p50)
            detail[peer.name] = f"p90 {p90:.1f}, p99 {p99:.1f}"
            if isinstance(peer, Penstock):
                cpu.append((peer.cpu() - used) / (2000 * (seconds + 3)) * 1e6)
            peer.stop()
            if isinstance(peer, Penstock):
                peak = max(peak, peer.peak_bytes)
    mine, base = statistics.median(medians["penstock"]), statistics.median(medians["native"])
    return [Row("latency at 2,000 rows/s, p50, beside logical replication", f"{mine:.1f} ms ({detail['penstock']})",
                f"{base:.1f} ms ({detail['native']})", mine / base, "≤ 2", mine / base <= 2,
                f"{statistics.median(cpu):.2f} µs/row", peak)]

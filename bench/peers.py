"""The two replicators that are compared: Penstock, and PostgreSQL's own logical replication."""

import pathlib
import statistics
import time

from clusters import Cluster
from processes import Measured


def micros(seconds: float, what: str) -> str:
    """Processor time for one row or change."""
    return f"{seconds * 1e6:,.2f} µs/{what}" if seconds < 1e-3 else f"{seconds * 1e3:,.0f} ms/{what}"


class Penstock:
    name = "penstock"

    def __init__(self, binary: pathlib.Path, folder: pathlib.Path, source: Cluster, target: Cluster):
        self.binary, self.folder = binary, folder
        self.source, self.target = source, target
        self.log = folder / "penstock.log"
        self.peak_bytes = 0
        self.plain_sink = f"type: postgres\n  host: {target.folder}\n  database: bench\n  username: postgres"
        self.load_seconds: list[float] = []
        self.cpu_seconds: list[float] = []
        self.running: Measured | None = None

    def configure(self, tables: list[str], sink: str | None = None, pipeline: str = "", parallelism: int = 2,
                  environment: dict[str, str] | None = None) -> None:
        """Writes the pipeline's file; the sink is the target cluster unless another is given."""
        self.environment = environment or {}
        self.file = self.folder / "bench.yaml"
        self.file.write_text(
            f"pipeline:\n  name: bench\n{pipeline}"
            f"source:\n  type: postgres\n  hostname: {self.source.folder}\n  database-name: bench\n"
            f"  username: postgres\n  tables: [{', '.join('public.' + t for t in tables)}]\n"
            f"sink:\n  {sink or self.plain_sink}\n  parallelism: {parallelism}\n")

    def configure_items(self, table: str, endpoint: str, environment: dict[str, str], sink: str | None = None) -> None:
        """Writes the file of a pipeline that loads a DynamoDB table."""
        self.environment = environment
        self.file = self.folder / "bench.yaml"
        self.file.write_text(
            "pipeline:\n  name: bench\n  mode: full-load\n"
            f"source:\n  type: dynamodb\n  region: us-east-1\n  endpoint: {endpoint}\n  tables: [{table}]\n"
            f"sink:\n  {sink or self.plain_sink}\n")

    def start(self, *options: str) -> None:
        self.running = Measured([str(self.binary), "run", str(self.file), *options], self.log, self.environment)

    def load(self, timeout: float = 1800) -> None:
        """Loads and ends."""
        self.start()
        self.running.wait(timeout)
        self._note()
        self.load_seconds.append(self.running.wall_seconds)

    def until_caught_up(self, timeout: float = 1800) -> None:
        """Loads what is not loaded, applies everything that is committed at the source now, and ends."""
        self.start("--exit-when-caught-up")
        self.running.wait(timeout)
        self._note()

    def rate(self, rows: int) -> float:
        """Rows a second, the median of the loads."""
        return rows / statistics.median(self.load_seconds)

    def cpu_per(self, rows: int) -> str:
        return micros(statistics.median(self.cpu_seconds) / rows, "row")

    def pause(self) -> None:
        self.running.drain()
        self._note()

    resume = start
    stop = pause

    def ready(self) -> None:
        """Waits until the initial load is over and the stream has caught up."""
        position = self.source.psql("SELECT pg_current_wal_insert_lsn()")
        deadline = time.monotonic() + 600
        while not (self._phase() == "streaming" and self._confirmed(position)):
            if time.monotonic() > deadline or self.running.process.poll() is not None:
                raise SystemExit(f"bench: penstock did not catch up; see {self.log}")
            time.sleep(0.1)

    def _phase(self) -> str:
        """Of the state that Penstock keeps in the target; empty until it is there."""
        if self.target.psql("SELECT to_regclass('penstock.pipeline') IS NULL", "bench") == "t":
            return ""
        return self.target.psql("SELECT phase FROM penstock.pipeline", "bench")

    def _confirmed(self, position: str) -> bool:
        return self.source.psql(f"SELECT coalesce(bool_and(confirmed_flush_lsn >= '{position}'), false)"
                                " FROM pg_replication_slots WHERE slot_name = 'penstock_bench'") == "t"

    def cpu(self) -> float:
        return self.running.cpu_now()

    def _note(self) -> None:
        self.peak_bytes = max(self.peak_bytes, self.running.peak_bytes)
        self.cpu_seconds.append(self.running.cpu_seconds)


class Native:
    """CREATE SUBSCRIPTION, applying as it does by default: one worker, asynchronous commits."""

    name = "native"

    def __init__(self, source: Cluster, target: Cluster):
        self.source, self.target = source, target

    def configure(self, tables: list[str]) -> None:
        self.tables = tables

    def start(self) -> None:
        self.source.psql(f"CREATE PUBLICATION bench FOR TABLE {', '.join(self.tables)}", "bench")
        self.target.psql(f"CREATE SUBSCRIPTION bench CONNECTION '{self.source.connection('bench')}'"
                         " PUBLICATION bench", "bench")

    def ready(self) -> None:
        while self.target.psql("SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'", "bench") != "0":
            time.sleep(0.1)

    def pause(self) -> None:
        self.target.psql("ALTER SUBSCRIPTION bench DISABLE", "bench")
        while self.source.psql("SELECT count(*) FROM pg_replication_slots WHERE active") != "0":
            time.sleep(0.05)

    def resume(self) -> None:
        self.target.psql("ALTER SUBSCRIPTION bench ENABLE", "bench")

    def stop(self) -> None:
        self.target.psql("DROP SUBSCRIPTION bench", "bench")

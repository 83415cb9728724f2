"""Measures with DynamoDB as the source: a server that gives recorded answers, since none at hand gives them fast enough."""

import pathlib
import subprocess
import sys

import recorded
from limits import MEMORY_LIMIT
from measures import Bench, Row

# What is asked of the whole way, from Scan to rows.
ITEMS_PER_SECOND = 100_000

ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "recorded"}


def scan(bench: Bench) -> list[Row]:
    """Full load of items of 300 bytes, into eight columns: to PostgreSQL, and through the emulator."""
    items = int(1_000_000 * bench.scale)
    server = subprocess.Popen([sys.executable, str(pathlib.Path(recorded.__file__)), str(items)],
                              stdout=subprocess.PIPE, text=True)
    try:
        endpoint = f"http://127.0.0.1:{int(server.stdout.readline())}"
        result = []
        direct, emulated = bench.new_penstock(), bench.new_penstock()
        for _ in range(bench.runs):
            bench.fresh_target()
            direct.configure_items(recorded.TABLE, endpoint, environment=ENVIRONMENT)
            direct.load()
            must_hold(bench, items)
            bench.fresh_target()
            with bench.emulator_before("bench") as emulator:
                emulated.configure_items(recorded.TABLE, endpoint, sink=emulator.sink,
                                         environment={**ENVIRONMENT, **emulator.environment})
                emulated.load()
            must_hold(bench, items)
        for what, penstock in (("to PostgreSQL", direct), ("through dsql-emulator", emulated)):
            rate = penstock.rate(items)
            is_asked = penstock is direct
            result.append(Row(f"full load of {items:,} recorded items of 300 bytes, {what}", f"{rate:,.0f} items/s", "",
                              None, f"≥ {ITEMS_PER_SECOND:,} items/s" if is_asked else "",
                              rate >= ITEMS_PER_SECOND or not is_asked, penstock.cpu_per(items),
                              penstock.peak_bytes))
        return result
    finally:
        server.kill()
        server.wait()


def must_hold(bench: Bench, items: int) -> None:
    """The target has every item once, with what it holds."""
    found = bench.target.psql(f'SELECT count(*), count(DISTINCT id), sum(visits), min(tags::text) FROM public."{recorded.TABLE}"',
                              "bench")
    wanted = f'{items}|{items}|{items * (items - 1) // 2}|["a", "b"]'
    if found != wanted:
        raise SystemExit(f"bench: the target holds {found}, and not {wanted}")

"""dsql-emulator before the target cluster."""

import contextlib
import os
import pathlib
import re
import subprocess
import time

from clusters import Cluster
from processes import Measured


class Emulator:
    """A running emulator and what Penstock needs to know of it."""

    def __init__(self, binary: pathlib.Path, folder: pathlib.Path, target: Cluster, database: str,
                 options: tuple[str, ...] = ()):
        certificates = folder / "certificates"
        log = folder / f"emulator-{time.monotonic_ns()}.log"
        self.process = Measured(
            [str(binary), "--backend", target.connection(database), "--make-certificate", str(certificates),
             *options], log)
        deadline = time.monotonic() + 10
        while not (found := re.search(r"listening on \S+:(\d+)", log.read_text())):
            if time.monotonic() > deadline or self.process.process.poll() is not None:
                raise SystemExit(f"bench: dsql-emulator does not listen; see {log}")
            time.sleep(0.02)
        self.sink = (f"type: dsql\n  host: localhost\n  port: {found.group(1)}\n  region: us-east-1\n"
                     f"  admin-user: true\n  ssl-root-cert: {certificates}/ca.crt")
        self.environment = {"AWS_ACCESS_KEY_ID": "AKIDBENCH", "AWS_SECRET_ACCESS_KEY": "bench"}
        self.words = (f"host=localhost port={found.group(1)} user=admin dbname=postgres sslmode=verify-full"
                      f" sslrootcert={certificates}/ca.crt")

    def connection(self, penstock: pathlib.Path) -> str:
        """The words libpq takes, with a token that Penstock signs."""
        token = subprocess.run([str(penstock), "token", "--host", "localhost", "--region", "us-east-1", "--admin"],
                               env={**os.environ, **self.environment}, check=True, capture_output=True, text=True)
        return f"{self.words} password='{token.stdout.strip()}'"


@contextlib.contextmanager
def emulator_before(binary: pathlib.Path, folder: pathlib.Path, target: Cluster, database: str, *options: str):
    emulator = Emulator(binary, folder, target, database, options)
    try:
        yield emulator
    finally:
        emulator.process.drain()

"""Two throw-away PostgreSQL servers on Unix sockets, with durable commits as a real target has."""

import os
import pathlib
import shutil
import subprocess

SETTINGS = {
    "listen_addresses": "",
    "wal_level": "logical",
    "max_replication_slots": "10",
    "max_wal_senders": "10",
    "max_connections": "100",
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "log_checkpoints": "off",
    # Else a re-enabled subscription may idle for 5 s before it starts.
    "wal_retrieve_retry_interval": "100ms",
}


def newest_binaries() -> pathlib.Path:
    """The folder of the newest server's programs."""
    folders = [p for p in pathlib.Path("/usr/lib/postgresql").glob("*/bin") if (p / "initdb").exists()]
    if not folders:
        raise SystemExit("bench: no PostgreSQL server; run scripts/install-dependencies")
    return max(folders, key=lambda p: int(p.parent.name))


class Cluster:
    """One server; its socket lies in its own folder."""

    def __init__(self, parent: pathlib.Path, name: str):
        self.binaries = newest_binaries()
        self.folder = parent / name
        self.data = self.folder / "data"
        self.folder.mkdir()
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        self._own("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale", "C.UTF-8",
                  "--no-sync", "--no-instructions")
        settings = {**SETTINGS, "unix_socket_directories": str(self.folder)}
        text = "".join(f"{key} = '{value}'\n" for key, value in settings.items())
        with open(self.data / "postgresql.auto.conf", "a") as file:
            file.write(text)
        self._own("pg_ctl", "-D", self.data, "-l", self.folder / "log", "-w", "-s", "start")

    def _own(self, program: str, *arguments) -> None:
        command = [str(self.binaries / program), *map(str, arguments)]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(command, check=True, cwd=self.folder, stdout=subprocess.DEVNULL)

    def stop(self) -> None:
        self._own("pg_ctl", "-D", self.data, "-m", "immediate", "-w", "-s", "stop")

    def psql_command(self, database: str, *more: str) -> list[str]:
        return [str(self.binaries / "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder),
                "-U", "postgres", "-d", database, *more]

    def psql(self, sql: str, database: str = "postgres") -> str:
        """Runs SQL, statement by statement, and returns what it prints."""
        done = subprocess.run(self.psql_command(database, "-f", "-"), input=sql, text=True, capture_output=True)
        if done.returncode:
            raise SystemExit(f"bench: SQL failed in {self.folder.name}/{database}: {done.stderr}\n{sql[:500]}")
        return done.stdout.strip()

    def fresh_database(self, name: str) -> None:
        """An empty database, dropping what had the name, with its slots."""
        self.psql(f"SELECT pg_terminate_backend(active_pid, 10000) FROM pg_replication_slots"
                  f" WHERE database = '{name}' AND active_pid IS NOT NULL;"
                  f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '{name}';"
                  f"DROP DATABASE IF EXISTS {name} WITH (FORCE); CREATE DATABASE {name}; CHECKPOINT;")

    def connection(self, database: str) -> str:
        """The words libpq takes."""
        return f"host={self.folder} user=postgres dbname={database}"

"""Programs that are measured: wall time, processor time, peak memory."""

import os
import pathlib
import signal
import subprocess
import threading
import time

TICK = os.sysconf("SC_CLK_TCK")
_started: list["Measured"] = []


class Measured:
    """A running program whose processor time and peak resident memory are sampled every 10 ms."""

    def __init__(self, command: list[str], log: pathlib.Path, environment: dict[str, str] | None = None):
        self.command, self.log = command, log
        self.peak_bytes = 0
        self.cpu_seconds = 0.0
        self.began = time.monotonic()
        self.wall_seconds = 0.0
        with open(log, "ab") as file:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                            env={**os.environ, **(environment or {})})
        _started.append(self)
        self._watch = threading.Thread(target=self._sample, daemon=True)
        self._watch.start()

    def _sample(self) -> None:
        while self.process.poll() is None:
            self._look()
            time.sleep(0.01)
        self.wall_seconds = time.monotonic() - self.began

    def _look(self) -> None:
        try:
            fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
            status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        except (OSError, IndexError):
            return
        if fields[0] in "ZX":
            return
        self.cpu_seconds = (int(fields[11]) + int(fields[12])) / TICK
        for line in status.splitlines():
            if line.startswith("VmHWM:"):
                self.peak_bytes = max(self.peak_bytes, int(line.split()[1]) * 1024)

    def cpu_now(self) -> float:
        self._look()
        return self.cpu_seconds

    def wait(self, timeout: float) -> None:
        """Waits for its end, which must be success."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise SystemExit(f"bench: {self.command[0]} still runs after {timeout:.0f} s; see {self.log}")
        self._watch.join()
        if status:
            tail = self.log.read_text(errors="replace")[-2000:]
            raise SystemExit(f"bench: {' '.join(self.command)} ended with {status}; {self.log}:\n{tail}")

    def drain(self) -> None:
        """Ends it as an operator would."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.wait(60)


def kill_all() -> None:
    for measured in _started:
        if measured.process.poll() is None:
            measured.process.kill()
            measured.process.wait()

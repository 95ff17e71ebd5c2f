"""A service under attack: what is asked of it, and what that costs it."""

import contextlib
import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.service import descendants

OTHER_CALLER = "127.0.0.2"
PROBE_INTERVAL = 0.05
PATIENCE = 120.0
MB = 1024 * 1024
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Site:
    """A running service. receiver: the port at which its webhooks may arrive."""

    host: str
    port: int
    launcher: int
    data: Path
    receiver: int

    def send(
        self, method: str, path: str, body: bytes | None = None, *, timeout: float = PATIENCE, **headers: str
    ) -> tuple[int, bytes]:
        """Status and body of the answer to one request; 0 where there was none."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): text for name, text in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        """A connection of the attacker."""
        return socket.create_connection((self.host, self.port), timeout=PATIENCE)

    def done(self, data: bytes) -> str:
        """The id of a finished run of a photo."""
        status, answer = self.send("POST", "/api/v1/runs?wait=60", data, Content_Type="image/jpeg")
        assert status == 200, (status, answer[:300])
        return str(json.loads(answer)["id"])


@dataclass
class Watch:
    """Samples a service while it is attacked."""

    site: Site
    longest: dict[str, float] = field(default_factory=lambda: {"/healthz": 0.0, "/": 0.0})
    temporary: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def watching(self) -> Iterator[dict[str, float]]:
        """Measure while the block runs; the numbers are in the mapping after it."""
        before = self._memory(reset=True)
        cpu = self._cpu()
        threads = [threading.Thread(target=self._probe, args=(path,)) for path in self.longest]
        threads.append(threading.Thread(target=self._sample))
        for thread in threads:
            thread.start()
        numbers: dict[str, float] = {}
        began = time.monotonic()
        try:
            yield numbers
        finally:
            numbers["seconds"] = time.monotonic() - began
            self._over.set()
            for thread in threads:
                thread.join()
            peaks = self._memory()
            numbers |= {f"{name} MB": peaks[name] - before[name] for name in peaks}
            numbers |= {"CPU s": self._cpu() - cpu, "temporary MB": self.temporary / MB}
            numbers |= {"healthz s": self.longest["/healthz"], "page s": self.longest["/"]}

    def _probe(self, path: str) -> None:
        while not self._over.wait(PROBE_INTERVAL):
            began = time.monotonic()
            connection = http.client.HTTPConnection(
                self.site.host, self.site.port, timeout=PATIENCE, source_address=(OTHER_CALLER, 0)
            )
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection.request("GET", path)
                connection.getresponse().read()
            connection.close()
            self.longest[path] = max(self.longest[path], time.monotonic() - began)

    def _sample(self) -> None:
        while not self._over.wait(0.02):
            self.temporary = max(self.temporary, self._spooled())

    def _spooled(self) -> int:
        """Bytes of the web process's open temporary files, which have no name."""
        size = 0
        for pid in self.of("web"):
            for link in Path(f"/proc/{pid}/fd").glob("*"):
                with contextlib.suppress(OSError):
                    target = str(link.readlink())
                    if target.endswith("(deleted)") and "/dev/shm" not in target:
                        size += link.stat().st_size
        return size

    def of(self, part: str) -> list[int]:
        """The processes of the web part or of the worker."""
        found = []
        for pid in descendants(self.site.launcher):
            with contextlib.suppress(OSError):
                command = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
                name = "web" if "gunicorn" in command else "worker" if "--status-fd" in command else ""
                if name == part:
                    found.append(pid)
        return found

    def _memory(self, *, reset: bool = False) -> dict[str, float]:
        """Peak resident megabytes of the largest process of each part; with reset, the peak is what is held now."""
        peaks = {"web": 0.0, "worker": 0.0}
        for part in peaks:
            for pid in self.of(part):
                with contextlib.suppress(OSError):
                    if reset:
                        Path(f"/proc/{pid}/clear_refs").write_text("5")
                    status = Path(f"/proc/{pid}/status").read_text()
                    peak = next(int(line.split()[1]) / 1024 for line in status.splitlines() if "VmHWM" in line)
                    peaks[part] = max(peaks[part], peak)
        return peaks

    def _cpu(self) -> float:
        seconds = 0.0
        for pid in self.of("web"):
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                seconds += sum(map(int, fields[11:15])) / TICKS  # Its own, and that of processes it started.
        return seconds

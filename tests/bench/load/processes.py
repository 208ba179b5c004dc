"""Processes of a measurement: started on one core, measured through /proc, ended by their own id."""

import os
import re
import resource
import signal
import socket
import subprocess
import time

PROXY_CORE = "0"
LOAD_CORE = "1"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A program and its children; `with` ends them."""

    def __init__(self, name, core, command, log):
        self.name = name
        self._log = open(log, "ab")
        self._process = subprocess.Popen(
            ["taskset", "-c", core, *command], stdin=subprocess.DEVNULL, stdout=self._log,
            stderr=self._log, start_new_session=True)
        self._log_path = log

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        self._log.close()

    def wait_for_port(self, port, seconds=10):
        deadline = time.monotonic() + seconds
        while True:
            if self._process.poll() is not None:
                with open(self._log_path, encoding="utf-8", errors="replace") as log:
                    raise SystemExit(f"{self.name} ended at once:\n{log.read()[-2000:]}")
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise SystemExit(f"{self.name} does not listen on port {port}") from None
                time.sleep(0.02)

    def pids(self):
        """The process and its children (nginx has a worker below its master)."""
        pids, queue = [], [self._process.pid]
        while queue:
            pid = queue.pop()
            pids.append(pid)
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                    queue += [int(child) for child in file.read().split()]
        return pids

    def cpu_us(self):
        """CPU time, user and system, of all threads. The scheduler's own count, in nanoseconds; where the kernel
        keeps none, utime + stime in ticks of 10 ms."""
        total = 0.0
        for pid in self.pids():
            for task in os.listdir(f"/proc/{pid}/task"):
                try:
                    with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                        total += int(file.read().split()[0]) / 1000
                except FileNotFoundError:
                    with open(f"/proc/{pid}/task/{task}/stat", encoding="ascii") as file:
                        fields = file.read().rsplit(")", 1)[1].split()
                    total += (int(fields[11]) + int(fields[12])) * 1e6 / os.sysconf("SC_CLK_TCK")
        return total

    def anonymous_bytes(self):
        """Private anonymous memory: what the program itself allocated and touched."""
        total = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                total += int(re.search(r"^Anonymous:\s+(\d+) kB", file.read(), re.M)[1]) * 1024
        return total


def raise_file_limit():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

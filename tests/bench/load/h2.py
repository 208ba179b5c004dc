"""HTTP/2 to an HTTP/1 upstream: sluice and nghttpx side by side, CPU per request and memory of an idle connection.

h2.py [--rounds N] [--requests N] [--bin DIR]. One worker each on core 0, h2load and the backend on core 1; 16
connections of 16 streams. Needs the release build, h2load and nghttpx (nghttp2-client, nghttp2-proxy) and nginx.
"""

import argparse
import contextlib
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile

import compare
import site_configs as site
from processes import LOAD_CORE, PROXY_CORE, Process, free_port, raise_file_limit

CONNECTIONS = 16
STREAMS = 16
IDLE_CONNECTIONS = 1000
GOAL_RATIO = 1.1
GOAL_IDLE_BYTES = 12_000


def start(stack, name, directory, binary, upstream):
    port = free_port()
    if name == "nghttpx":
        command = [shutil.which("nghttpx"), "--workers=1", "--single-thread", f"--frontend=127.0.0.1,{port};no-tls",
                   f"--backend=127.0.0.1,{upstream}", "--accesslog-file=/dev/null", "--errorlog-file=/dev/null",
                   "--conf=/dev/null", "--backend-connections-per-host=64"]
    else:
        config = compare.write(directory, "sluice.yaml", site.sluice(port, free_port(), upstream))
        command = [binary, "-c", config, "--concurrency", "1", "--log-level", "warning"]
    process = stack.enter_context(Process(name, PROXY_CORE, command, f"{directory}/{name}.log"))
    process.wait_for_port(port)
    return compare.Candidate(name, process, port)


def load(candidate, requests):
    output = subprocess.run(
        ["taskset", "-c", LOAD_CORE, "h2load", f"-n{requests}", f"-c{CONNECTIONS}", f"-m{STREAMS}", "-t1",
         f"http://127.0.0.1:{candidate.port}{site.PATH}"],
        capture_output=True, text=True, timeout=300, check=True).stdout
    good = re.search(r"status codes: (\d+) 2xx", output)
    if not good or int(good[1]) != requests:
        raise SystemExit(f"{candidate.name} answered wrongly:\n{output}")
    return float(re.search(r"([\d.]+) req/s", output)[1])


PREFACE = (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
           # GET / with :authority a, all from the static table but one literal.
           + b"\0\0\x06\1\5\0\0\0\1" + b"\x82\x86\x84\x41\x01a")


def ask_once(connection):
    """A request on stream 1, read to its end."""
    connection.sendall(PREFACE)
    data = b""
    while True:
        while len(data) >= 9 and len(data) >= 9 + int.from_bytes(data[:3], "big"):
            size, kind, flags = int.from_bytes(data[:3], "big"), data[3], data[4]
            data = data[9 + size:]
            if kind in (0, 1) and flags & 1:
                return
        piece = connection.recv(65536)
        if not piece:
            raise SystemExit("the connection was closed")
        data += piece


def measure_idle(candidate):
    with contextlib.ExitStack() as stack:
        def connect():
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", candidate.port), 5))
            ask_once(connection)
        for _ in range(20):
            connect()
        before = compare.settled_bytes(candidate.process)
        for _ in range(IDLE_CONNECTIONS):
            connect()
        candidate.idle_bytes = (compare.settled_bytes(candidate.process) - before) / IDLE_CONNECTIONS


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=60_000, help="per round and proxy")
    parser.add_argument("--bin", default="build/release/bin")
    arguments = parser.parse_args()
    for program in ("h2load", "nghttpx"):
        if not shutil.which(program):
            raise SystemExit(f"{program} is not installed")
    if not os.access(f"{arguments.bin}/sluice", os.X_OK):
        raise SystemExit(f"{arguments.bin}/sluice is not there: make build")
    raise_file_limit()
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="sluice-bench-"))
        os.chmod(directory, 0o755)
        upstream = compare.start_backend(stack, directory)
        candidates = [start(stack, name, directory, f"{arguments.bin}/sluice", upstream)
                      for name in ("sluice", "nghttpx")]
        for candidate in candidates:
            load(candidate, 5_000)
        for number in range(arguments.rounds):
            for candidate in candidates:
                before = candidate.process.cpu_us()
                candidate.rate.append(load(candidate, arguments.requests))
                candidate.cpu_us.append((candidate.process.cpu_us() - before) / arguments.requests)
            line = "  ".join(f"{c.name} {c.cpu_us[-1]:.2f}" for c in candidates)
            print(f"round {number + 1}/{arguments.rounds}, us per request: {line}", flush=True)
        for candidate in candidates:
            measure_idle(candidate)
    ours, theirs = (statistics.median(c.cpu_us) for c in candidates)
    for c in candidates:
        print(f"{c.name:10} {statistics.median(c.cpu_us):8.2f} us/request  {statistics.median(c.rate):9.0f} requests/s"
              f"  idle {c.idle_bytes:.0f} bytes")
    met = ours / theirs <= GOAL_RATIO
    print(f"CPU per request against nghttpx {ours / theirs:.2f} x (at most {GOAL_RATIO}) {'met' if met else 'MISSED'}")
    idle = candidates[0].idle_bytes
    print(f"idle HTTP/2 connection {idle:.0f} bytes (at most {GOAL_IDLE_BYTES}) "
          f"{'met' if idle <= GOAL_IDLE_BYTES else 'MISSED'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

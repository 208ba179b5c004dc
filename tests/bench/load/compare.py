"""sluice, nginx and HAProxy side by side: one worker each on core 0, load and backend on core 1.

Rounds are interleaved (A B C A B C ...), so that whatever else the machine does hits all of them; the figure is the
median over the rounds. CPU time is the proxy's own, so a slow load generator changes no figure but requests/s.
"""

import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import push
import site_configs as site
from processes import LOAD_CORE, PROXY_CORE, Process, free_port, raise_file_limit

CONNECTIONS = 32
IDLE_CONNECTIONS = 2000
BASELINE = "nginx"


class Candidate:
    def __init__(self, name, process, port):
        self.name, self.process, self.port = name, process, port
        self.cpu_us, self.rate, self.idle_bytes = [], [], None


def start_backend(stack, directory):
    port = free_port()
    config = write(directory, "backend.conf", site.backend(port, directory))
    backend = stack.enter_context(Process("the backend", LOAD_CORE, nginx_command(config, directory),
                                          f"{directory}/backend.log"))
    backend.wait_for_port(port)
    return port


def nginx_command(config, directory):
    # -e: or it opens its compiled-in log first, which needs root.
    return [shutil.which("nginx", path=SBIN), "-p", directory, "-e", f"{directory}/nginx.early", "-c", config]


SBIN = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def start(stack, name, directory, binary, upstream):
    port = free_port()
    if name.startswith("nginx"):
        text = site.nginx(port, upstream, directory, same_headers=name != "nginx")
        command = nginx_command(write(directory, f"{name}.conf".replace(" ", "_"), text), directory)
    elif name == "haproxy":
        text = site.haproxy(port, upstream, directory)
        # -db: in the foreground, one process.
        command = [shutil.which("haproxy", path=SBIN), "-db", "-f", write(directory, "haproxy.cfg", text)]
    else:
        log = f"{directory}/access.log" if "log" in name else ""
        text = site.sluice(port, free_port(), upstream, log)
        config = write(directory, f"{name}.yaml".replace(" ", "_"), text)
        command = [binary, "-c", config, "--concurrency", "1", "--log-level", "warning"]
    log = f"{directory}/{name}.log".replace(" ", "_")
    process = stack.enter_context(Process(name, PROXY_CORE, command, log))
    process.wait_for_port(port)
    return Candidate(name, process, port)


def write(directory, name, text):
    path = f"{directory}/{name}"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def load(candidate, seconds):
    """One run of wrk; requests answered. Any other answer than 200, and any socket error, ends the comparison."""
    url = f"http://127.0.0.1:{candidate.port}{site.PATH}"
    output = subprocess.run(
        ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", url],
        capture_output=True, text=True, timeout=seconds + 30, check=True).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        raise SystemExit(f"{candidate.name} answered wrongly:\n{output}")
    return int(re.search(r"(\d+) requests in", output)[1]), float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1])


def check_answer(candidate):
    with socket.create_connection(("127.0.0.1", candidate.port), 5) as connection:
        answer = ask(connection)
    if not answer.startswith(b"HTTP/1.1 200") or not answer.endswith(site.BODY.encode()):
        raise SystemExit(f"{candidate.name} answers {answer[:300]!r}")


def ask(connection):
    connection.sendall(f"GET {site.PATH} HTTP/1.1\r\nHost: site.example\r\n\r\n".encode())
    answer = b""
    while not answer.endswith(site.BODY.encode()):
        piece = connection.recv(4096)
        if not piece:
            break
        answer += piece
    return answer


def measure_cpu(candidates, rounds, seconds):
    for candidate in candidates:
        check_answer(candidate)
        load(candidate, 1)  # Pools filled, memory touched.
    for number in range(rounds):
        for candidate in candidates:
            before = candidate.process.cpu_us()
            requests, rate = load(candidate, seconds)
            candidate.cpu_us.append((candidate.process.cpu_us() - before) / requests)
            candidate.rate.append(rate)
        line = "  ".join(f"{c.name} {c.cpu_us[-1]:.2f}" for c in candidates)
        print(f"round {number + 1}/{rounds}, us per request: {line}", flush=True)


def measure_idle(candidate):
    """Bytes per connection that asked once and then says nothing."""
    with contextlib.ExitStack() as stack:
        def connect():
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", candidate.port), 5))
            ask(connection)
            return connection
        for _ in range(10):
            connect()
        before = settled_bytes(candidate.process)
        for _ in range(IDLE_CONNECTIONS):
            connect()
        candidate.idle_bytes = (settled_bytes(candidate.process) - before) / IDLE_CONNECTIONS


def settled_bytes(process):
    """Once two looks in a row agree."""
    last = -1
    for _ in range(50):
        now = process.anonymous_bytes()
        if now == last:
            break
        last = now
        time.sleep(0.1)
    return last


def lookup_ratio(directory):
    """Last against first of 10,000 routes in one host, from the micro-benchmark; None without it."""
    program = f"{directory}/bench_route"
    if not os.access(program, os.X_OK):
        return None
    output = subprocess.run(
        ["taskset", "-c", PROXY_CORE, program, "--benchmark_filter=FindAmong.*routes:10000", "--benchmark_format=json",
         "--benchmark_repetitions=5", "--benchmark_report_aggregates_only=true", "--benchmark_min_time=0.05"],
        capture_output=True, text=True, timeout=120, check=True).stdout
    return {row["run_name"]: row["cpu_time"] for row in json.loads(output)["benchmarks"]
            if row["aggregate_name"] == "median"}


def report(candidates, arguments, directory):
    base = statistics.median(next(c for c in candidates if c.name == BASELINE).cpu_us)
    print(f"\n{'':24}{'CPU us/request':>15}{'min..max':>16}{'x nginx':>9}{'requests/s':>12}{'idle bytes':>12}")
    rows = {}
    for c in candidates:
        cpu = statistics.median(c.cpu_us)
        rows[c.name] = {"cpu_us": cpu, "ratio": cpu / base, "rate": statistics.median(c.rate),
                        "idle_bytes": c.idle_bytes}
        spread = f"{min(c.cpu_us):.2f}..{max(c.cpu_us):.2f}"
        idle = "-" if c.idle_bytes is None else f"{c.idle_bytes:.0f}"
        print(f"{c.name:24}{cpu:15.2f}{spread:>16}{cpu / base:9.2f}{rows[c.name]['rate']:12.0f}{idle:>12}")
    goals = [
        ("CPU per request against nginx", rows["sluice"]["ratio"], 1.10, "x"),
        ("access log, per request", rows["sluice, access log"]["cpu_us"] - rows["sluice"]["cpu_us"], 1.0, "us"),
        ("idle keep-alive connection", rows["sluice"]["idle_bytes"], 3000, "bytes"),
    ]
    times = lookup_ratio(arguments.bin)
    if times:
        for kind in sorted({name.split("/routes:")[0] for name in times}):
            goals.append((f"last of 10,000 routes against first ({kind.split('/')[-1]})",
                          times[f"{kind}/routes:10000/which:1"] / times[f"{kind}/routes:10000/which:0"], 1.3, "x"))
    rows["push"] = push.measure(arguments.bin, directory)
    if rows["push"]:
        goals.append(("10,000 routes pushed, first answer by a new one", rows["push"]["all_ms"], 50, "ms"))
        goals.append(("one of 10,000 routes changed, first answer by it", rows["push"]["one_ms"], 50, "ms"))
    if rows["push"]:
        print(f"\nfrom sending the change to the first answer, with all of the control plane's work: "
              f"10,000 routes {rows['push']['all_request_ms']:.0f} ms, one of them {rows['push']['one_request_ms']:.1f} ms")
    print("\ngoal")
    for name, value, goal, unit in goals:
        print(f"  {name:52} {value:9.2f} {unit:5} (at most {goal:g}) {'met' if value <= goal else 'MISSED'}")
    rows["goals"] = {name: {"value": value, "goal": goal, "unit": unit} for name, value, goal, unit in goals}
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=2, help="of load per round and proxy")
    parser.add_argument("--bin", default="build/release/bin")
    parser.add_argument("--json", help="also write the figures here")
    arguments = parser.parse_args()
    if not os.access(f"{arguments.bin}/sluice", os.X_OK):
        raise SystemExit(f"{arguments.bin}/sluice is not there: make build")
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("needs two cores: one for the proxy, one for load and backend")
    # SIGTERM unwinds like Ctrl-C, so that whatever was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    raise_file_limit()
    print(f"{platform.system()} {platform.release()}, {os.cpu_count()} cores, load 1 min {os.getloadavg()[0]:.1f}; "
          f"{CONNECTIONS} keep-alive connections, {site.ROUTES} routes, {len(site.BODY)}-byte answers")
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="sluice-bench-"))
        os.chmod(directory, 0o755)  # nginx's worker is another user when started by root.
        upstream = start_backend(stack, directory)
        names = ["sluice", "sluice, access log", "nginx", "nginx, same headers", "haproxy"]
        candidates = [start(stack, name, directory, f"{arguments.bin}/sluice", upstream) for name in names]
        measure_cpu(candidates, arguments.rounds, arguments.seconds)
        for candidate in candidates:
            if "," not in candidate.name:
                measure_idle(candidate)
        rows = report(candidates, arguments, directory)
    if arguments.json:
        write(os.path.dirname(arguments.json) or ".", os.path.basename(arguments.json), json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()

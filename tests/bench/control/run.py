#!/usr/bin/python3
"""sluice-control with a thousand simulated proxies, each on a connection of its own: run.py BIN [PROXIES [ROUTES]]

Prints how long one changed route takes to reach all, from the moment the API was asked; memory per idle proxy; CPU seconds.
"""

import http.client
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "interop"))
import peers  # noqa: E402

BIN = pathlib.Path(sys.argv[1])
PROXIES = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
ROUTES = int(sys.argv[3]) if len(sys.argv) > 3 else 200
APPS = 50
CHANGES = 11
REACH_ALL_MS, IDLE_KB = 250, 100


def site(step):
    def route(number):
        return {"id": f"r{number}", "path": f"/page{number}", "app": f"app{number % APPS}"}
    routes = [route(number) for number in range(ROUTES)]
    routes.append(changed(step))
    return {"listeners": {"web": {"address": "127.0.0.1", "port": 8000}},
            "apps": {f"app{i}": {"url": f"http://127.0.0.1:{9000 + i}"} for i in range(APPS)},
            "hosts": {"*": {"routes": routes}}}


def changed(step):
    return {"id": "last", "path": "/last", "respond": {"status": 200, "body": f"step {step}"}}


def of_process(pid):
    """(resident kB, CPU seconds)."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    rss = int(status.split("VmRSS:")[1].split()[0])
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return rss, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    peers.BIN = BIN
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        with peers.Control(directory, site(0)) as control:
            pid = control.process.pid
            alone, _ = of_process(pid)
            simulate = subprocess.Popen([BIN / "simulate", f"127.0.0.1:{control.xds}", str(PROXIES), "web"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            try:
                if simulate.stdout.readline().strip() != "ready":
                    raise SystemExit("the simulated proxies do not get ready")
                time.sleep(2)
                idle, cpu_before = of_process(pid)
                api = http.client.HTTPConnection("127.0.0.1", control.api, timeout=60)
                times = []
                for step in range(1, CHANGES + 1):
                    simulate.stdin.write("go\n")
                    simulate.stdin.flush()
                    started = time.time()
                    api.request("PUT", "/v1/hosts/*/routes/last", json.dumps(changed(step)),
                                {"content-type": "application/json"})
                    api.getresponse().read()
                    times.append(int(simulate.stdout.readline()) / 1000 - started * 1000)
                    time.sleep(0.3)
                _, cpu_after = of_process(pid)
            finally:
                simulate.kill()
                simulate.wait()
    per_proxy = (idle - alone) / PROXIES
    print(f"control plane, {PROXIES} proxies, {ROUTES} routes, {APPS} apps: one changed route reaches all in "
          f"{statistics.median(times):.0f} ms (median of {CHANGES}, worst {max(times):.0f}; goal {REACH_ALL_MS}); "
          f"{per_proxy:.1f} kB per idle proxy (goal {IDLE_KB}); {(cpu_after - cpu_before) / CHANGES:.3f} CPU s per change")


if __name__ == "__main__":
    main()

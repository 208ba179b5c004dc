#!/usr/bin/env python3
"""How long a proxy needs to be in step again after its control plane was away: outage.py [--bin DIR] [--down SECONDS]

Starts sluice-control and sluice, serves requests all the time, kills the control plane for 3 minutes, starts it again
with another answer, and prints the seconds until that answer is served. Fails above 2 s (decisions 11), or when one
request fails.
"""
import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

RESYNC_S_MAX = 2.0
BOOTSTRAP = """
node: {{ id: outage, cluster: bench }}
admin: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: 0 }} }} }}
dynamic_resources:
  ads_config: {{ api_type: {api}, transport_api_version: V3, grpc_services: [ {{ envoy_grpc: {{ cluster_name: xds }} }} ] }}
  lds_config: {{ ads: {{}}, resource_api_version: V3 }}
  cds_config: {{ ads: {{}}, resource_api_version: V3 }}
static_resources:
  clusters:
  - name: xds
    type: STATIC
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {{ http2_protocol_options: {{}} }}
    load_assignment:
      cluster_name: xds
      endpoints: [ {{ lb_endpoints: [ {{ endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {xds} }} }} }} }} ] }} ]
"""
APPS = """
listeners: {{ web: {{ address: 127.0.0.1, port: {web} }} }}
hosts: {{ "*": {{ routes: [ {{ path: /, respond: {{ status: 200, body: "{body}" }} }} ] }} }}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as reply:
        return reply.read().decode()


def wait_for(port, body, patience):
    start = time.monotonic()
    while time.monotonic() - start < patience:
        try:
            if get(port) == body:
                return time.monotonic() - start
        except OSError:
            pass
        time.sleep(0.01)
    sys.exit(f"'{body}' is not served within {patience} s")


def run(options, api):
    xds, web = free_port(), free_port()
    with tempfile.TemporaryDirectory() as work:
        def path(name, text=None):
            name = os.path.join(work, name)
            if text is not None:
                with open(name, "w", encoding="utf-8") as file:
                    file.write(text)
            return name

        def control(body):
            process = subprocess.Popen(
                [os.path.join(options.bin, "sluice-control"), "--config",
                 path("apps.yaml", APPS.format(web=web, body=body)), "--xds", f"127.0.0.1:{xds}", "--api",
                 f"127.0.0.1:{free_port()}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while True:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", xds)) == 0:
                        return process
                time.sleep(0.005)

        server = control("before")
        proxy = subprocess.Popen([os.path.join(options.bin, "sluice"), "-c",
                                  path("bootstrap.yaml", BOOTSTRAP.format(api=api, xds=xds))],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for(web, "before", 20)
            failures, stop = [], threading.Event()

            def load():
                while not stop.is_set():
                    try:
                        if not re.fullmatch("before|after", get(web)):
                            failures.append("another body")
                    except OSError as error:
                        failures.append(str(error))
                    time.sleep(0.01)

            thread = threading.Thread(target=load)
            thread.start()
            server.kill()
            server.wait()
            time.sleep(options.down)
            server = control("after")
            took = wait_for(web, "after", 60)
            stop.set()
            thread.join()
            print(f"{api}: in step {took:.2f} s after {options.down:.0f} s without a control plane, "
                  f"{len(failures)} failed requests")
            return took <= RESYNC_S_MAX and not failures
        finally:
            for process in (proxy, server):
                process.kill()
                process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin")
    parser.add_argument("--down", type=float, default=180)
    options = parser.parse_args()
    good = [run(options, api) for api in ("GRPC", "DELTA_GRPC")]
    sys.exit(0 if all(good) else 1)


main()

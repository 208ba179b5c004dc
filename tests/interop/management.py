#!/usr/bin/python3
"""A management server on go-control-plane (go/main.go) drives a proxy: management.py PROXY MODE...

PROXY is sluice or envoy, MODE one of ads, delta-ads, separate, delta, rest, or any with "+tls" behind it. The names of
clusters and route tables change with every version while clients keep requesting: no request may fail, and what is
answered must be of a version that was set.
"""

import contextlib
import http.client
import json
import os
import pathlib
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.request

import peers

VERSIONS = int(os.environ.get("INTEROP_VERSIONS", "30"))
CLIENTS = 3


class Traffic:
    """Clients on connections of their own that ask until they are stopped."""

    def __init__(self, port, tls):
        self.port, self.stopping = port, False
        self.context = ssl._create_unverified_context() if tls else None
        self.answers, self.failures, self.versions = 0, [], []
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def connect(self):
        if self.context:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=self.context)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def run(self):
        connection, fresh = self.connect(), True
        while not self.stopping:
            try:
                connection.request("GET", "/x")
                response = connection.getresponse()
                text = response.read()
                if response.status != 200:
                    self.failures.append(f"{response.status} {text[:200]} after version {self.last()}")
                else:
                    self.versions.append(int(response.getheader("x-version", "0")))
                self.answers += 1
                fresh = False
                if response.will_close:
                    connection.close()
                    fresh = True
            except (OSError, http.client.HTTPException) as error:
                # A server may close a connection while a request is on its way; GETs are asked again then.
                if fresh:
                    self.failures.append(f"{error!r} after version {self.last()}")
                connection.close()
                connection, fresh = self.connect(), True

    def last(self):
        return self.versions[-1] if self.versions else 0

    def stop(self):
        self.stopping = True
        for thread in self.threads:
            thread.join()


def self_signed(directory):
    cert, key = directory / "cert.pem", directory / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


def stat(admin, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/stats?filter=^{name}$", timeout=10) as answer:
        text = answer.read().decode().strip()
    return int(text.rsplit(" ", 1)[1]) if text else None


def run(kind, mode):
    mode, tls = mode.removesuffix("+tls"), mode.endswith("+tls")
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        directory = pathlib.Path(name)
        origins = [peers.Origin(f"origin{i}") for i in range(2)]
        xds, control, listen, admin = peers.free_ports(4)
        command = [peers.HOME / "manager", "-mode", mode, "-xds", xds, "-http", control, "-listen", listen,
                   "-backends", ",".join(str(origin.port) for origin in origins)]
        if tls:
            cert, key = self_signed(directory)
            command += ["-cert", cert, "-key", key]
        manager = stack.enter_context(peers.Process("manager", command, directory))
        manager.wait_for_port(control)

        def ask(path, data=None):
            with urllib.request.urlopen(f"http://127.0.0.1:{control}{path}", data, timeout=10) as answer:
                return answer.read()

        ask("/version?n=1", b"")
        proxy = stack.enter_context(peers.start_proxy(
            kind, directory, peers.bootstrap(kind, "fleet", xds, admin, mode, control),
            ["--drain-strategy", "immediate"]))
        proxy.wait_for_port(listen)
        traffic = Traffic(listen, tls)
        peers.eventually("the first answer", lambda: proxy.check() and traffic.answers > 0)
        for version in range(2, VERSIONS + 1):
            # On one stream sluice must cope with everything at once. Envoy answers 503 until the new cluster is warm,
            # and streams of their own keep no order: then clusters come first.
            if kind == "envoy" or mode in ("separate", "delta"):
                ask(f"/version?n={version}&clusters-first", b"")
                peers.eventually(f"cluster-{version} has endpoints",
                                 lambda: stat(admin, f"cluster.cluster-{version}.membership_total") == 1)
            ask(f"/version?n={version}", b"")
            peers.eventually(f"version {version} answers", lambda: proxy.check() and traffic.last() == version)
        traffic.stop()
        nacks = json.loads(ask("/status"))["nacks"]
        if nacks:
            raise peers.Failure(f"{kind} {mode}: refused {nacks[0]}")
        if traffic.failures:
            raise peers.Failure(f"{kind} {mode}: {len(traffic.failures)} of {traffic.answers} requests failed: "
                                f"{traffic.failures[:3]}\n{proxy.log()[-1500:]}")
        print(f"go-control-plane {mode}{' with TLS over SDS' if tls else ''} drives {kind}: {VERSIONS} versions, "
              f"{traffic.answers} requests, none failed")


def main():
    for mode in sys.argv[2:]:
        run(sys.argv[1], mode)


if __name__ == "__main__":
    try:
        main()
    except peers.Failure as failure:
        sys.exit(f"management: {failure}")

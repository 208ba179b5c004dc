"""What the interop tests share: processes, ports, origins, and configuration for clients of xDS. Loopback only."""

import http.client
import http.server
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
# Where run.sh put what is not of the distribution, and where our programs are.
HOME = pathlib.Path(os.environ.get("INTEROP_HOME", SOURCE / "build" / "interop"))
BIN = pathlib.Path(os.environ.get("SLUICE_BIN_DIR", SOURCE / "build" / "release" / "bin"))
PATIENCE_S = float(os.environ.get("INTEROP_PATIENCE", "30"))
ENVOY = os.environ.get("INTEROP_ENVOY", "")


class Failure(Exception):
    pass


def free_ports(count):
    """Distinct ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def eventually(what, condition, patience=PATIENCE_S):
    """The first true value of `condition()`."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"not within {patience:.0f} s: {what}")
        time.sleep(0.02)


class Process:
    """A program with its output in a file; killed at the end whatever happens."""

    def __init__(self, name, command, directory, env=None):
        self.name, self.command, self.log_path = name, [str(word) for word in command], directory / f"{name}.log"
        self.env = {**os.environ, **(env or {})}
        self.start()

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, env=self.env, start_new_session=True)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def check(self):
        if self.process.poll() is not None:
            raise Failure(f"{self.name} ended with {self.process.returncode}:\n{self.log()[-3000:]}")
        return True

    def wait_for_port(self, port):
        def connects():
            self.check()
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return True
            except OSError:
                return False
        eventually(f"{self.name} listens on {port}", connects)

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Origin:
    """An HTTP/1.1 server that tells what reached it."""

    def __init__(self, name):
        origin = self
        self.name, self.requests = name, 0

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                origin.requests += 1
                length = int(self.headers.get("content-length") or 0)
                text = json.dumps({
                    "origin": origin.name, "method": self.command, "path": self.path, "host": self.headers.get("host"),
                    "body": self.rfile.read(length).decode("latin1"),
                    "x": sorted((k.lower(), v) for k, v in self.headers.items() if k.lower().startswith("x-interop")),
                }).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(text)

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = answer

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Control(Process):
    """sluice-control with a configuration of its own, changed through its API."""

    def __init__(self, directory, apps):
        self.xds, self.api = free_ports(2)
        self.file = directory / "apps.json"
        self.file.write_text(json.dumps(apps))
        super().__init__("sluice-control", [
            BIN / "sluice-control", "--config", self.file, "--data", directory / "data", "--xds", f"127.0.0.1:{self.xds}",
            "--api", f"127.0.0.1:{self.api}"], directory)
        self.wait_for_port(self.api)

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.api, timeout=30)
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"content-type": "application/json"} if text else {})
        response = connection.getresponse()
        answer = response.read().decode()
        connection.close()
        if response.status >= 300:
            raise Failure(f"{method} {path}: {response.status} {answer}")
        return json.loads(answer) if answer.strip() else None

    def put(self, apps):
        self.call("PUT", "/v1/config", apps)

    def proxies(self):
        return self.call("GET", "/v1/proxies")["proxies"]

    def wait_until_taken(self, nodes):
        """Until these nodes are connected and have acknowledged everything."""
        def taken():
            self.check()
            states = {}
            for proxy in self.proxies():
                if proxy["state"] == "refused":
                    raise Failure(f"{proxy['node']} refuses: {json.dumps(proxy['types'], indent=1)}")
                states.setdefault(proxy["node"], []).append(proxy["state"])
            return all(set(states.get(node, ["absent"])) == {"current"} for node in nodes)
        eventually(f"{nodes} took the configuration", taken)


def http2_cluster(name, port):
    options = {"@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
               "explicit_http_config": {"http2_protocol_options": {}}}
    return plain_cluster(name, port) | {
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options}}


def plain_cluster(name, port):
    return {"name": name, "type": "STATIC", "connect_timeout": "5s", "load_assignment": {
        "cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(port)}}]}]}}


def address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def config_source(mode):
    """Of LDS and CDS, by the same names as the manager's modes."""
    kinds = {"separate": "GRPC", "delta": "DELTA_GRPC", "rest": "REST"}
    if mode not in kinds:
        return {"ads": {}, "resource_api_version": "V3"}
    api = {"api_type": kinds[mode], "transport_api_version": "V3"}
    if mode == "rest":
        api |= {"cluster_names": ["rest"], "refresh_delay": "0.2s"}
    else:
        api |= {"grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}}]}
    return {"api_config_source": api, "resource_api_version": "V3"}


def bootstrap(node, fleet, xds_port, admin_port, mode="ads", rest_port=None):
    """A bootstrap that Envoy and sluice both take."""
    dynamic = {"lds_config": config_source(mode), "cds_config": config_source(mode)}
    if mode in ("ads", "delta-ads"):
        dynamic["ads_config"] = {"api_type": "DELTA_GRPC" if mode == "delta-ads" else "GRPC",
                                 "transport_api_version": "V3",
                                 "grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}}]}
    clusters = [http2_cluster("xds", xds_port)]
    if rest_port:
        clusters.append(plain_cluster("rest", rest_port))
    return {"node": {"id": node, "cluster": fleet}, "admin": {"address": address(admin_port)},
            "dynamic_resources": dynamic, "static_resources": {"clusters": clusters}}


def start_proxy(kind, directory, config, arguments=()):
    """Envoy or sluice with this bootstrap."""
    path = directory / f"{kind}.json"
    path.write_text(json.dumps(config, indent=1))
    if kind == "envoy":
        command = [ENVOY, "-c", path, "--use-dynamic-base-id", "--concurrency", "2", "-l", "warning"]
    else:
        command = [BIN / "sluice", "-c", path, "--concurrency", "2"]
    return Process(kind, [*command, *arguments], directory)


def ask(port, method, path, host, headers=(), body=None):
    """One request on a connection of its own: (status, headers, body)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    connection.putheader("host", host)
    for name, value in headers:
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("content-length", str(len(body)))
    connection.endheaders(body)
    response = connection.getresponse()
    answer = response.status, response.getheaders(), response.read()
    connection.close()
    return answer

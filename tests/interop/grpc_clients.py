#!/usr/bin/python3
"""Programs on gRPC that speak xDS themselves, as clients of sluice-control: grpc_clients.py cpp|python|node...

Each asks a service for its name without pause while weights, endpoints, routes and the control plane itself change. Not
one call may fail once the first has succeeded.
"""

import contextlib
import json
import os
import pathlib
import signal
import sys
import tempfile
import time

import grpc_who
import peers

CALLS = 400  # To judge shares by.
TOLERANCE = 0.08


def commands(kind, words):
    """The program of that kind with these arguments, and its environment."""
    if kind == "cpp":
        return [peers.HOME / "grpc_who", *words], {}
    if kind == "python":
        return ["/usr/bin/python3", peers.HERE / "grpc_who.py", *words], {}
    if words[0] != "client":
        raise peers.Failure(f"{kind} has clients only")
    return ["node", peers.HERE / "grpc_who.js", *words[1:]], {"NODE_PATH": str(peers.HOME / "node" / "node_modules")}


class Client(peers.Process):
    def __init__(self, kind, target, directory, bootstrap):
        command, env = commands(kind, ["client", target])
        self.read = 0
        super().__init__(f"client-{kind}", command, directory, {**env, "GRPC_XDS_BOOTSTRAP": str(bootstrap)})

    def lines(self):
        """What came since the last time."""
        self.check()
        text = self.log()
        end = text.rfind("\n") + 1
        new = text[self.read:end].splitlines()
        self.read = end
        return [line for line in new if line.startswith(("ok ", "error "))]

    def answers(self, count):
        """The names of the next answers; none may be an error."""
        lines = []
        peers.eventually(f"{count} calls by {self.name}", lambda: lines.extend(self.lines()) or len(lines) >= count)
        errors = [line for line in lines if not line.startswith("ok ")]
        if errors:
            raise peers.Failure(f"{self.name}: {len(errors)} calls failed, such as: {errors[0]}\n{self.log()[-2000:]}")
        return [line.split()[1] for line in lines]

    def only(self, name):
        """Until every answer comes from there."""
        peers.eventually(f"{self.name} asks {name} only", lambda: set(self.answers(30)) == {name})

    def share(self, name, wanted, what):
        answers = self.answers(CALLS)
        got = answers.count(name) / len(answers)
        if abs(got - wanted) > TOLERANCE:
            raise peers.Failure(f"{self.name}: {what}: {name} has {got:.2f} of the calls instead of {wanted}")
        return got


def write_bootstrap(directory, xds_port, node):
    path = directory / f"{node}.json"
    path.write_text(json.dumps({
        "xds_servers": [{"server_uri": f"127.0.0.1:{xds_port}", "channel_creds": [{"type": "insecure"}],
                         "server_features": ["xds_v3"]}],
        "node": {"id": node, "cluster": "grpc", "locality": {"zone": "here"}},
        "server_listener_resource_name_template": "grpc/server?xds.resource.listening_address=%s"}))
    return path


def url(port):
    return f"http://127.0.0.1:{port}"


def client_test(kind):
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        directory = pathlib.Path(name)
        ports = {}
        for backend in "abc":
            server, ports[backend] = grpc_who.serve(backend)
            stack.callback(server.stop, None)
        apps = {"apps": {"a": {"url": url(ports["a"])}, "b": {"url": url(ports["b"])},
                         "zones": {"urls": [{"url": url(ports["a"]), "zone": "x", "weight": 3},
                                            {"url": url(ports["b"]), "zone": "y", "weight": 1}]}},
                "grpc_services": {"who": {"split": {"a": 80, "b": 20}}}}
        control = stack.enter_context(peers.Control(directory, apps))
        client = stack.enter_context(Client(kind, "xds:///who", directory,
                                            write_bootstrap(directory, control.xds, f"client-{kind}")))
        peers.eventually("the first answer", lambda: any(line.startswith("ok ") for line in client.lines()))
        told = [f"clusters 80:20 {client.share('a', 0.8, 'weighted clusters'):.2f}"]

        def routes(*entries):
            apps["grpc_services"]["who"] = {"routes": list(entries)}
            control.put(apps)

        routes({"path": "/", "app": "b"})
        client.only("b")
        routes({"path": "/", "app": "zones"})
        peers.eventually("localities are used", lambda: "a" in client.answers(20))
        told.append(f"localities 3:1 {client.share('a', 0.75, 'locality weights'):.2f}")
        routes({"path": "/", "app": "a"})
        client.only("a")
        apps["apps"]["a"] = {"url": url(ports["c"])}  # The endpoint moves.
        control.put(apps)
        client.only("c")
        routes({"path": "/other.Service", "app": "a"}, {"exact": grpc_who.METHOD, "app": "b"}, {"path": "/", "app": "a"})
        client.only("b")
        for how in (signal.SIGTERM, signal.SIGKILL):
            control.stop(how)
            client.answers(100)  # Without a control plane.
            control.start()
            control.wait_for_port(control.api)
            client.answers(100)
        routes({"path": "/", "app": "a"})
        client.only("c")
        print(f"grpc {kind}: {', '.join(told)}; endpoint, route and control plane changed, no call failed")


def server_test(kind):
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        directory = pathlib.Path(name)
        [port] = peers.free_ports(1)
        apps = {"apps": {"who": {"url": url(port)}}, "grpc_services": {"who": {"app": "who"}}}
        control = stack.enter_context(peers.Control(directory, apps))
        bootstrap = write_bootstrap(directory, control.xds, f"server-{kind}")
        command, env = commands(kind, ["xds-server", port, "served"])
        env["GRPC_XDS_BOOTSTRAP"] = str(bootstrap)
        stack.enter_context(peers.Process(f"server-{kind}", command, directory, env))
        client = stack.enter_context(Client("python", f"127.0.0.1:{port}", directory, bootstrap))
        time.sleep(1)
        if any(line.startswith("ok ") for line in client.lines()):
            raise peers.Failure("the server answers before its configuration came")
        apps["grpc_servers"] = [f"127.0.0.1:{port}"]
        control.put(apps)
        peers.eventually("the server serves", lambda: any(line.startswith("ok served") for line in client.lines()))
        client.answers(50)
        print(f"grpc {kind} server: serves once its listener came over xDS")


def main():
    for kind in sys.argv[1:]:
        client_test(kind)
        if kind != "node":
            server_test(kind)


if __name__ == "__main__":
    try:
        main()
    except peers.Failure as failure:
        sys.exit(f"grpc_clients: {failure}")

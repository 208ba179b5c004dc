#!/usr/bin/python3
"""sluice-control drives Envoy and sluice with one configuration through 200 changes; both must answer alike.

Every change is a random edit of a small site. After each, once both have taken it, a generated set of requests goes to
both: status, body, location, and what the origin saw must be the same.
"""

import contextlib
import json
import os
import pathlib
import random
import sys
import tempfile

import peers

CHANGES = int(os.environ.get("INTEROP_CHANGES", "200"))
REQUESTS_PER_CHANGE = 12
SEED = int(os.environ.get("INTEROP_SEED", "1"))
CORS_HOST = "cors.example"
CORS = {"allow_origins": ["https://ok.example"], "allow_methods": ["GET", "PUT"], "allow_credentials": True}
HOSTS = ["*", "a.example.com", "*.example.com", "shop.example", CORS_HOST]
PATHS = ["/", "/api", "/api/v1", "/static", "/a.b", "/x-y", "/deep/er/path"]
# Compared where both have them; the rest names the software or the moment.
HEADERS = ["location", "content-type", "content-length", "x-interop-answer", "access-control-allow-origin",
           "access-control-allow-methods", "access-control-allow-credentials", "allow"]


class Site:
    """The configuration and the ways it can change."""

    def __init__(self, dice, ports, listen):
        self.dice, self.ports, self.changes = dice, ports, 0
        self.apps = {"one": self.url(0), "two": self.url(1)}
        last = {"id": "last", "path": "/", "app": "one"}
        # Envoy adds CORS headers to what it forwards only (docs/envoy-differences.md), and that host does nothing else.
        self.hosts = {"*": {"routes": [last]}, CORS_HOST: {"routes": [last], "cors": CORS}}
        self.listen = listen

    def url(self, index):
        return {"url": f"http://127.0.0.1:{self.ports[index % len(self.ports)]}"}

    def config(self):
        def listener(kind):
            return {"listeners": {"web": {"address": "127.0.0.1", "port": self.listen[kind]}}}
        return {**listener("sluice"), "apps": self.apps, "hosts": self.hosts,
                "fleets": {kind: listener(kind) for kind in self.listen}}

    def route(self, forward=False):
        dice = self.dice
        kind = dice.choice(["path", "path", "prefix", "exact", "regex"])
        path = dice.choice(PATHS)
        route = {kind: {"regex": path.replace(".", "[.]") + "(/[a-z0-9]*)?"}.get(kind, path)}
        if dice.random() < 0.25:
            route["methods"] = dice.sample(["GET", "POST", "PUT", "HEAD"], dice.randint(1, 2))
        action = 0 if forward else dice.random()
        if action < 0.6:
            route["app"] = dice.choice(sorted(self.apps))
            if dice.random() < 0.3:
                route["host_header"] = dice.choice(["inside", "inside:81"])
            if kind != "regex" and dice.random() < 0.4:
                if path != "/" and dice.random() < 0.5:
                    route["strip_prefix"] = True
                else:
                    route["rewrite"] = dice.choice(["/new", "/n/"])
            if dice.random() < 0.3:
                route["headers"] = {"request": {"set": {"x-interop-in": "%REQ(:path)%"}, "remove": ["x-interop-gone"]},
                                    "response": {"add": {"x-interop-answer": str(self.changes)}}}
        elif action < 0.65:
            route["split"] = {dice.choice(sorted(self.apps)): 7}
        elif action < 0.85:
            route["respond"] = {"status": dice.choice([200, 204, 404, 503]), "body": ""}
            if route["respond"]["status"] != 204:
                route["respond"]["body"] = f"answer {self.changes}\n"
        else:
            route["redirect"] = {"to": dice.choice(["/elsewhere", "https://b.example/x", "http://b.example:81"]),
                                 "status": dice.choice([301, 302, 303, 307, 308])}
        return route

    def change(self):
        """Makes one random edit and says what it was."""
        dice, self.changes = self.dice, self.changes + 1
        edit = dice.random()
        if edit < 0.45:
            host = self.hosts.setdefault(dice.choice(HOSTS), {"routes": []})
            route = self.route(forward="cors" in host)
            host["routes"].insert(dice.randint(0, max(0, len(host["routes"]) - 1)), route)
            del host["routes"][8:-1]
            return "a route"
        if edit < 0.6:
            host = self.hosts[dice.choice(sorted(self.hosts))]
            if len(host["routes"]) > 1:
                host["routes"].pop(dice.randrange(len(host["routes"]) - 1))
            return "a route less"
        if edit < 0.75:
            name = dice.choice(sorted(self.apps))
            self.apps[name] = self.url(dice.randrange(len(self.ports)))
            return f"app {name} moves"
        if edit < 0.85:
            self.apps[f"app{self.changes}"] = self.url(dice.randrange(len(self.ports)))
            return "a new app"
        if edit < 0.93:
            cors = self.hosts[CORS_HOST]["cors"] = dict(CORS)
            cors["allow_methods"] = dice.sample(["GET", "PUT", "POST"], 2)
            return "cors"
        name = dice.choice(sorted(self.hosts))
        if name not in ("*", CORS_HOST):
            del self.hosts[name]
        return "a host less"

    def request(self):
        dice = self.dice
        path = dice.choice(PATHS + ["/nowhere", "/api/v1/users", "/apix", "/static/a.css"])
        path += dice.choice(["", "", "/", "/more", "?q=1", "x"])
        if path == "//":
            path = "/"  # The one path that Envoy's merging of slashes leaves alone.
        headers = [("x-interop-gone", "1"), ("x-interop-kept", "2")]
        method = dice.choice(["GET", "GET", "GET", "POST", "PUT", "HEAD", "DELETE"])
        host = dice.choice(["a.example.com", "b.example.com", "shop.example", "other.test", CORS_HOST, "A.Example.com:8080"])
        if dice.random() < 0.2:
            headers.append(("origin", dice.choice(["https://ok.example", "https://no.example"])))
            if dice.random() < 0.5:
                method = "OPTIONS"
                headers.append(("access-control-request-method", "PUT"))
        return method, path, host, headers, b"hello" if method in ("POST", "PUT") else None


def comparable(answer, port, request):
    status, headers, body = answer
    if any(name == "access-control-request-method" for name, _ in request[3]):
        # Ours adds the route's headers to answers to preflights, too.
        headers = [(name, value) for name, value in headers if name != "x-interop-answer"]
    text = body.decode("latin1").replace(str(port), "PORT")
    picked = {name: value.replace(str(port), "PORT") for name, value in headers if name in HEADERS}
    if picked.get("content-length") == "0":
        del picked["content-length"]  # To HEAD, one sends it and the other does not.
    return {"status": status, "headers": picked, "body": text}


def main():
    dice = random.Random(SEED)
    kinds = ["sluice", "envoy"]
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        directory = pathlib.Path(name)
        origins = [peers.Origin(f"origin{i}") for i in range(3)]
        ports = peers.free_ports(4)
        listen = dict(zip(kinds, ports[:2]))
        site = Site(dice, [origin.port for origin in origins], listen)
        control = stack.enter_context(peers.Control(directory, site.config()))
        proxies = [stack.enter_context(peers.start_proxy(
            kind, directory, peers.bootstrap(kind, kind, control.xds, ports[2 + i]))) for i, kind in enumerate(kinds)]
        for kind, proxy in zip(kinds, proxies):
            proxy.wait_for_port(listen[kind])
        compared, statuses = 0, {}
        for change in range(CHANGES):
            what = site.change()
            control.put(site.config())
            control.wait_until_taken(kinds)
            for _ in range(REQUESTS_PER_CHANGE):
                request = site.request()
                # The last acknowledgement may be a moment ahead of the workers.
                for attempt in range(5):
                    try:
                        answers = [comparable(peers.ask(listen[kind], *request), listen[kind], request) for kind in kinds]
                    except OSError as error:
                        logs = "".join(proxy.log()[-1500:] for proxy in proxies if proxy.process.poll() is not None)
                        raise peers.Failure(f"seed {SEED}, change {change} ({what}), {request}: {error!r}\n{logs}") from error
                    if answers[0] == answers[1]:
                        break
                else:
                    raise peers.Failure(
                        f"seed {SEED}, change {change} ({what}), {request}:\nsluice {json.dumps(answers[0], indent=1)}\n"
                        f"Envoy  {json.dumps(answers[1], indent=1)}\n{json.dumps(site.config(), indent=1)}")
                compared += 1
                statuses[answers[0]["status"]] = statuses.get(answers[0]["status"], 0) + 1
        for proxy in proxies:
            proxy.check()
        print(f"same answers: {CHANGES} changes, {compared} requests to each, by status {dict(sorted(statuses.items()))}")
        if statuses.get(200, 0) * 4 < compared:
            raise peers.Failure("too few requests were answered with 200 to mean much")


if __name__ == "__main__":
    try:
        main()
    except (peers.Failure, OSError) as failure:
        sys.exit(f"same_answers: {failure}")

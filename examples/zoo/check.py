"""The check behind `make run CHECK=1`: check.py DIRECTORY PID

Asks every address of the site, then changes routes through the API and moves the Python application (process PID) to
another port as a redeploy does, while requests and WebSockets run: none may fail, no connection may be closed.
"""

import asyncio
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import websockets

SITE = "127.0.0.1:8000"
API = "127.0.0.1:18001"
ROUTE_CHANGES = 400
CLIENTS = 8
SOCKETS = 10


class Wrong(Exception):
    pass


def expect(condition, text):
    if not condition:
        raise Wrong(text)


def step(text):
    print(f"  ok  {text}", flush=True)


# ---- the curl lines


def curl(path):
    """Status and body, as curl sees them."""
    out = subprocess.run(["curl", "--silent", "--max-time", "5", "--write-out", "%{http_code}", f"http://{SITE}{path}"],
                         capture_output=True, check=False).stdout
    return int(out[-3:] or 0), out[:-3].decode()


def check_addresses():
    cases = [
        ("/", "I'm Python!\r\n[/]\r\n"),
        ("/hello", "I'm Python!\r\n[/hello]\r\n"),
        ("/gone/astray?x=1", "I'm Python!\r\n[/gone/astray]\r\n"),
        ("/nodes", "I'm Python!\r\n[/nodes]\r\n"),  # `path: /node` ends at a slash.
        ("/node", "I'm Node!\r\n[/node]\r\n"),
        ("/node/hello?x=1", "I'm Node!\r\n[/node/hello?x=1]\r\n"),
        ("/go", "I'm Sluice!\n"),
        ("/health", "ok\n"),
        ("/google", "I'm TLS!\r\n[/]\r\nhost=localhost:9443 sni=localhost\r\n"),
        ("/google/search?q=x", "I'm TLS!\r\n[/search?q=x]\r\nhost=localhost:9443 sni=localhost\r\n"),
    ]
    for path, wanted in cases:
        status, body = curl(path)
        expect((status, body) == (200, wanted), f"curl {path}: {status} {body!r} instead of 200 {wanted!r}")
        step(f"curl http://{SITE}{path}")


# ---- the API


def api(method, path, body=None, **headers):
    connection = http.client.HTTPConnection(API, timeout=10)
    try:
        text = None if body is None else json.dumps(body)
        if text is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, path, text, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


def change(method, path, body=None, **headers):
    status, answer_headers, text = api(method, path, body, **headers)
    expect(200 <= status < 300, f"{method} {path} answered {status}: {text}")
    return answer_headers, text


def eventually(what, condition, seconds=5):
    deadline = time.monotonic() + seconds
    while not condition():
        expect(time.monotonic() < deadline, f"{what}: not within {seconds} s")
        time.sleep(0.005)


# ---- what runs meanwhile


class Client(threading.Thread):
    """One keep-alive connection that asks without a pause. Remembers the first thing that went wrong."""

    def __init__(self):
        super().__init__(daemon=True)
        self.stopping = False
        self.failure = None
        self.requests = 0
        self.instances = []
        self.last_go = 0

    def run(self):
        connection = http.client.HTTPConnection(SITE, timeout=10)
        try:
            connection.connect()
            socket = connection.sock
            while not self.stopping:
                for path in ("/hello", "/node/hello", "/go", "/health"):
                    connection.request("GET", path)
                    answer = connection.getresponse()
                    self.judge(path, answer, answer.read().decode())
                    self.requests += 1
                    expect(connection.sock is socket, "the proxy closed a connection")
        except (Wrong, OSError, http.client.HTTPException) as error:
            self.failure = f"request {self.requests + 1}: {error!r}"
        finally:
            connection.close()

    def judge(self, path, answer, body):
        expect(answer.status == 200, f"{path}: {answer.status} {body!r}")
        if path == "/go":
            match = re.fullmatch(r"(?:I'm Sluice!|go (\d+))\n", body)
            expect(match, f"/go: {body!r}")
            number = int(match[1] or 0)
            expect(number >= self.last_go, f"/go: {number} after {self.last_go}: an older configuration answered")
            self.last_go = number
        elif path == "/hello":
            expect(body == "I'm Python!\r\n[/hello]\r\n", f"{path}: {body!r}")
            instance = answer.headers["x-instance"]
            if instance not in self.instances:
                self.instances.append(instance)
            expect(instance == self.instances[-1], "a request went back to the old instance")
        elif path == "/node/hello":
            expect(body == "I'm Node!\r\n[/node/hello]\r\n", f"{path}: {body!r}")
        else:
            expect(body == "ok\n", f"{path}: {body!r}")


class Sockets(threading.Thread):
    """WebSockets through the proxy to the Python application, each echoing all the time."""

    def __init__(self):
        super().__init__(daemon=True)
        self.stopping = False
        self.failure = None
        self.open = 0
        self.messages = 0

    def run(self):
        try:
            asyncio.run(self.all())
        except Exception as error:  # Whatever it was, the check has failed.
            self.failure = repr(error)

    async def all(self):
        await asyncio.gather(*(self.one(number) for number in range(SOCKETS)))

    async def one(self, number):
        async with websockets.connect(f"ws://{SITE}/ws", open_timeout=10) as socket:
            self.open += 1
            count = 0
            while not self.stopping:
                text = f"{number}/{count}"
                await socket.send(text)
                answer = await asyncio.wait_for(socket.recv(), 10)
                expect(answer == f"9000: {text}", f"WebSocket {number}: {answer!r} for {text!r}")
                count += 1
                self.messages += 1
                await asyncio.sleep(0.01)


def no_failure(clients, sockets):
    for runner in [*clients, sockets]:
        expect(runner.failure is None, f"{type(runner).__name__}: {runner.failure}")


# ---- the changes


def change_routes():
    headers, text = change("GET", "/v1/config")
    config = json.loads(text)
    go = next(route for route in config["hosts"]["*"]["routes"] if route.get("path") == "/go")
    etag = headers["ETag"]
    for number in range(1, ROUTE_CHANGES + 1):
        go["respond"]["body"] = f"go {number}\n"
        stale = etag
        headers, _ = change("PUT", "/v1/config", config, If_Match=etag)
        etag = headers["ETag"]
        if number % 20 == 0:
            eventually(f"route change {number}", lambda: curl("/go") == (200, f"go {number}\n"))
    status, _, _ = api("PUT", "/v1/config", config, If_Match=stale)
    expect(status == 412, f"a stale If-Match was answered {status}, not 412")
    step(f"{ROUTE_CHANGES} route changes through the API, live")


def refuse_nonsense():
    route = {"path": "/x", "app": "nobody"}
    status, _, text = api("POST", "/v1/hosts/%2A/routes", route)
    expect(400 <= status < 500 and "nobody" in text, f"a route to an unknown app was answered {status}: {text}")
    step("a route to an app that does not exist is refused by name")


def wait_for_app(port):
    def up():
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", "/")
            return connection.getresponse().status == 200
        except OSError:
            return False
    eventually(f"the application on port {port}", up, 15)


def move_application(directory, old_pid, clients, sockets):
    here = os.path.dirname(os.path.abspath(__file__))
    with open(f"{directory}/python-9001.log", "wb") as log:
        new = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "--app-dir", here, "--port", "9001", "--no-access-log",
             "--no-server-header", "python_app:app"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={**os.environ, "INSTANCE": "9001", "PYTHONDONTWRITEBYTECODE": "1"})
    try:
        wait_for_app(9001)
        change("PUT", "/v1/apps/python", {"url": "http://127.0.0.1:9001"})
        eventually("every client at the new instance", lambda: no_failure(clients, sockets) or
                   all(client.instances == ["9000", "9001"] for client in clients))
        heard = sockets.messages
        eventually("the WebSockets still answer", lambda: no_failure(clients, sockets) or
                   sockets.messages > heard + 5 * SOCKETS)
        step("the Python application moved to port 9001; WebSockets opened before stay with the old one")
        sockets.stopping = True
        sockets.join(10)
        no_failure(clients, sockets)
        # The old one has nothing left to do, and ends.
        os.kill(old_pid, signal.SIGTERM)
        asked = sum(client.requests for client in clients)
        eventually("requests after the old one ended", lambda: no_failure(clients, sockets) or
                   sum(client.requests for client in clients) > asked + 1000, 15)
        step("the old instance ended; requests go on")
        for client in clients:
            client.stopping = True
        for client in clients:
            client.join(10)
        no_failure(clients, sockets)
        check_new_socket()
    finally:
        new.terminate()
        try:
            new.wait(5)
        except subprocess.TimeoutExpired:
            new.kill()


def check_new_socket():
    async def ask():
        async with websockets.connect(f"ws://{SITE}/ws", open_timeout=10) as socket:
            await socket.send("hello")
            return await asyncio.wait_for(socket.recv(), 10)
    answer = asyncio.run(ask())
    expect(answer == "9001: hello", f"a new WebSocket answers {answer!r}")
    step("a new WebSocket reaches the new instance")


def check_changes(directory, old_pid):
    clients = [Client() for _ in range(CLIENTS)]
    sockets = Sockets()
    for runner in [*clients, sockets]:
        runner.start()
    eventually("all WebSockets open", lambda: no_failure(clients, sockets) or sockets.open == SOCKETS, 10)
    change_routes()
    no_failure(clients, sockets)
    refuse_nonsense()
    move_application(directory, old_pid, clients, sockets)
    # What was asked while the configuration changed, not before and after it.
    expect(min(client.last_go for client in clients) == ROUTE_CHANGES, "a client never saw the last change")
    requests = sum(client.requests for client in clients)
    step(f"{requests} requests on {CLIENTS} connections and {sockets.messages} messages on {SOCKETS} WebSockets: "
         "none failed, none was closed")


def main():
    started = time.monotonic()
    try:
        check_addresses()
        check_changes(sys.argv[1], int(sys.argv[2]))
    except Wrong as error:
        print(f"  FAILED  {error}", flush=True)
        return 1
    print(f"all good after {time.monotonic() - started:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())

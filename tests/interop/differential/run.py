#!/usr/bin/python3
"""Generated requests through Envoy and sluice with one configuration and --defaults envoy: run.py [COUNT [SEED]]

Compared: status, headers, body and framing of the answer, whether the connection stays, and all that the origin received.
A difference is printed with its request and what is needed to repeat it.
"""

import contextlib
import json
import pathlib
import random
import re
import socket
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import generate  # noqa: E402
import peers  # noqa: E402

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 1500
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 1
WAIT_S = 2
# Names the software, the moment or the one request; or differs as docs/envoy-differences.md says.
UNCOMPARED = {"date", "server", "x-request-id", "x-envoy-upstream-service-time", "x-envoy-expected-rq-timeout-ms", "connection",
              "x-envoy-original-path", "x-envoy-original-host", "x-envoy-attempt-count", "x-envoy-decorator-operation"}

LENGTH_ZERO = ("content-length", "0")


class Reader:
    def __init__(self, sock):
        self.sock, self.bytes, self.ended = sock, b"", False

    def more(self):
        if not self.ended:
            try:
                got = self.sock.recv(65536)
            except OSError:
                got = b""
            self.bytes += got
            self.ended = not got
        return not self.ended

    def until(self, mark):
        while mark not in self.bytes:
            if not self.more():
                return None
        end = self.bytes.index(mark) + len(mark)
        found, self.bytes = self.bytes[:end], self.bytes[end:]
        return found

    def exactly(self, count):
        while len(self.bytes) < count and self.more():
            pass
        found, self.bytes = self.bytes[:count], self.bytes[count:]
        return found

    def message(self, method=None):
        """(first line, fields, body, how it ended), or None; `method` of the request when it is an answer."""
        head = self.until(b"\r\n\r\n")
        if head is None:
            return None
        first, *lines = head.decode("latin1").split("\r\n")[:-2]
        fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        values = dict(fields)
        status = int(first.split(" ")[1]) if method else 0
        if method and (method == "HEAD" or status in (204, 304) or status < 200):
            return first, fields, b"", "none"
        if "chunked" in values.get("transfer-encoding", ""):
            return (first, fields, *self.chunks())
        if "content-length" in values:
            body = self.exactly(int(values["content-length"]))
            return first, fields, body, "length" if len(body) == int(values["content-length"]) else "cut"
        if not method:
            return first, fields, b"", "none"
        while self.more():
            pass
        body, self.bytes = self.bytes, b""
        return first, fields, body, "close"

    def chunks(self):
        body = b""
        while True:
            line = self.until(b"\r\n")
            if line is None:
                return body, "cut"
            size = int(line.split(b";")[0], 16)
            if size == 0:
                while (line := self.until(b"\r\n")) not in (None, b"\r\n"):
                    pass
                return body, "chunked"
            body += self.exactly(size)
            self.exactly(2)


class Origin:
    """Answers as x-do asks and remembers what came."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port, self.seen = self.socket.getsockname()[1], []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.socket.accept()
            connection.settimeout(30)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        reader = Reader(connection)
        with connection:
            while (message := reader.message()) is not None:
                self.seen.append(message)
                answer, stays = self.answer(message)
                try:
                    connection.sendall(answer)
                except OSError:
                    return
                if not stays:
                    return

    def answer(self, message):
        first, fields, _, _ = message
        asked = dict(fields).get("x-do", "")
        wish, _, value = asked.partition("=")
        head = first.startswith("HEAD ")

        def whole(status, body, extra=""):
            text = f"HTTP/1.1 {status} Text\r\n{extra}content-length: {len(body)}\r\n\r\n".encode()
            return text + (b"" if head else body), True

        if wish == "status" and value in ("204", "304"):
            return f"HTTP/1.1 {value} Text\r\n\r\n".encode(), True
        if wish == "status":
            return whole(value, b"status " + value.encode())
        if wish.startswith("chunked"):
            text = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
            return text if head else text + b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n" + \
                (b"x-trailer: 1\r\n" if "trailers" in wish else b"") + b"\r\n", True
        if wish == "close":
            return b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + (b"" if head else b"until the end"), False
        if wish == "big":
            return whole(200, b"0123456789" * 20000)
        if wish == "continue":
            text, stays = whole(200, b"after 100")
            return b"HTTP/1.1 100 Continue\r\n\r\n" + text, stays
        if wish == "header":
            name, _, text = value.partition(":")
            return whole(200, b"ok", f"{name}: {text}\r\n")
        if wish == "cut":
            return b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this", False
        if wish == "nothing":
            return b"", False
        if wish == "garbage":
            return b"garbage\r\n\r\n", False
        if wish == "slow":
            threading.Event().wait(0.6)
        return whole(200, b"" if wish == "empty" else b"ok")


def comparable_answer(message, stays, body_unread):
    """Without what docs/envoy-differences.md says differs."""
    if message is None:
        return None
    first, fields, body, framing = message
    status = first.split(" ")[1]
    if status in ("400", "426", "431", "501", "505"):
        return {"status": status}  # Refused by the codec, each in its own words.
    kept = sorted((name, value) for name, value in fields if name not in UNCOMPARED)
    local = b"upstream connect error" in body or (status[0] == "5" and not body)
    if local:
        body = re.sub(rb"(reset reason:|transport failure reason:|retried and).*", b"", body)
        kept = [(name, value) for name, value in kept if name not in ("content-length", "x-code")]
    if framing == "none":
        kept = [(name, value) for name, value in kept if name not in ("content-length", "transfer-encoding")]
    if status in ("201", "304"):
        kept = [(name, value) for name, value in kept if name != "location"]
    return {"status": status, "headers": kept, "body": body.decode("latin1")[:2000], "bytes": len(body),
            "framing": framing, "stays": "any" if body_unread else stays}


def comparable_seen(messages):
    seen = []
    for first, fields, body, framing in messages:
        kept = sorted((name, value) for name, value in fields if name not in UNCOMPARED and (name, value) != LENGTH_ZERO)
        one = {"first": first, "headers": kept, "bytes": len(body), "body": body.decode("latin1")[:100],
               "framing": framing if body else "none"}
        if one not in seen[-1:]:  # Ours asks again when a connection that was used before ends without an answer.
            seen.append(one)
    return seen


def exchange(port, origin, data, method):
    """What the client got and what the origin did."""
    origin.seen.clear()
    with socket.create_connection(("127.0.0.1", port), WAIT_S) as sock:
        sock.settimeout(WAIT_S)
        with contextlib.suppress(OSError):
            sock.sendall(data)
        reader = Reader(sock)
        message = reader.message(method)
        while message is not None and message[0].split(" ")[1].startswith("1"):
            message = reader.message(method)
        stays = False
        if message is not None and message[3] != "close":
            # A second request tells whether the connection is of any use.
            with contextlib.suppress(OSError):
                sock.sendall(b"GET /exact HTTP/1.1\r\nhost: plain.test\r\n\r\n")
            again = reader.message("GET")
            stays = again is not None and again[2] == b"exact"
    unread = not origin.seen and method in ("POST", "PUT", "PATCH")
    return {"answer": comparable_answer(message, stays, unread), "origin": comparable_seen(list(origin.seen))}


def hide_ports(result, ports):
    text = json.dumps(result)
    for port, name in ports.items():
        text = text.replace(str(port), name)
    return json.loads(text)


def main():
    dice = random.Random(SEED)
    kinds = ["sluice", "envoy"]
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        directory = pathlib.Path(name)
        ports = peers.free_ports(5)
        refusing = ports[4]
        listen = dict(zip(kinds, ports))
        origins = {kind: Origin() for kind in kinds}
        for index, kind in enumerate(kinds):
            config = generate.configuration(listen[kind], ports[2 + index], origins[kind].port, refusing)
            arguments = ["--defaults", "envoy"] if kind == "sluice" else []
            proxy = stack.enter_context(peers.start_proxy(kind, directory, config, arguments))
            proxy.wait_for_port(listen[kind])
        failures, statuses = 0, {}
        for number in range(COUNT):
            data, method = generate.request(dice)
            results = [hide_ports(exchange(listen[kind], origins[kind], data, method),
                                  {listen[kind]: "LISTEN", origins[kind].port: "ORIGIN"}) for kind in kinds]
            status = (results[0]["answer"] or {}).get("status", "none")
            statuses[status] = statuses.get(status, 0) + 1
            if results[0] != results[1]:
                failures += 1
                if failures <= 20:
                    print(f"-- {number} of seed {SEED}: {data[:600]!r}")
                    for kind, result in zip(kinds, results):
                        print(f"{kind:6} {json.dumps(result)[:1500]}")
        print(f"differential: {COUNT} requests, {failures} answered differently, by status {dict(sorted(statuses.items()))}")
        sys.exit(1 if failures else 0)


if __name__ == "__main__":
    try:
        main()
    except peers.Failure as failure:
        sys.exit(f"differential: {failure}")

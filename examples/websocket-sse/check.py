#!/usr/bin/env python3
"""Starts sluice with bootstrap.yaml on free ports and an application behind it, and checks that
WebSocket messages and server-sent events pass as they come. Exit code 0 when all of it holds."""
import base64
import hashlib
import os
import pathlib
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
SLUICE = os.path.join(os.environ.get("SLUICE_BIN_DIR", "build/dev/bin"), "sluice")
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def read_head(connection):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            break
        head += byte
    return head.decode()


def read_exactly(connection, count):
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            sys.exit("FAILED: the connection ended early")
        data += piece
    return data


def frame(payload, mask):
    head = bytes([0x81, (0x80 if mask else 0) | 126]) + struct.pack(">H", len(payload))
    if not mask:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(b ^ key[i % 4] for i, b in enumerate(payload))


def read_frame(connection):
    head = read_exactly(connection, 4)
    size = struct.unpack(">H", head[2:])[0]
    if not head[1] & 0x80:
        return read_exactly(connection, size)
    key = read_exactly(connection, 4)
    return bytes(b ^ key[i % 4] for i, b in enumerate(read_exactly(connection, size)))


class App:
    """Echoes WebSocket messages upside down; sends one event each time next() is called."""

    def __init__(self):
        self.server = socket.socket()
        self.server.bind(("127.0.0.1", 0))
        self.server.listen(16)
        self.port = self.server.getsockname()[1]
        self.events = threading.Semaphore(0)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        head = read_head(connection)
        if head.startswith("GET /ws "):
            key = re.search(r"(?im)^sec-websocket-key: (\S+)", head)[1].encode()
            accept = base64.b64encode(hashlib.sha1(key + MAGIC).digest()).decode()
            connection.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                + f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode())
            while True:
                connection.sendall(frame(read_frame(connection)[::-1], False))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                           b"Transfer-Encoding: chunked\r\n\r\n")
        number = 0
        while True:
            self.events.acquire()
            number += 1
            event = f"data: event {number}\n\n".encode()
            try:
                connection.sendall(f"{len(event):x}\r\n".encode() + event + b"\r\n")
            except OSError:
                return


def expect(what, got, want):
    if got != want:
        sys.exit(f"FAILED: {what}: got {got!r}, not {want!r}")
    print(f"ok: {what}")


def check(port, app):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        key = base64.b64encode(os.urandom(16))
        client.sendall(b"GET /ws HTTP/1.1\r\nHost: app\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                       b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n")
        head = read_head(client)
        want = base64.b64encode(hashlib.sha1(key + MAGIC).digest()).decode()
        expect("upgraded", head.startswith("HTTP/1.1 101 "), True)
        expect("by the application itself", want in head, True)
        for message in (b"hello", b"x" * 60000, b"again"):
            client.sendall(frame(message, True))
            expect(f"a message of {len(message)} bytes, answered", read_frame(client), message[::-1])

    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(b"GET /events HTTP/1.1\r\nHost: app\r\nAccept: text/event-stream\r\n\r\n")
        expect("a stream of events", "text/event-stream" in read_head(client), True)
        for number in (1, 2, 3):
            app.events.release()
            size = int(read_head_line(client), 16)
            expect(f"event {number} comes before the next one is sent",
                   read_exactly(client, size + 2), f"data: event {number}\n\n\r\n".encode())


def read_head_line(connection):
    line = b""
    while not line.endswith(b"\r\n"):
        line += read_exactly(connection, 1)
    return line.decode().strip()


def main():
    app = App()
    with tempfile.TemporaryDirectory() as directory:
        text = (HERE / "bootstrap.yaml").read_text()
        for port in (9002, 9902):
            text = text.replace(f"port_value: {port}", "port_value: 0")
        text = text.replace("port_value: 9103", f"port_value: {app.port}")
        config = os.path.join(directory, "bootstrap.yaml")
        pathlib.Path(config).write_text(text)
        admin_file = os.path.join(directory, "admin")
        proxy = subprocess.Popen([SLUICE, "-c", config, "--admin-address-path", admin_file])
        try:
            deadline = time.monotonic() + 20
            found = None
            while found is None:
                if proxy.poll() is not None or time.monotonic() > deadline:
                    sys.exit("FAILED: sluice does not start")
                try:
                    admin = int(pathlib.Path(admin_file).read_text().rsplit(":", 1)[1])
                    text = urllib.request.urlopen(f"http://127.0.0.1:{admin}/listeners").read().decode()
                    found = re.search(r"^web::127\.0\.0\.1:(\d+)", text, re.M)
                except (OSError, IndexError, ValueError):
                    pass
                time.sleep(0.05)
            check(int(found[1]), app)
        finally:
            proxy.terminate()
            proxy.wait()
            app.server.close()


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Starts sluice with bootstrap.yaml on free ports and servers behind it, and checks what README.md
promises. Needs the openssl program. Exit code 0 when all of it holds."""
import os
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
SLUICE = os.path.join(os.environ.get("SLUICE_BIN_DIR", "build/dev/bin"), "sluice")


def listen():
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", 0))
    server.listen(16)
    return server


def serve(server, name, context=None):
    """Says `name`, then sends back what it gets until the client is done."""

    def one(connection):
        try:
            if context is not None:
                connection = context.wrap_socket(connection, server_side=True)
            connection.sendall(name.encode() + b"\n")
            while data := connection.recv(65536):
                connection.sendall(data)
            if context is None:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        finally:
            connection.close()

    def accept():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return server.getsockname()[1]


def certificate(directory, name):
    key, cert = f"{directory}/{name}.key", f"{directory}/{name}.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", key, "-out", cert, "-days", "1", "-subj", f"/CN={name}",
         "-addext", f"subjectAltName=DNS:{name}"],
        check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context, cert


def read_line(connection):
    line = b""
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            break
        line += byte
    return line.decode().strip()


def expect(what, got, want):
    if got != want:
        sys.exit(f"FAILED: {what}: got {got!r}, not {want!r}")
    print(f"ok: {what}")


def check(ports, admin, certificates):
    names = set()
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", ports[9001])) as client:
            names.add(read_line(client))
    expect("one client, one server", len(names), 1)

    data = os.urandom(1 << 20) * 16
    with socket.create_connection(("127.0.0.1", ports[9001])) as client:
        read_line(client)
        sender = threading.Thread(target=lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)))
        sender.start()
        got = bytearray()
        while piece := client.recv(1 << 16):
            got += piece
        sender.join()
    expect("16 MB there and back, half-closed at the end", bytes(got) == data, True)

    for name, want in (("a.example", "tls-a"), ("www.b.example", "tls-b")):
        context = ssl.create_default_context(cafile=certificates[want])
        with socket.create_connection(("127.0.0.1", ports[9443])) as raw:
            with context.wrap_socket(raw, server_hostname=name) as client:
                expect(f"TLS for {name} ends at its own server", read_line(client), want)
    try:
        with socket.create_connection(("127.0.0.1", ports[9443])) as raw:
            ssl.create_default_context().wrap_socket(raw, server_hostname="c.example")
        sys.exit("FAILED: a name nobody has was served")
    except OSError:
        print("ok: a name nobody has is refused")

    stats = urllib.request.urlopen(f"http://127.0.0.1:{admin}/stats").read().decode()
    spliced = int(re.search(r"^worker\.tunnel_spliced_bytes: (\d+)$", stats, re.M)[1])
    expect("most of it was spliced", spliced > len(data), True)


def main():
    with tempfile.TemporaryDirectory() as directory:
        context_a, cert_a = certificate(directory, "a.example")
        context_b, cert_b = certificate(directory, "www.b.example")
        servers = [listen() for _ in range(4)]
        back = {
            9101: serve(servers[0], "one"),
            9102: serve(servers[1], "two"),
            9201: serve(servers[2], "tls-a", context_a),
            9202: serve(servers[3], "tls-b", context_b),
        }
        # The proxy takes free ports, too, and says which.
        text = (HERE / "bootstrap.yaml").read_text()
        for port in (9001, 9443, 9901):
            text = text.replace(f"port_value: {port}", "port_value: 0")
        for port, real in back.items():
            text = text.replace(f"port_value: {port}", f"port_value: {real}")
        config = os.path.join(directory, "bootstrap.yaml")
        pathlib.Path(config).write_text(text)
        admin_file = os.path.join(directory, "admin")
        proxy = subprocess.Popen([SLUICE, "-c", config, "--admin-address-path", admin_file])
        try:
            deadline = time.monotonic() + 20
            listeners = {}
            while len(listeners) < 2:
                if proxy.poll() is not None or time.monotonic() > deadline:
                    sys.exit("FAILED: sluice does not start")
                try:
                    admin = int(pathlib.Path(admin_file).read_text().rsplit(":", 1)[1])
                    found = urllib.request.urlopen(f"http://127.0.0.1:{admin}/listeners").read().decode()
                    listeners = dict(re.findall(r"^(\w+)::127\.0\.0\.1:(\d+)", found, re.M))
                except (OSError, IndexError, ValueError):
                    time.sleep(0.05)
            check({9001: int(listeners["tcp"]), 9443: int(listeners["tls_passthrough"])}, admin,
                  {"tls-a": cert_a, "tls-b": cert_b})
        finally:
            proxy.terminate()
            proxy.wait()
            for server in servers:
                server.close()


if __name__ == "__main__":
    main()

"""Stands in for google.com in the check: HTTPS, and an answer that tells what the proxy asked for.

python3 tls_app.py PORT CERTIFICATE KEY
"""

import http.server
import ssl
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):  # noqa: N802, the base class looks for this name
        body = f"I'm TLS!\r\n[{self.path}]\r\nhost={self.headers['Host']} sni={self.connection.sni}\r\n".encode()
        self.send_response(200)
        self.send_header("content-type", "text/plain")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Socket(ssl.SSLSocket):
    sni = None


def remember_name(connection, name, _context):
    connection.sni = name


def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslsocket_class = Socket
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    context.sni_callback = remember_name
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    # The handshake belongs into the connection's own thread.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


if __name__ == "__main__":
    main()

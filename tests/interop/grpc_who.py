"""A service that says its name, and a client that asks for it, in Python. Also the server of the other clients' tests.

    grpc_who.py client TARGET            a line per call: "ok NAME" or "error CODE TEXT"
    grpc_who.py xds-server PORT NAME     a server whose configuration comes over xDS
"""

import concurrent.futures
import sys
import time

import grpc

METHOD = "/interop.Who/Name"


class Who(grpc.GenericRpcHandler):
    def __init__(self, name):
        self.name = name.encode()

    def service(self, details):
        if details.method != METHOD:
            return None
        return grpc.unary_unary_rpc_method_handler(lambda request, context: self.name)


def serve(name, port=0, xds=False):
    """(server, port) of a running server."""
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4), handlers=[Who(name)], xds=xds)
    if xds:
        credentials = grpc.xds_server_credentials(grpc.insecure_server_credentials())
        server.add_secure_port(f"127.0.0.1:{port}", credentials)
    else:
        port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return server, port


def client(target):
    with grpc.insecure_channel(target) as channel:
        call = channel.unary_unary(METHOD)
        while True:
            try:
                print("ok", call(b"", timeout=20, wait_for_ready=False).decode(), flush=True)
            except grpc.RpcError as error:
                print("error", error.code(), error.details(), flush=True)
            time.sleep(0.004)


if __name__ == "__main__":
    if sys.argv[1] == "client":
        client(sys.argv[2])
    server, _ = serve(sys.argv[3], int(sys.argv[2]), xds=True)
    server.wait_for_termination()

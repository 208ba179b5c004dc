"""An HTTP/1 origin that answers once a request is complete, trailers and all. Prints its port."""

import socket
import threading


class Gone(Exception):
    pass


class Connection:
    def __init__(self, peer):
        self.peer, self.data = peer, b""

    def until(self, mark):
        """Takes what ends with `mark`."""
        while mark not in self.data:
            self.more()
        taken, self.data = self.data.split(mark, 1)
        return taken

    def more(self):
        piece = self.peer.recv(65536)
        if not piece:
            raise Gone
        self.data += piece

    def skip(self, size):
        while len(self.data) < size:
            self.more()
        self.data = self.data[size:]

    def serve(self):
        while True:
            head = self.until(b"\r\n\r\n").lower() + b"\r\n"
            if b"\r\ntransfer-encoding: chunked\r\n" in head:
                while size := int(self.until(b"\r\n").split(b";")[0], 16):
                    self.skip(size + 2)
                while self.until(b"\r\n"):
                    pass
            elif b"\r\ncontent-length: " in head:
                self.skip(int(head.split(b"\r\ncontent-length: ", 1)[1].split(b"\r\n", 1)[0]))
            body = b"" if head.startswith(b"head ") else b"hello from origin"
            self.peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n" + body)

    def run(self):
        try:
            self.serve()
        except (Gone, OSError):
            self.peer.close()


def main():
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    print(listener.getsockname()[1], flush=True)
    while True:
        peer, _ = listener.accept()
        threading.Thread(target=Connection(peer).run, daemon=True).start()


main()

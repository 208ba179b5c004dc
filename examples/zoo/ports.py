"""Says who holds a TCP port that the example site needs: ports.py PORT...; exit 1 when any is taken."""

import os
import sys


def listeners():
    """Port to inode of its listening socket."""
    found = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table, encoding="ascii") as file:
                lines = file.readlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == "0A":  # LISTEN
                found[int(fields[1].rsplit(":", 1)[1], 16)] = fields[9]
    return found


def holder(inode):
    """"name (pid 7)" of a process that has this socket; None when we may not look."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            for descriptor in os.listdir(f"/proc/{pid}/fd"):
                if os.readlink(f"/proc/{pid}/fd/{descriptor}") == f"socket:[{inode}]":
                    with open(f"/proc/{pid}/cmdline", "rb") as file:
                        words = file.read().replace(b"\0", b" ").decode(errors="replace").strip()
                    return f"process {pid} ({words[:100]})"
        except OSError:
            continue
    return None


def main():
    taken = listeners()
    wrong = 0
    for port in map(int, sys.argv[1:]):
        if port in taken:
            who = holder(taken[port]) or "a process of another user"
            print(f"port {port} is taken by {who}: stop it first", file=sys.stderr)
            wrong = 1
    return wrong


if __name__ == "__main__":
    sys.exit(main())

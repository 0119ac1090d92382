"""On PYTHONPATH: a Python, and every one that it starts, that can reach no other machine, nor itself by the network.

What is tried is written into the file that BLOCKED names: a program may go on as if nothing had happened.
"""

import os
import socket
import sys

# The first two are Python's own events, for every socket and every look-up of a name, whoever makes them.
WATCHED = ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname")


def refuse(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook."""
    if event not in WATCHED or (isinstance(arguments[0], socket.socket) and arguments[0].family == socket.AF_UNIX):
        return
    with open(os.environ["BLOCKED"], "a", encoding="utf-8") as file:  # noqa: PTH123
        file.write(f"{event} {arguments[1:] or arguments} {sys.argv}\n")
    raise OSError(f"the network is blocked: {event}")


if "BLOCKED" in os.environ:  # else a collector of tests imports this
    sys.addaudithook(refuse)

"""The real client in a process of its own, without the second that it takes to import what it stands on.

A server imports those packages once (not the client: importing it logs in). For every call it forks a process, which
takes over arguments, environment and output of the program that called, and runs the client's own `main`.
"""

import array
import importlib
import io
import json
import os
import shlex
import signal
import socket
import sys
import threading
from pathlib import Path

PRELOADED = (
    "kagglesdk.kaggle_client",
    "requests",
    "bleach",
    "google.protobuf",
    "slugify",
    "dateutil",
    "tqdm",
    "urllib3",
)
PROGRAM = """import array, json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    streams = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [1, 2]))
    message = json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode()
    server.sendmsg([len(message).to_bytes(4, "little")], [streams])
    server.sendall(message)
    code = server.recv(1)
sys.exit(code[0] if code else 1)
"""


def serve(address: str) -> None:
    """Answer calls of the program until this process is ended."""
    for name in PRELOADED:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the clients
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        print("ready", flush=True)
        while True:
            caller, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                run(caller)
            caller.close()


def run(caller: socket.socket) -> None:
    """Be the client, and tell the caller how it ended."""
    size, ancillary, _, _ = caller.recvmsg(4, socket.CMSG_SPACE(8))
    streams = array.array("i", ancillary[0][2])
    content = b""
    while len(content) < int.from_bytes(size, "little"):
        content += caller.recv(65536)
    arguments, environment, folder = json.loads(content)
    for number, stream in zip((1, 2), streams, strict=True):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdout, sys.stderr = (io.TextIOWrapper(os.fdopen(n, "wb", 0), "utf-8", write_through=True) for n in (1, 2))
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["kaggle", *arguments]
    threading.Thread(target=end_with, args=(caller,), daemon=True).start()
    code = 1
    try:
        from kaggle.cli import main

        main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())  # what Python itself does
    caller.send(bytes([code]))
    os._exit(code)


def end_with(caller: socket.socket) -> None:
    """End when the caller was ended."""
    caller.recv(1)
    os._exit(1)


def write_program(folder: Path, address: str) -> Path:
    """The program to call instead of `kaggle`."""
    (folder / "call.py").write_text(PROGRAM.format(address=address))
    path = folder / "kaggle"
    path.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -IS "{folder}/call.py" "$@"\n')
    path.chmod(0o755)
    return path


if __name__ == "__main__":
    serve(sys.argv[1])

"""`python -m foldwise …`; `run.sh` sets up and calls this."""

import os

import foldwise.clock  # noqa: F401 - first of all: a time budget counts from here

if __name__ == "__main__":
    # cuBLAS gives the same bits every time only with a fixed workspace, and reads this before its first call.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    from foldwise.cli import main

    main()

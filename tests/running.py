"""The command line in this process: what a terminal would see, without the start of another Python."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path
from unittest.mock import patch

from workbench.cli import SIGNALS, main


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """What ``workbench ARGUMENTS`` prints, and its exit code."""
    out, err = (TextIOWrapper(BytesIO(), "utf-8", write_through=True) for _ in range(2))
    here = os.getcwd()
    # A command that is over lets no signal cut off the end of its process; this one goes on.
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    code: object = 0
    try:
        if cwd is not None:
            os.chdir(cwd)
        with redirect_stdout(out), redirect_stderr(err), patch("sys.argv", ["workbench", *arguments]):
            main(list(arguments))
    except SystemExit as end:
        code = end.code
    finally:
        os.chdir(here)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    told = [stream.buffer.getvalue().decode("utf-8") for stream in (out, err)]  # type: ignore[attr-defined]
    return subprocess.CompletedProcess(["workbench", *arguments], int(str(code or 0)), *told)

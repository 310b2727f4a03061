"""One private kernel per run: this Python, Unix sockets at an address of its own, folders of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.errors import WriteError
from workbench.options import options

#: How ipykernel is started; frozen modules would make the debugger it loads complain.
_LAUNCH = ("-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}")
#: Longest address, in bytes, that leaves room for the socket's number; Unix sockets take 107 bytes in all.
_ADDRESS_MAX = 95


@dataclass(frozen=True, slots=True)
class Den:
    """Where one run's kernel lives."""

    #: Private folder (0700), short enough for Unix sockets.
    folder: Path
    #: Kernel managers made for the run; at most one is expected.
    managers: list[Any] = field(default_factory=list)

    def manager_class(self) -> type[Any]:
        """A kernel manager class that starts this very Python inside this den.

        The class, not an instance, goes to the notebook client: so the client owns the kernel and stops it, and the
        den still knows every kernel that was ever started.
        """
        from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
        from jupyter_client.manager import AsyncKernelManager

        den = self

        class OwnPython(KernelSpecManager):  # type: ignore[misc]
            """Whatever kernel is asked for, it is the Python that runs here, registered or not."""

            def get_kernel_spec(self, kernel_name: str) -> Any:
                return KernelSpec(
                    name=kernel_name,
                    argv=[sys.executable, *_LAUNCH],
                    display_name="Python 3 (ipykernel)",
                    language="python",
                    # ``$`` would be read as the start of a variable.
                    env={name: value.replace("$", "$$") for name, value in den.environment().items()},
                    metadata={"supported_encryption": "curve"},
                )

        class OwnKernel(AsyncKernelManager):  # type: ignore[misc]
            """Sockets in the den; the default address is relative, and parallel runs would share it."""

            def __init__(self, **kwargs: Any) -> None:
                super().__init__(**kwargs)
                self.kernel_spec_manager = OwnPython()
                self.connection_file = str(den.folder / "kernel.json")
                self.shutdown_wait_time = 2.0
                if hasattr(os, "fork"):
                    self.transport = "ipc"
                    self.ip = str(den.folder / "k")
                else:
                    self.transport_encryption = "required"
                den.managers.append(self)

        return OwnKernel

    def environment(self) -> dict[str, str]:
        """Environment variables of the kernel, on top of this process's own."""
        runtime = self.folder / "runtime"
        runtime.mkdir(mode=0o700, exist_ok=True)
        return {
            "IPYTHONDIR": str(self.folder / "ipython"),
            "JUPYTER_RUNTIME_DIR": str(runtime),
            # Shared between runs of one user: building the font list takes seconds, and matplotlib locks the file.
            "MPLCONFIGDIR": str(options.cache_folder("matplotlib")),
            "MPLBACKEND": "agg",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
            "WORKBENCH_BATCH": "1",
            "WORKBENCH_CACHE": str(options.cache),
            "WORKBENCH_LINK_ROOTS": os.pathsep.join(str(root) for root in options.link_roots),
            "WORKBENCH_PROGRESS": "off",
            "WORKBENCH_WORKERS": str(options.workers),
        }

    def close(self) -> None:
        """Kill whatever kernel is still there and remove the den."""
        from jupyter_core.utils import run_sync

        for manager in self.managers:
            if manager.has_kernel:
                with contextlib.suppress(RuntimeError, OSError):
                    run_sync(manager.shutdown_kernel)(now=True)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def den() -> Iterator[Den]:
    """A den for one run; at the end its kernel is dead and its folder gone.

    Raises
    ------
    WriteError
        Where no folder for temporary files can be written to.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="wb-"))
        if len(os.fsencode(folder)) > _ADDRESS_MAX and hasattr(os, "fork"):
            folder.rmdir()
            folder = Path(tempfile.mkdtemp(prefix="wb-", dir="/tmp"))
    except OSError as error:
        raise WriteError(
            f"no folder for temporary files: {error.strerror}", remedy="set TMPDIR to a folder you may write to"
        ) from error
    own = Den(folder)
    try:
        yield own
    finally:
        own.close()

"""The frameworks side by side: `load(name)` gives an adapter that runs a workload on one of them.

Every adapter speaks PyTorch's names, imports its framework on use, and is held to one thread
unless `threads.hold` was told otherwise.
"""

import importlib
from functools import cache
from typing import TYPE_CHECKING

from benchmarks.frameworks import threads
from benchmarks.names import UnknownName

if TYPE_CHECKING:
    from benchmarks.frameworks.adapter import Adapter

__all__ = ["NAMES", "PACKAGES", "FrameworkUnavailable", "UnknownName", "available", "load"]

NAMES = ("torsh", "numpy", "torch", "tensorflow", "jax")
PACKAGES = {name: name for name in NAMES} | {"torsh": "torsh_ops"}


class FrameworkUnavailable(NotImplementedError):
    """A framework that is missing, or that is installed and broken; asv shows n/a for its cells."""


def load(name: str) -> "Adapter":
    """Import the framework `name`, hold it to its threads and return its adapter.

    Raises UnknownName for a name not in NAMES and FrameworkUnavailable, with the reason, when it can't be
    imported.
    """
    if name not in NAMES:
        raise UnknownName("framework", name, NAMES)
    adapter = _load(name)
    if isinstance(adapter, str):
        raise FrameworkUnavailable(adapter)
    return adapter


def available() -> dict[str, str | None]:
    """Name to None where the framework works here, or to the reason why it does not."""
    found = {name: _load(name) for name in NAMES}
    return {name: adapter if isinstance(adapter, str) else None for name, adapter in found.items()}


@cache
def _load(name: str) -> "Adapter | str":
    try:
        framework: Adapter = importlib.import_module(f"benchmarks.frameworks.{name}").Framework()
        threads.hold(threads.held, PACKAGES[name])
    # A broken installation raises whatever it likes; its cells are n/a and the others are measured.
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name == PACKAGES[name]:
            return f"{error.name} is not installed: {_INSTALL[name]}"
        return f"{name} is installed and broken: {type(error).__name__}: {_first_line(error)}"
    return framework


_INSTALL = {name: "pip install .[frameworks]" for name in NAMES} | dict.fromkeys(("torsh", "numpy"), "pip install .")


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), "no message")

"""Every piece of work that is timed, defined once: `WORKLOADS` by name, `get(name)` for one.

A family is a module here with a tuple `WORKLOADS`; adding one to the tuple is all it takes.
"""

import importlib
import pkgutil

from benchmarks.names import UnknownName
from benchmarks.workloads.record import Dims, Workload

__all__ = ["WORKLOADS", "Dims", "UnknownName", "Workload", "get"]


def _collect() -> dict[str, Workload]:
    found: dict[str, Workload] = {}
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        for workload in getattr(importlib.import_module(module.name), "WORKLOADS", ()):
            if workload.name in found:
                raise ValueError(f"two workloads are named {workload.name!r}: rename the one in {module.name}")
            found[workload.name] = workload
    return found


WORKLOADS = _collect()


def get(name: str) -> Workload:
    """Give the workload called `name`, or raise UnknownName with the nearest matches."""
    if name not in WORKLOADS:
        raise UnknownName("workload", name, WORKLOADS)
    return WORKLOADS[name]

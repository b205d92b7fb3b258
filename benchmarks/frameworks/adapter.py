"""What every framework's adapter has: arrays in, arrays out, and a workload made ready to be timed."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from benchmarks.workloads.record import Workload

Call = Callable[[], Any]

# From the layout a workload is written in to the one that channels-last frameworks want, as axes.
CHANNELS_LAST = {"NCHW": (0, 2, 3, 1), "OIHW": (2, 3, 1, 0)}


class Bound:
    """A workload on one framework: ``with bound as call: call()`` computes once and waits for the result.

    Entering it enters the framework's mode (PyTorch's inference mode) once, outside what is timed; it can be
    entered again after it was left.
    """

    def __init__(self, call: Call, mode: Callable[[], AbstractContextManager[Any]] = nullcontext):
        self._call = call
        self._mode = mode
        self._entered = ExitStack()

    def __enter__(self) -> Call:
        self._entered.enter_context(self._mode())
        return self._call

    def __exit__(self, *exception: Any) -> None:
        self._entered.close()


class Adapter(ABC):
    """One framework. Its operators are attributes by PyTorch's names: it is the `F` of a workload's call."""

    name: str
    module: ModuleType
    # Axes of each layout where the framework wants another one; empty where it takes them as they are.
    axes: Mapping[str, tuple[int, ...]] = {}

    def __getattr__(self, op: str) -> Callable[..., Any]:
        if op.startswith("_"):
            raise AttributeError(op)
        found = self.find(op)
        if found is None:
            raise NotImplementedError(f"{self.name} has no {op} here")
        # Kept on the instance: a timed call then finds it as fast as any attribute.
        setattr(self, op, found)
        return found

    @abstractmethod
    def find(self, op: str) -> Callable[..., Any] | None:
        """Give the operator of PyTorch's name `op`, or None where the framework has none."""

    @abstractmethod
    def from_numpy(self, x: np.ndarray) -> Any:
        """Copy a NumPy array into the framework."""

    @abstractmethod
    def to_numpy(self, x: Any) -> np.ndarray:
        """One of the framework's arrays as a NumPy array."""

    @abstractmethod
    def bind(self, workload: "Workload", inputs: Sequence[np.ndarray]) -> Bound:
        """Put `inputs` into the framework and make the call of `workload` ready, compiled where it can be."""

    def array(self, x: np.ndarray, layout: str = "") -> Any:
        """Copy `x` into the framework, in the framework's own order of axes for `layout`."""
        axes = self.axes.get(layout)
        return self.from_numpy(x if axes is None else np.ascontiguousarray(x.transpose(axes)))

    def numpy(self, result: Any, layout: str = "") -> np.ndarray:
        """Give `result` as a NumPy array in the order of axes that `layout` names."""
        axes = self.axes.get(layout)
        array = np.asarray(self.to_numpy(result))
        return array if axes is None else array.transpose(np.argsort(axes))

    def arrays(self, workload: "Workload", inputs: Sequence[np.ndarray]) -> list[Any]:
        """Every input of `workload` in the framework, each in its layout."""
        return [self.array(x, layout) for x, layout in zip(inputs, layouts(workload, inputs), strict=True)]

    def outputs(self, workload: "Workload", result: Any) -> tuple[np.ndarray, ...]:
        """Everything that the call of `workload` returned, as NumPy arrays: the value, then the gradients."""
        results = result if isinstance(result, (tuple, list)) else (result,)
        given = (*workload.layouts, *[""] * (1 + max(workload.wrt, default=0)))
        names = (workload.out_layout, *(given[i] for i in workload.wrt))
        names += ("",) * (len(results) - len(names))
        return tuple(self.numpy(r, layout) for r, layout in zip(results, names, strict=True))


def layouts(workload: "Workload", inputs: Sequence[np.ndarray]) -> tuple[str, ...]:
    """The layout of each input: what the workload states, plain where it states none."""
    return workload.layouts or ("",) * len(inputs)

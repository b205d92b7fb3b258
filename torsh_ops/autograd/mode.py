"""Whether what is done is recorded: a setting of each thread, and of each task of asyncio."""

from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import Any

# True or False itself: `torsh_ops.kernels.call.recording` compares addresses.
RECORDING = ContextVar("recording", default=True)


def is_grad_enabled() -> bool:
    """Tell whether operations are recorded on this thread."""
    return RECORDING.get()


class _Switch:
    """A context manager and decorator that sets recording to `wanted` inside."""

    wanted: bool

    def __enter__(self) -> None:
        self._before = RECORDING.get()
        RECORDING.set(self.wanted)

    def __exit__(self, *exc: object) -> None:
        RECORDING.set(self._before)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        switch = enable_grad if self.wanted else no_grad

        @wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with switch():
                return function(*args, **kwargs)

        return inside


class no_grad(_Switch):
    """Record nothing inside; a context manager and a decorator."""

    wanted = False


class enable_grad(_Switch):
    """Record inside, whatever is set outside; a context manager and a decorator."""

    wanted = True


class inference_mode(no_grad):
    """The same as `no_grad` here: tensors carry no view or version bookkeeping worth saving."""


class set_grad_enabled(_Switch):
    """Switch recording on this thread; as a context manager or decorator, only inside."""

    def __init__(self, mode: bool) -> None:
        self.wanted, self._before = bool(mode), RECORDING.get()
        RECORDING.set(self.wanted)

    def __enter__(self) -> None:
        RECORDING.set(self.wanted)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Make `function` run so; what is recorded outside stays as it was."""
        RECORDING.set(self._before)
        return super().__call__(function)

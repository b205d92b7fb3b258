"""What can go wrong on the way to another machine."""

from torsh_ops.errors import TorshError


class RetargetError(TorshError, RuntimeError):
    """A kernel that cannot be compiled or linked for a target."""


class ExportError(TorshError, RuntimeError):
    """A model that cannot be written as ONNX."""

"""One error family; each child also is the built-in error that PyTorch raises in its place."""


class TorshError(Exception):
    """Base of every error that torsh_ops raises on purpose."""


class ShapeError(TorshError, RuntimeError):
    """Shapes that do not fit one another or the operation."""


class DTypeError(TorshError, RuntimeError):
    """A dtype that the operation does not take."""


class OperandError(TorshError, TypeError):
    """An operand of a type that is no tensor, array or number."""


class ArgumentError(TorshError, ValueError):
    """An argument whose value the operation does not take."""


class MissingError(TorshError, RuntimeError):
    """Arguments of which one at least is needed, and none was given."""


class DimError(TorshError, IndexError):
    """A dimension or index out of range."""


class DeviceError(TorshError, RuntimeError):
    """A device that does not exist here."""


class GradError(TorshError, RuntimeError):
    """A gradient that cannot be computed."""


class LinAlgError(TorshError, RuntimeError):
    """A matrix for which the result does not exist or was not found: singular, not definite, no convergence."""


class OutOfMemoryError(TorshError, RuntimeError, MemoryError):
    """More memory than the machine has left."""

"""Element-wise operators. The overhead of a call is timed on four of them: the others go the same way in."""

from benchmarks.common import _Timed


class Add(_Timed, workload="add"):
    """Sum of two arrays."""


class Mul(_Timed, workload="mul", sizes=("cache",)):
    """Product of two arrays."""


class Div(_Timed, workload="div", sizes=("cache",)):
    """Quotient of two arrays."""


class Greater(_Timed, workload="gt", sizes=("dispatch", "cache")):
    """Comparison of two arrays."""


class AddBroadcast(_Timed, workload="add_broadcast", sizes=("cache",)):
    """Sum of a matrix and a row."""


class Exp(_Timed, workload="exp"):
    """exp(x)."""


class Log(_Timed, workload="log", sizes=("cache",)):
    """log(x), x > 0."""


class Sqrt(_Timed, workload="sqrt", sizes=("cache",)):
    """Square root."""


class Tanh(_Timed, workload="tanh", sizes=("cache",)):
    """tanh(x)."""


class Relu(_Timed, workload="relu", sizes=("cache",)):
    """max(x, 0)."""


class Sigmoid(_Timed, workload="sigmoid", sizes=("cache",)):
    """1 / (1 + exp(-x))."""


class Silu(_Timed, workload="silu", sizes=("cache",)):
    """x · sigmoid(x)."""


class Gelu(_Timed, workload="gelu", sizes=("dispatch", "cache")):
    """x · Φ(x) through erf."""


class Sin(_Timed, workload="sin", sizes=("cache",)):
    """sin(x)."""


class Clamp(_Timed, workload="clamp", sizes=("dispatch", "cache")):
    """x between two numbers."""


class Where(_Timed, workload="where", sizes=("cache",)):
    """One array or another, by a third."""

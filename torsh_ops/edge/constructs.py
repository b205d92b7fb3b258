"""What a kernel must not use if it is to leave this machine, recognised by the symbol it leaves undefined."""

import re
from collections.abc import Iterable

_LIBM = "fmod|exp|exp2|exp10|expm1|log|log2|log10|log1p|pow|powi|a?(?:sin|cos|tan)h?|atan2|erfc?|cbrt|l?gamma"
# Construct and way out, by what the symbol begins with; the first that fits counts.
_CONSTRUCTS = (
    (r".*(parallel|sched|num_threads|thread_id)", "prange or parallel=True, use range"),
    (r"(scipy_)?cblas_|numba_(xx|ez|raw)", "BLAS or LAPACK, write the loop"),
    (r"numba_(rnd|get_.*random)", "a random number, pass it in"),
    (r"numba_(dict|list|set)_", "a dict, list or set, use arrays"),
    (rf"(llvm\.)?({_LIBM})(f|\.f\d+)?$", "a function of libm, use the polynomials of torsh_ops.kernels"),
    (r"fmaf?$", "a fused multiply-add, which the target does not have"),
    (r"NRT_", "allocation, let the caller pass the array"),
    (r"_?Py|numba_|printf", "Python objects, such as print needs"),
    (r"", "a symbol that the target does not define"),
)


def explain(symbols: Iterable[str]) -> str:
    """One line with each construct that the undefined `symbols` give away, and the symbols.

    >>> explain(["numba_parallel_for"])
    'prange or parallel=True, use range (numba_parallel_for)'
    """
    found: dict[int, list[str]] = {}
    for symbol in sorted(set(symbols)):
        first = next(k for k, (pattern, _) in enumerate(_CONSTRUCTS) if re.match(pattern, symbol))
        found.setdefault(first, []).append(symbol)
    return "; ".join(f"{_CONSTRUCTS[k][1]} ({_few(found[k])})" for k in sorted(found))


def _few(symbols: list[str]) -> str:
    return ", ".join(symbols[:2]) + (f" and {len(symbols) - 2} more" if len(symbols) > 2 else "")

"""Reductions of rows, and functions of whole rows."""

from numba import njit

from torsh_ops.kernels.call.objects import (
    ARRAY_DATA,
    ARRAY_DTYPE,
    ARRAY_NDIM,
    ARRAY_SHAPE,
    COUNTED,
    DIM,
    DIMS,
    FALSE,
    FLOAT,
    FLOAT_VALUE,
    FORMS,
    INLINE,
    KEEPDIM,
    MAX_NDIM,
    NO_DIM,
    NUMBERS,
    OB_TYPE,
    ONE_DIM,
    OPERATOR_TABLE,
    POSITIONAL,
    RECORD_AS,
    SHARED,
    SHARED_WORK,
    TRUE,
    TUPLE,
    TUPLE_ITEMS,
    TUPLE_SIZE,
    by_python,
    decref,
    float_from,
    half,
    kernel_of,
    long_from,
    new_array,
    new_like,
    option,
    plain_array,
    real,
    real_dtype,
    run,
    size_of,
    stack,
    store,
    tensor_of,
    tuple_new,
    tuple_set,
    whole,
    word,
)
from torsh_ops.kernels.call.recording import record_call, wants_grad


@njit(**INLINE)
def _is_last(shared, dim, ndim):
    """Whether an object is the number of the last dimension."""
    index = whole(shared, dim)
    return index == -1 or index == ndim - 1


@njit(**INLINE)
def _last_dims(shared, dim, ndim):
    """How many last dimensions an int, or a tuple of ints in their order, names; 0 when it names others."""
    if word(dim + OB_TYPE) != word(shared + 8 * TUPLE):
        return 1 if _is_last(shared, dim, ndim) else 0
    named = word(dim + TUPLE_SIZE)
    if named > ndim:
        return 0
    for i in range(named):
        index = whole(shared, word(dim + TUPLE_ITEMS + 8 * i))
        if index != ndim - named + i and index != i - named:
            return 0
    return named


@njit(**INLINE)
def _recorded_reduction(table, result, x, first, ndim, keepdim):
    """Record `(x, its dimensions from the first reduced on, keepdim)`."""
    shared = word(table + 8 * SHARED)
    dims = tuple_new(ndim - first)
    for d in range(ndim - first):
        tuple_set(dims, d, long_from(first + d))
    room = stack()
    store(room, x)
    store(room + 8, dims)
    store(room + 16, word(shared + 8 * FALSE) if keepdim == 0 else keepdim)
    recorded = record_call(shared, word(table + 8 * RECORD_AS), result, room, 3)
    decref(dims)
    return recorded


def reduce(self, args, count, names):
    """`op(x)`, `op(x, dim)` and `op(x, dim, keepdim)` over all or the last dimensions: `kernel(x, n, out)`.

    What is recorded is `(x, dims, keepdim)`.
    """
    table, count = word(self + OPERATOR_TABLE), count & COUNTED
    shared, mode = word(table + 8 * SHARED), word(table + 8 * DIMS)
    given = word(names + TUPLE_SIZE) if names != 0 else 0
    if count == 0 or count > word(table + 8 * POSITIONAL):
        return by_python(table, args, count, names)
    x = word(args)
    dim = option(args, count, names, 1, word(shared + 8 * DIM))
    keepdim = option(args, count, names, 2, word(shared + 8 * KEEPDIM))
    a = plain_array(shared, x)
    kind = real_dtype(shared, a) if a != 0 else -1
    known = count + given == 1 + (dim != 0) + (keepdim != 0)
    fits = dim == 0 if mode == NO_DIM else (dim != 0 if mode == ONE_DIM else (dim != 0 or keepdim == 0))
    flag = keepdim == 0 or keepdim == word(shared + 8 * FALSE) or keepdim == word(shared + 8 * TRUE)
    needs_grad = kind >= 0 and wants_grad(shared, x)
    if kind < 0 or not known or not fits or not flag or (needs_grad and word(table + 8 * RECORD_AS) == 0):
        return by_python(table, args, count, names)
    ndim, size, itemsize = half(a + ARRAY_NDIM), size_of(a), 4 + 4 * kind
    if size == 0 or size >= word(shared + 8 * SHARED_WORK) or ndim > MAX_NDIM:
        return by_python(table, args, count, names)
    n, first, kept, shape = size, 0, 0, stack()
    if dim != 0:
        reduced = _last_dims(shared, dim, ndim) if ndim > 0 else 0
        if reduced == 0:
            return by_python(table, args, count, names)
        first = ndim - reduced
        n = 1
        for d in range(ndim):
            at = word(word(a + ARRAY_SHAPE) + 8 * d)
            if d >= first:
                n *= at
            store(shape + 8 * d, at if d < first else 1)
        kept = ndim if keepdim == word(shared + 8 * TRUE) else first
    kernel = kernel_of(table, kind * FORMS)
    if kernel == 0:
        return 0
    rows = size // n
    o = new_array(table, a, kept, shape, 0)
    if o == 0:
        return 0
    run(kernel, itemsize, ((word(a + ARRAY_DATA), size), n, (word(o + ARRAY_DATA), rows)))
    result = tensor_of(shared, o)
    if result != 0 and needs_grad:
        return _recorded_reduction(table, result, x, first, ndim, keepdim)
    return result


def rows(self, args, count, names):
    """`op(x, dim)` along the last dimension: `kernel(x, out)` of (rows, n).

    What is recorded is `(x, dim)`, counted from the front.
    """
    table, count = word(self + OPERATOR_TABLE), count & COUNTED
    shared = word(table + 8 * SHARED)
    given = word(names + TUPLE_SIZE) if names != 0 else 0
    dim = option(args, count, names, 1, word(shared + 8 * DIM)) if count + given == 2 and count != 0 else 0
    if dim == 0:
        return by_python(table, args, count, names)
    x = word(args)
    a = plain_array(shared, x)
    kind = real_dtype(shared, a) if a != 0 else -1
    if kind < 0:
        return by_python(table, args, count, names)
    ndim, size, itemsize = half(a + ARRAY_NDIM), size_of(a), 4 + 4 * kind
    if size == 0 or size >= word(shared + 8 * SHARED_WORK) or ndim == 0 or not _is_last(shared, dim, ndim):
        return by_python(table, args, count, names)
    kernel = kernel_of(table, kind * FORMS)
    if kernel == 0:
        return 0
    o = new_like(table, a, size * itemsize)
    if o == 0:
        return 0
    n = word(word(a + ARRAY_SHAPE) + 8 * (ndim - 1))
    run(kernel, itemsize, ((word(a + ARRAY_DATA), size // n, n), (word(o + ARRAY_DATA), size // n, n)))
    result = tensor_of(shared, o)
    if result != 0 and wants_grad(shared, x):
        last, room = long_from(ndim - 1), stack()
        store(room, x)
        store(room + 8, last)
        result = record_call(shared, word(table + 8 * RECORD_AS), result, room, 2)
        decref(last)
    return result


@njit(**INLINE)
def _vector_of(shared, x, like, n):
    """The array of a Tensor that is a contiguous vector of `n` of the dtype of `like`, or 0."""
    array = plain_array(shared, x)
    if array == 0 or half(array + ARRAY_NDIM) != 1 or word(word(array + ARRAY_SHAPE)) != n:
        return 0
    return array if word(array + ARRAY_DTYPE) == word(like + ARRAY_DTYPE) else 0


def normalise(self, args, count, names):
    """`op(x, (n,), weight, bias, eps)`, or without `bias`: `kernel(x, weight, bias, eps, out, kept)` of rows.

    `kept` (rows, 2) is what the gradient needs; it is recorded as `(x, shape, weight, bias, eps, kept)`.
    """
    table, count = word(self + OPERATOR_TABLE), count & COUNTED
    shared = word(table + 8 * SHARED)
    biased = word(table + 8 * NUMBERS)
    vectors = 1 + biased
    if names != 0 or count < 2 + vectors or count > 3 + vectors:
        return by_python(table, args, count, names)
    x, shape, w = word(args), word(args + 8), word(args + 16)
    b = word(args + 24) if biased else w
    a = plain_array(shared, x)
    kind = real_dtype(shared, a) if a != 0 else -1
    in_tuple = word(shape + OB_TYPE) == word(shared + 8 * TUPLE)
    if kind < 0 or half(a + ARRAY_NDIM) == 0 or not in_tuple or word(shape + TUPLE_SIZE) != 1:
        return by_python(table, args, count, names)
    ndim, size, itemsize = half(a + ARRAY_NDIM), size_of(a), 4 + 4 * kind
    n = word(word(a + ARRAY_SHAPE) + 8 * (ndim - 1))
    weight, bias = _vector_of(shared, w, a, n), _vector_of(shared, b, a, n)
    fits = weight != 0 and bias != 0 and whole(shared, word(shape + TUPLE_ITEMS)) == n
    eps = 1e-5 if biased else (1.1920928955078125e-07 if kind == 0 else 2.220446049250313e-16)
    if count == 3 + vectors:
        given = word(args + 8 * (2 + vectors))
        fits = fits and word(given + OB_TYPE) == word(shared + 8 * FLOAT)
        if fits:
            eps = real(given + FLOAT_VALUE)
    if not fits or size == 0 or size >= word(shared + 8 * SHARED_WORK):
        return by_python(table, args, count, names)
    kernel = kernel_of(table, kind * FORMS)
    if kernel == 0:
        return 0
    pair = stack()
    store(pair, size // n)
    store(pair + 8, 2)
    kept = new_array(table, a, 2, pair, 0)
    o = new_like(table, a, size * itemsize) if kept != 0 else 0
    if o == 0:
        if kept != 0:
            decref(kept)
        return 0
    rows = size // n
    xs, ys, ks = (word(a + ARRAY_DATA), rows, n), (word(o + ARRAY_DATA), rows, n), (word(kept + ARRAY_DATA), rows, 2)
    if biased:
        run(kernel, itemsize, (xs, (word(weight + ARRAY_DATA), n), (word(bias + ARRAY_DATA), n), eps, ys, ks))
    else:
        run(kernel, itemsize, (xs, (word(weight + ARRAY_DATA), n), eps, ys, ks))
    result = tensor_of(shared, o)
    if result != 0 and (wants_grad(shared, x) or wants_grad(shared, w) or wants_grad(shared, b)):
        operands = stack()
        store(operands, x)
        store(operands + 8, shape)
        store(operands + 16, w)
        if biased:
            store(operands + 24, b)
        number, rest = float_from(eps), tensor_of(shared, kept)
        if rest == 0:
            decref(result)
            result = 0
        else:
            store(operands + 8 * (2 + vectors), number)
            store(operands + 8 * (3 + vectors), rest)
            result = record_call(shared, word(table + 8 * RECORD_AS), result, operands, 4 + vectors)
            decref(rest)
        decref(number)
        return result
    decref(kept)
    return result

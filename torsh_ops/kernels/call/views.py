"""Views, small copies and look-ups."""

from numba import njit

from torsh_ops.kernels.call.objects import (
    ARRAY_DATA,
    ARRAY_DTYPE,
    ARRAY_NDIM,
    ARRAY_SHAPE,
    COUNTED,
    DIMS,
    ELLIPSIS,
    FORMS,
    FROM_ROWS,
    I64,
    INLINE,
    INT,
    MAX_NDIM,
    METHOD,
    NDARRAY,
    NONE,
    OB_TYPE,
    OPERATOR_TABLE,
    POOLED,
    SHARED,
    SLICE,
    SLICE_STEP,
    TUPLE,
    TUPLE_ITEMS,
    TUPLE_SIZE,
    any_array,
    by_python,
    clear_error,
    decref,
    get_item,
    half,
    is_plain,
    kernel_of,
    new_array,
    plain_array,
    real_dtype,
    run,
    set_root,
    size_of,
    stack,
    store,
    tensor_of,
    vectorcall_method,
    whole,
    word,
)
from torsh_ops.kernels.call.recording import wants_grad


@njit(**INLINE)
def _view_of(shared, tensor, array):
    """A Tensor of `array`, a view into the memory of `tensor`; 0 with an error set."""
    view = tensor_of(shared, array)
    if view != 0:
        set_root(shared, view, tensor)
    return view


@njit(**INLINE)
def _are_whole(shared, args, count):
    """Whether all arguments beyond the first are ints, or one is a tuple."""
    if count == 2 and word(word(args + 8) + OB_TYPE) == word(shared + 8 * TUPLE):
        return word(word(args + 8) + TUPLE_SIZE) > 0
    for i in range(1, count):
        if word(word(args + 8 * i) + OB_TYPE) != word(shared + 8 * INT):
            return False
    return count > 1


def view(self, args, count, names):
    """`op(x, *ints)` and `op(x, tuple)` as the array's own method of those arguments, where that gives a view."""
    table, count = word(self + OPERATOR_TABLE), count & COUNTED
    shared = word(table + 8 * SHARED)
    x = word(args) if count > 0 else 0
    a = any_array(shared, x) if x != 0 and names == 0 and count <= MAX_NDIM else 0
    if a == 0 or wants_grad(shared, x) or not _are_whole(shared, args, count):
        return by_python(table, args, count, names)
    if word(table + 8 * FROM_ROWS) != 0 and not is_plain(a):
        return by_python(table, args, count, names)
    room = stack()
    store(room, a)
    for i in range(1, count):
        store(room + 8 * i, word(args + 8 * i))
    array = vectorcall_method(word(table + 8 * METHOD), room, count, 0)
    if array == 0:
        # What NumPy refuses, the Python function explains.
        clear_error()
        return by_python(table, args, count, names)
    return _view_of(shared, x, array)


def getitem(self, args, count, names):
    """`x[key]` for a key of ints, slices that step forwards, None, Ellipsis, or a tuple of these."""
    table, count = word(self + OPERATOR_TABLE), count & COUNTED
    shared = word(table + 8 * SHARED)
    x, key = word(args), word(args + 8)
    a = any_array(shared, x) if count == 2 and names == 0 else 0
    if a == 0 or wants_grad(shared, x):
        return by_python(table, args, count, names)
    plain = True
    if word(key + OB_TYPE) == word(shared + 8 * TUPLE):
        for i in range(word(key + TUPLE_SIZE)):
            plain = plain and _is_simple_key(shared, word(key + TUPLE_ITEMS + 8 * i))
    else:
        plain = _is_simple_key(shared, key)
    array = get_item(a, key) if plain else 0
    if array == 0:
        if plain:
            clear_error()
        return by_python(table, args, count, names)
    if word(array + OB_TYPE) != word(shared + 8 * NDARRAY):
        # NumPy gives a number where a tensor has no dimensions left.
        decref(array)
        return by_python(table, args, count, names)
    return _view_of(shared, x, array)


@njit(**INLINE)
def _is_simple_key(shared, key):
    kind = word(key + OB_TYPE)
    if kind == word(shared + 8 * SLICE):
        step = word(key + SLICE_STEP)
        if step == word(shared + 8 * NONE):
            return True
        return whole(shared, step) > 0
    return kind == word(shared + 8 * INT) or key == word(shared + 8 * NONE) or key == word(shared + 8 * ELLIPSIS)


def lookup(self, args, count, names):
    """Lines of a table at integers: `op(index, table)`, or `op(table, 0, index)` where `DIMS` says so.

    `kernel(table, index, out, rows, width, bad)` writes to `bad` the place of an index out of range, or -1.
    """
    table, count = word(self + OPERATOR_TABLE), count & COUNTED
    shared, selects = word(table + 8 * SHARED), word(table + 8 * DIMS)
    if names != 0 or count != 2 + selects:
        return by_python(table, args, count, names)
    x, y = word(args + 8 * (1 - selects)), word(args + 16 * selects)
    a, index = plain_array(shared, x), plain_array(shared, y)
    kind = real_dtype(shared, a) if a != 0 and index != 0 else -1
    if kind < 0 or wants_grad(shared, x) or word(index + ARRAY_DTYPE) != word(shared + 8 * I64):
        return by_python(table, args, count, names)
    ndim, taken = half(a + ARRAY_NDIM), half(index + ARRAY_NDIM)
    kept = ndim + taken - 1
    fits = ndim == 2 if selects == 0 else (ndim > 0 and taken == 1 and whole(shared, word(args + 8)) == 0)
    if not fits or kept > MAX_NDIM or size_of(a) == 0:
        return by_python(table, args, count, names)
    rows, itemsize = word(word(a + ARRAY_SHAPE)), 4 + 4 * kind
    width, places, shape = size_of(a) // rows, size_of(index), stack()
    if places * width * itemsize >= word(shared + 8 * POOLED):
        return by_python(table, args, count, names)
    for d in range(taken):
        store(shape + 8 * d, word(word(index + ARRAY_SHAPE) + 8 * d))
    for d in range(1, ndim):
        store(shape + 8 * (taken + d - 1), word(word(a + ARRAY_SHAPE) + 8 * d))
    kernel = kernel_of(table, kind * FORMS)
    if kernel == 0:
        return 0
    o = new_array(table, a, kept, shape, 0)
    if o == 0:
        return 0
    bad = stack()
    data, out = (word(a + ARRAY_DATA), rows * width), (word(o + ARRAY_DATA), places * width)
    run(kernel, itemsize, (data, (word(index + ARRAY_DATA), places), out, rows, width, (bad, 1)))
    if word(bad) >= 0:
        decref(o)
        return by_python(table, args, count, names)
    return tensor_of(shared, o)

"""What the compiled functions know of Python's and NumPy's objects, and of the tables that serve an operator."""

import sys
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np import arrayobj

# These hold the GIL, as they look into Python's objects.
INLINE: dict[str, Any] = {"forceinline": True, "error_model": "numpy", "fastmath": False, "no_cfunc_wrapper": True}

intp, double = types.intp, types.float64

# Fields of an object, in bytes from its address: CPython's, of a build with the global lock, and NumPy's.
OB_TYPE = 8
FLOAT_VALUE = 16
TUPLE_SIZE, TUPLE_ITEMS = 16, 24
LIST_ITEMS = 24
SLICE_STEP = 32
ARRAY_DATA, ARRAY_NDIM, ARRAY_SHAPE, ARRAY_STRIDES, ARRAY_DTYPE, ARRAY_FLAGS = 16, 24, 32, 40, 56, 64
IN_ROWS, IN_COLUMNS, _ALIGNED, _WRITEABLE = 0x0001, 0x0002, 0x0100, 0x0400

# Of an operator: the address of its table. And the bits of a call's count of arguments that count: the highest one says
# that the word before the arguments may be written to.
OPERATOR_TABLE, COUNTED = 16, (1 << 63) - 1

# The table that all operators share, in words.
TENSOR, NDARRAY, FLOAT, INT, TUPLE, LIST, SLICE = range(7)
FALSE, TRUE, NONE, ELLIPSIS, DIM, KEEPDIM, MIN, MAX = range(7, 15)
F32, F64, BOOL, I64 = range(15, 19)
NEW_ARRAY, EMPTY, RECORD, TEMPLATE = range(19, 23)
SLOTS, SLOTS_END, SLOT_ARRAY, SLOT_GRAD, SLOT_BASE = range(23, 28)
POOLED, SHARED_WORK = range(28, 30)
STR, ALLOCATE, SET_BASE, THREADS = range(30, 34)
NODE, NODE_OP, NODE_ARGS, NODE_RESULT, NODE_CHANGED, NODE_PREVIOUS, NODE_ORDER, SLOT_NODE = range(34, 42)
CLOCK, RECORDING = range(42, 44)
SHARED_SIZE = 44

# The table of one operator: the shared one, its Python function, what fetches a missing kernel, the word of the
# result's dtype (0: the operands'), which operands may be numbers, which dimensions it reduces and how many
# arguments mean so by their position, NumPy's function or the name of the array's method that does the work, whether
# only contiguous arrays have a view (of plans: whether these are the result themselves), which forms of operands it
# takes (a bit each), the operator whose gradient it has and the addresses of kernels, these two by form, and the
# kernels by dtype.
SHARED, PYTHON, FETCH, RESULT, NUMBERS, DIMS, POSITIONAL, METHOD, FROM_ROWS, FORMS_TAKEN, RECORD_AS = range(11)
BOTH, LEFT, RIGHT = range(3)
FORMS = 4
KERNELS = RECORD_AS + FORMS
TABLE_SIZE = KERNELS + 2 * FORMS
# A multiply-add costs that much less than an element of a memory-bound kernel.
MORE_WORK = 8
# And a batch so much more: as two threads would take it (a batch of 2 M multiply-adds: 37 us by Python, 31 without).
BATCH_WORK = 64
# What DIMS says: everything unless a `dim` is given, only everything, or only one dimension.
ANY_DIMS, NO_DIM, ONE_DIM = range(3)
# Of an operator of three operands: all are values, the first chooses, the others are bounds, the second chooses.
VALUES, CHOICE, BOUNDS, FILLING = range(4)
MAX_NDIM = 8  # what `stack` has room for

alloc = types.ExternalFunction("PyType_GenericAlloc", intp(intp, intp))
_is_subtype = types.ExternalFunction("PyType_IsSubtype", types.int32(intp, intp))
_counted = types.ExternalFunction("Py_IncRef", types.void(intp))
_given_up = types.ExternalFunction("Py_DecRef", types.void(intp))
_dealloc = types.ExternalFunction("_Py_Dealloc", types.void(intp))
vectorcall = types.ExternalFunction("PyObject_Vectorcall", intp(intp, intp, intp, intp))
_long_as_double = types.ExternalFunction("PyLong_AsDouble", double(intp))
error = types.ExternalFunction("PyErr_Occurred", intp())
clear_error = types.ExternalFunction("PyErr_Clear", types.void())
tuple_new = types.ExternalFunction("PyTuple_New", intp(intp))
tuple_set = types.ExternalFunction("PyTuple_SetItem", types.int32(intp, intp, intp))
vectorcall_method = types.ExternalFunction("PyObject_VectorcallMethod", intp(intp, intp, intp, intp))
get_item = types.ExternalFunction("PyObject_GetItem", intp(intp, intp))
as_index = types.ExternalFunction("PyLong_AsSsize_t", intp(intp))
float_from = types.ExternalFunction("PyFloat_FromDouble", intp(double))
long_from = types.ExternalFunction("PyLong_FromSsize_t", intp(intp))


def _reader(kind: Any, result: Any) -> Any:
    @intrinsic
    def read(typingctx: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            llvm = context.get_value_type(kind)
            return context.cast(builder, builder.load(builder.inttoptr(args[0], llvm.as_pointer())), kind, result)

        return result(intp), codegen

    return read


word, half = _reader(intp, intp), _reader(types.int32, intp)
real, single = _reader(double, double), _reader(types.float32, double)


@intrinsic
def store(typingctx: Any, address: Any, value: Any) -> Any:
    """Write a word."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[1], builder.inttoptr(args[0], args[1].type.as_pointer()))
        return context.get_dummy_value()

    return types.void(intp, intp), codegen


# A count of references is the first word of an object, until 3.12 gave some bits of it another meaning. A Tensor has
# ten references to write: as calls they cost 15 ns.
_PLAIN_COUNTS = sys.version_info < (3, 12) and not hasattr(sys, "gettotalrefcount")


@njit(**INLINE)
def incref(x):
    """Count one more reference to an object."""
    if _PLAIN_COUNTS:
        store(x, word(x) + 1)
    else:
        _counted(x)


@njit(**INLINE)
def decref(x):
    """Give up a reference to an object."""
    if not _PLAIN_COUNTS:
        _given_up(x)
        return
    count = word(x) - 1
    store(x, count)
    if count == 0:
        _dealloc(x)


@intrinsic
def stack(typingctx: Any) -> Any:
    """The address of eight words that live until the function returns."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        room = cgutils.alloca_once(builder, ir.IntType(64), size=8)
        return builder.ptrtoint(room, ir.IntType(64))

    return intp(), codegen


@intrinsic
def array_at(
    typingctx: Any, function: Any, kind: Any, dtype: Any, ndim: Any, shape: Any, strides: Any, data: Any, flags: Any
) -> Any:
    """PyArray_NewFromDescr: an array at `data`, writable where `flags` say so, or of memory of its own when 0."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        i64, i32 = ir.IntType(64), ir.IntType(32)
        function, kind, dtype, ndim, shape, strides, data, flags = args
        new = ir.FunctionType(i64, [i64, i64, i32, i64, i64, i64, i32, i64])
        flags = builder.and_(builder.trunc(flags, i32), i32(_WRITEABLE))
        given = [kind, dtype, builder.trunc(ndim, i32), shape, strides, data, flags, i64(0)]
        return builder.call(builder.inttoptr(function, new.as_pointer()), given)

    return intp(*[intp] * 8), codegen


@intrinsic
def view_of(typingctx: Any, function: Any, array: Any, base: Any) -> Any:
    """PyArray_SetBaseObject: `array` looks into the memory of `base`, whose reference it takes over."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        i64 = ir.IntType(64)
        kind = ir.FunctionType(ir.IntType(32), [i64, i64]).as_pointer()
        builder.call(builder.inttoptr(args[0], kind), args[1:])
        return context.get_dummy_value()

    return types.void(intp, intp, intp), codegen


@intrinsic
def run(typingctx: Any, function: Any, itemsize: Any, operands: Any) -> Any:
    """Call the kernel at an address as Numba does.

    Of the operands, a tuple is an array (its data, then its shape), an integer and a real are themselves.
    """
    parameters = [
        types.Array(types.float32, len(kind) - 1, "C") if isinstance(kind, types.BaseTuple) else kind
        for kind in operands
    ]

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        function, itemsize, given = args
        values = []
        for kind, operand in zip(parameters, cgutils.unpack_tuple(builder, given), strict=True):
            if not isinstance(kind, types.Array):
                values.append(operand)
                continue
            data, *shape = cgutils.unpack_tuple(builder, operand)
            strides = [itemsize]
            for size in shape[:0:-1]:
                strides.insert(0, builder.mul(strides[0], size))
            array = arrayobj.make_array(kind)(context, builder)
            data = builder.inttoptr(data, context.get_data_type(kind.dtype).as_pointer())
            arrayobj.populate_array(array, data=data, shape=shape, strides=strides, itemsize=itemsize, meminfo=None)
            values.append(array._getvalue())
        kernel = context.call_conv.get_function_type(types.none, parameters).as_pointer()
        context.call_conv.call_function(builder, builder.inttoptr(function, kernel), types.none, parameters, values)
        return context.get_dummy_value()

    return types.void(intp, intp, operands), codegen


@njit(**INLINE)
def by_python(table, args, count, names):
    """Hand the call to the operator's Python function."""
    return vectorcall(word(table + 8 * PYTHON), args, count, names)


@njit(**INLINE)
def is_tensor(shared, x):
    """Whether an object is a Tensor."""
    kind = word(x + OB_TYPE)
    return kind == word(shared + 8 * TENSOR) or _is_subtype(kind, word(shared + 8 * TENSOR)) != 0


@njit(**INLINE)
def any_array(shared, x):
    """The aligned array of a Tensor, or 0."""
    if not is_tensor(shared, x):
        return 0
    array = word(x + word(shared + 8 * SLOT_ARRAY))
    if word(array + OB_TYPE) != word(shared + 8 * NDARRAY) or half(array + ARRAY_FLAGS) & _ALIGNED == 0:
        return 0
    return array


@njit(**INLINE)
def is_plain(array):
    """Whether an array is C-contiguous."""
    return half(array + ARRAY_FLAGS) & IN_ROWS != 0


@njit(**INLINE)
def plain_array(shared, x):
    """The array of a Tensor that a kernel can take as it is, or 0."""
    array = any_array(shared, x)
    return array if array != 0 and is_plain(array) else 0


@njit(**INLINE)
def is_one_number(array):
    """Whether every element is the first one: a 0-d array, or one expanded from it."""
    for d in range(half(array + ARRAY_NDIM)):
        if word(word(array + ARRAY_STRIDES) + 8 * d) != 0:
            return False
    return True


@njit(**INLINE)
def first_element(shared, array):
    """The first element, as float64."""
    data = word(array + ARRAY_DATA)
    return real(data) if word(array + ARRAY_DTYPE) == word(shared + 8 * F64) else single(data)


@njit(**INLINE)
def size_of(array):
    """The number of elements."""
    size = 1
    for d in range(half(array + ARRAY_NDIM)):
        size *= word(word(array + ARRAY_SHAPE) + 8 * d)
    return size


@njit(**INLINE)
def ends_with(array, other):
    """Whether the shape of `array` ends with that of `other`."""
    ndim, less = half(array + ARRAY_NDIM), half(other + ARRAY_NDIM)
    shape, end = word(array + ARRAY_SHAPE), word(other + ARRAY_SHAPE)
    for d in range(less):
        if word(shape + 8 * (ndim - less + d)) != word(end + 8 * d):
            return False
    return True


@njit(**INLINE)
def same_shape(array, other):
    """Whether two arrays have one shape."""
    return half(array + ARRAY_NDIM) == half(other + ARRAY_NDIM) and ends_with(array, other)


@njit(**INLINE)
def real_dtype(shared, array):
    """0 for float32, 1 for float64, -1 for all others."""
    dtype = word(array + ARRAY_DTYPE)
    if dtype == word(shared + 8 * F32):
        return 0
    return 1 if dtype == word(shared + 8 * F64) else -1


@njit(**INLINE)
def kernel_of(table, which):
    """The address of a kernel; fetched, so compiled when it must be, on first use. 0 with an error set."""
    at = table + 8 * (KERNELS + which)
    if word(at) == 0:
        number = long_from(which)
        room = stack()
        store(room, number)
        done = vectorcall(word(table + 8 * FETCH), room, 1, 0)
        decref(number)
        if done == 0:
            return 0
        decref(done)
    return word(at)


@njit(**INLINE)
def new_in(shared, dtype, ndim, shape):
    """A new array in memory of NumPy's own; 0 with an error set."""
    incref(dtype)
    return array_at(word(shared + 8 * NEW_ARRAY), word(shared + 8 * NDARRAY), dtype, ndim, shape, 0, 0, 0)


@njit(**INLINE)
def new_array(table, array, ndim, shape, nbytes):
    """A new array of the operator's dtype, or that of `array`; 0 with an error set."""
    shared, result = word(table + 8 * SHARED), word(table + 8 * RESULT)
    dtype = word(array + ARRAY_DTYPE) if result == 0 else word(shared + 8 * result)
    if nbytes < word(shared + 8 * POOLED):
        return new_in(shared, dtype, ndim, shape)
    # Only results of the shape of `array` are that large here.
    room = stack()
    store(room, array)
    store(room + 8, dtype)
    return vectorcall(word(shared + 8 * EMPTY), room, 2, 0)


@njit(**INLINE)
def new_like(table, array, nbytes):
    """`new_array` of the shape of `array`."""
    return new_array(table, array, half(array + ARRAY_NDIM), word(array + ARRAY_SHAPE), nbytes)


@njit(**INLINE)
def tensor_of(shared, array):
    """A Tensor of `array`, whose reference it takes over; 0 with an error set."""
    tensor = alloc(word(shared + 8 * TENSOR), 0)
    if tensor == 0:
        decref(array)
        return 0
    template = word(shared + 8 * TEMPLATE)
    for at in range(word(shared + 8 * SLOTS), word(shared + 8 * SLOTS_END), 8):
        value = word(template + at)
        incref(value)
        store(tensor + at, value)
    decref(word(tensor + word(shared + 8 * SLOT_ARRAY)))
    store(tensor + word(shared + 8 * SLOT_ARRAY), array)
    return tensor


@njit(**INLINE)
def set_root(shared, view, tensor):
    """Note that `view` looks into the memory of `tensor`, or of what that looks into."""
    at = word(shared + 8 * SLOT_BASE)
    base = word(tensor + at)
    root = tensor if base == word(shared + 8 * NONE) else base
    incref(root)
    decref(word(view + at))
    store(view + at, root)


@njit(**INLINE)
def number_of(shared, x):
    """Whether `x` is a float, or an int that fits one, and its value."""
    kind = word(x + OB_TYPE)
    if kind == word(shared + 8 * FLOAT):
        return True, real(x + FLOAT_VALUE)
    if kind == word(shared + 8 * INT):
        value = _long_as_double(x)
        if value == -1.0 and error() != 0:
            clear_error()
            return False, 0.0
        return True, value
    return False, 0.0


@njit(**INLINE)
def option(args, count, names, position, name):
    """The argument at a position or of a name, 0 when it is not given."""
    if position < count:
        return word(args + 8 * position)
    given = word(names + TUPLE_SIZE) if names != 0 else 0
    for i in range(given):
        if word(names + TUPLE_ITEMS + 8 * i) == name:
            return word(args + 8 * (count + i))
    return 0


@njit(**INLINE)
def whole(shared, number):
    """The value of an int; -2, which no caller wants, of what is none or does not fit."""
    if word(number + OB_TYPE) != word(shared + 8 * INT):
        return -2
    value = as_index(number)
    if value == -1 and error() != 0:
        clear_error()
        return -2
    return value

"""Kernels compiled for other machines: what they compute there, and what is refused."""

import functools
import importlib.util

import edge_kernels
import numpy as np
import pytest

from torsh_ops import edge
from torsh_ops.edge import RetargetError, constructs, link_program, link_wasm, retarget
from torsh_ops.edge.signature import Signature
from torsh_ops.edge.targets import Target
from torsh_ops.errors import ArgumentError

needs_zig = pytest.mark.skipif(
    importlib.util.find_spec("ziglang") is None, reason="linking needs ziglang: pip install .[edge]"
)
VECTOR = "f4[n] f4[n]"


@functools.cache
def softmax_for(target):
    return retarget("torsh_ops.kernels.rows:softmax", "f4[m,n] f4[m,n]", target)


def call_in_wasm(module, name, arrays, *numbers, scalars=()):
    """Call a function of a WebAssembly module on copies of `arrays`: its status and the last array."""
    wasmtime = pytest.importorskip("wasmtime", reason="running WebAssembly needs wasmtime: pip install .[edge]")
    store = wasmtime.Store()
    exports = wasmtime.Instance(store, wasmtime.Module(store.engine, module), []).exports(store)
    memory, place, places = exports["memory"], exports["__heap_base"].value(store), []
    for array in arrays:
        place = -(-place // 64) * 64
        places.append(place)
        missing = place + array.nbytes - memory.data_len(store)
        if missing > 0:
            memory.grow(store, -(-missing // 65536))
        memory.write(store, array.tobytes(), place)
        place += array.nbytes
    status = exports[name](store, *scalars, *places, *numbers)
    data = memory.read(store, places[-1], place)
    return status, np.frombuffer(data, arrays[-1].dtype).reshape(arrays[-1].shape)


@pytest.fixture(scope="module")
def on_wasm():
    def run(kernel, args, arrays, *numbers, scalars=(), target="wasm32-simd128"):
        code = retarget(f"edge_kernels:{kernel}", args, target)
        return call_in_wasm(link_wasm(code), kernel, arrays, *numbers, scalars=scalars)

    return run


@needs_zig
@pytest.mark.parametrize("target", ["wasm32", "wasm32-simd128"])
def test_square_roots_and_floors_become_instructions(on_wasm, target):
    x = np.linspace(0, 9, 37, dtype=np.float32)
    status, out = on_wasm("root_and_floor", VECTOR, [x, np.zeros_like(x)], x.size, target=target)
    assert status == 0
    np.testing.assert_allclose(out, 2 * np.sqrt(x) + 3 * np.floor(x) + np.ceil(x), rtol=1e-6)


@needs_zig
def test_scalars_axes_and_doubles_arrive_as_written(on_wasm):
    x = np.arange(3 * 4 * 5, dtype=np.float64).reshape(3, 4, 5)
    arrays = [x, np.zeros((5, 3, 4))]
    _, out = on_wasm("scaled_volume", "f8 f8[3,m,n] f8[n,3,m]", arrays, 4, 5, scalars=(2.5,))
    np.testing.assert_array_equal(out, 2.5 * x.transpose(2, 0, 1))


@needs_zig
def test_64_bit_integers_survive_32_bit_pointers(on_wasm):
    x = np.array([0, 1, -1, 2**62, 123456789012345678], np.int64)
    _, out = on_wasm("scramble", "i8[n] i8[n]", [x, np.zeros_like(x)], x.size)
    expected = np.zeros_like(x)
    edge_kernels.scramble(x, expected)
    np.testing.assert_array_equal(out, expected)


@needs_zig
def test_int8_products_add_up_in_int32(on_wasm):
    a, b = np.random.default_rng(0).integers(-128, 128, (2, 99)).astype(np.int8)
    _, out = on_wasm("dot_int8", "i1[n] i1[n] i4[1]", [a, b, np.zeros(1, np.int32)], a.size)
    assert out[0] == a.astype(int) @ b.astype(int)


@needs_zig
def test_without_a_fused_multiply_add_both_steps_round(on_wasm):
    x = np.float32(1) + np.arange(64, dtype=np.float32) * np.float32(2**-20)
    _, out = on_wasm("fused", VECTOR, [x, np.zeros_like(x)], x.size)
    np.testing.assert_array_equal(out, x * x - np.float32(1))
    host = np.zeros_like(x)
    edge_kernels.fused(x, host)
    assert (host != out).any()


@needs_zig
def test_a_kernel_that_raises_returns_its_status(on_wasm):
    x = np.array([-1], np.float32)
    status, out = on_wasm("refuse_negative", "f4[1] f4[1]", [x, np.zeros_like(x)])
    assert (status != 0, out[0]) == (True, 0)


@needs_zig
@pytest.mark.parametrize("target", ["wasm32", "wasm32-simd128"])
def test_the_cores_softmax_is_the_same_in_webassembly(target):
    x = np.random.default_rng(0).standard_normal((9, 131)).astype(np.float32) * 20
    module = link_wasm(softmax_for(target))
    status, out = call_in_wasm(module, "softmax", [x, np.zeros_like(x)], *x.shape)
    shifted = np.exp(x - x.max(1, keepdims=True).astype(np.float64))
    assert status == 0
    np.testing.assert_allclose(out, shifted / shifted.sum(1, keepdims=True), rtol=5e-6, atol=1e-30)


@needs_zig
def test_one_module_holds_several_kernels():
    args = "f4[n] f4[n]"
    objects = [
        retarget("torsh_ops.kernels.unary:relu", args, "wasm32"),
        retarget("torsh_ops.kernels.unary:relu", "f8[n] f8[n]", "wasm32", name="relu64"),
    ]
    module = link_wasm(*objects)
    for name, dtype in (("relu", np.float32), ("relu64", np.float64)):
        x = np.array([-1, 2, -3, 4], dtype)
        _, out = call_in_wasm(module, name, [x, np.zeros_like(x)], x.size)
        np.testing.assert_array_equal(out, np.maximum(x, 0))


@pytest.mark.parametrize(
    ("target", "vector"),
    [
        ("armv8-neon", "fmla\tv"),
        ("riscv64-v", "vfmacc."),
        ("riscv64", None),
        ("wasm32-simd128", "f32x4.mul"),
        ("wasm32", None),
    ],
)
def test_the_cores_softmax_uses_the_targets_vectors(target, vector):
    code = softmax_for(target)
    assert code.prototype == "int softmax(float *, float *, int m, int n)"
    assert code.code[:4] == (b"\0asm" if target.startswith("wasm") else b"\x7fELF")
    if vector:
        assert vector in code.assembly
    else:
        assert not any(word in code.assembly for word in ("f32x4", "vset", "vle32"))


def test_the_object_depends_on_the_kernel_alone(monkeypatch):
    def build():
        return retarget("edge_kernels:root_and_floor", VECTOR, "armv8-neon").code

    first = build()
    for name, value in (("NUMBA_OPT", "3"), ("NUMBA_CPU_NAME", "haswell"), ("NUMBA_BOUNDSCHECK", "1")):
        monkeypatch.setenv(name, value)
    assert build() == first


@pytest.mark.parametrize(
    ("kernel", "reason"),
    [
        ("reverse", r"reverse cannot leave this machine: allocation.*NRT_"),
        ("copy_in_parallel", "prange or parallel=True"),
        ("exp", r"a function of libm.*llvm\.exp\.f32"),
        ("not_compiled", "edge_kernels:not_compiled is a function; only an @njit function"),
        ("missing", "no kernel edge_kernels:missing: .*no attribute 'missing'"),
    ],
)
def test_what_cannot_leave_is_named(kernel, reason):
    with pytest.raises(RetargetError, match=reason):
        retarget(f"edge_kernels:{kernel}", VECTOR, "armv8-neon")


def test_a_kernel_that_does_not_take_the_arguments_is_named():
    with pytest.raises(RetargetError, match=r"exp does not compile for void\(float32\[::1\]\): Signature mismatch"):
        retarget("edge_kernels:exp", "f4[n]", "armv8-neon")


@needs_zig
def test_what_the_code_generator_adds_is_named_by_the_linker():
    code = retarget("edge_kernels:remainder", VECTOR, "wasm32")
    with pytest.raises(RetargetError, match=r"linking remainder failed: a function of libm.*fmodf"):
        link_wasm(code)


@pytest.mark.parametrize(
    ("symbol", "construct"),
    [
        ("NRT_Allocate", "allocation"),
        ("numba_parallel_for", "prange"),
        ("numba_dict_insert", "a dict"),
        ("numba_get_np_random_state", "a random number"),
        ("scipy_cblas_sgemm", "BLAS"),
        ("numba_xxgemm", "BLAS"),
        ("PyErr_SetString", "Python objects"),
        ("llvm.tanh.f64", "a function of libm"),
        ("fmaf", "a fused multiply-add"),
        ("somewhere_else", "does not define"),
    ],
)
def test_symbols_are_explained_by_their_construct(symbol, construct):
    assert construct in constructs.explain([symbol])
    assert symbol in constructs.explain([symbol])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("edge_kernels:exp", VECTOR, "armv9"), "no target 'armv9'; there are armv8-neon"),
        (("edge_kernels", VECTOR, "wasm32"), "'edge_kernels' names no kernel"),
        (("edge_kernels:exp", "f4[n] f2[n]", "wasm32"), r"'f2\[n\]' in 'f4\[n\] f2\[n\]' is no argument"),
    ],
)
def test_bad_arguments_are_refused_before_anything_starts(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        retarget(*arguments)
    with pytest.raises(ArgumentError, match="'2x' is no name"):
        retarget("edge_kernels:exp", VECTOR, "wasm32", name="2x")


def test_signatures_share_dimensions():
    signature = Signature.parse("f8 f4[3,m,n] i1[n] u1[m]")
    assert signature.dims == ("m", "n")
    assert signature.prototype("f") == "int f(double, float *, signed char *, unsigned char *, int m, int n)"
    assert signature.numba() == "void(float64, float32[:, :, ::1], int8[::1], uint8[::1])"


def test_a_missing_back_end_is_named():
    from torsh_ops.edge.worker import target_machine

    with pytest.raises(RetargetError, match="no back end for pdp11-unknown-unix"):
        target_machine(Target("pdp11", "pdp11-unknown-unix"))


def test_a_missing_linker_says_what_to_install(monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ziglang" else find_spec(name))
    code = edge.ObjectCode("f", edge.TARGETS["wasm32"], "int f()", b"", "", 0.0)
    with pytest.raises(RetargetError, match=r"pip install torsh-ops\[edge\]"):
        link_wasm(code)


def test_linking_refuses_the_wrong_kind_of_object(tmp_path):
    wasm = edge.ObjectCode("f", edge.TARGETS["wasm32"], "int f()", b"", "", 0.0)
    arm = edge.ObjectCode("f", edge.TARGETS["armv8-neon"], "int f()", b"", "", 0.0)
    with pytest.raises(ArgumentError, match="whose target is wasm32"):
        link_wasm(wasm, arm)
    with pytest.raises(ArgumentError, match="use link_wasm for wasm32"):
        link_program(tmp_path / "driver.c", wasm)

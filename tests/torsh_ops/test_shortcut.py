"""The compiled functions that stand before the operators must do what the Python functions behind them do."""

import copy
import inspect
import pickle
import pydoc
import subprocess
import sys
import threading

import numpy as np
import pytest
from leaks import assert_nothing_is_kept
from oracle import LAYOUTS

import torsh_ops
from torsh_ops.autograd import record
from torsh_ops.errors import DimError, ShapeError
from torsh_ops.ops import shortcut

UNARY = {"exp": np.exp, "neg": np.negative, "sqrt": np.sqrt, "abs": np.abs}
BINARY = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "gt": np.greater, "eq": np.equal,
    "maximum": np.maximum,
}  # fmt: skip
REDUCTIONS = {"sum": np.sum, "mean": np.mean, "amax": np.max, "argmin": np.argmin}
# Two operands: of one shape, a repeated suffix on either side, 0-d, stretched ones that only NumPy's way takes, empty.
SHAPES = [
    ((4, 5), (4, 5)), ((2, 4, 5), (5,)), ((5,), (3, 5)), ((), (4, 5)), ((3,), ()), ((), ()),
    ((4, 1), (1, 5)), ((0, 3), (3,)),
]  # fmt: skip


def tensor(rng, shape, dtype="float32"):
    return torsh_ops.from_numpy(np.asarray(rng.uniform(0.5, 2.0, shape), dtype=dtype))


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("dtype", ("float32", "float64"))
def test_binary_forms(name, dtype):
    rng = np.random.default_rng(2)
    op = getattr(torsh_ops, name)
    for left, right in SHAPES:
        x, y = tensor(rng, left, dtype), tensor(rng, right, dtype)
        expected = BINARY[name](x.numpy(), y.numpy())
        found = op(x, y)
        assert found.shape == expected.shape
        assert found.numpy().dtype == expected.dtype
        np.testing.assert_array_equal(found.numpy(), expected)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_binary_layouts_and_expanded_operands(layout):
    rng = np.random.default_rng(3)
    x = torsh_ops.from_numpy(LAYOUTS[layout](rng.standard_normal((4, 6)).astype("f4")))
    y = tensor(rng, (4, 6))
    number = tensor(rng, ())
    np.testing.assert_array_equal((x + y).numpy(), x.numpy() + y.numpy())
    np.testing.assert_array_equal((x - number.expand(4, 6)).numpy(), x.numpy() - number.numpy())
    np.testing.assert_array_equal((number.expand(4, 6) - x).numpy(), number.numpy() - x.numpy())
    row = tensor(rng, (6,))
    np.testing.assert_array_equal((row.expand(4, 6) / x).numpy(), row.numpy() / x.numpy())


def test_an_unaligned_array():
    raw = np.zeros(4 * 8 + 1, np.uint8)
    odd = raw[1:].view(np.float32)
    odd[:] = np.arange(8)
    assert not odd.flags.aligned
    found, expected = torsh_ops.exp(torsh_ops.from_numpy(odd)), torsh_ops.exp(torsh_ops.arange(8.0))
    np.testing.assert_array_equal(found.numpy(), expected.numpy())


@pytest.mark.parametrize("number", (2, 0.5, -3, 10**30, float("inf")))
def test_numbers(number):
    x = tensor(np.random.default_rng(4), (7,))
    as_f4 = np.float32(number)
    np.testing.assert_array_equal((x * number).numpy(), x.numpy() * as_f4)
    np.testing.assert_array_equal((number - x).numpy(), as_f4 - x.numpy())
    assert (x * number).dtype is torsh_ops.float32


def test_what_the_short_way_does_not_take():
    x = tensor(np.random.default_rng(5), (3, 4))
    assert (x + True).dtype is torsh_ops.float32
    assert (x + x.to(torsh_ops.float64)).dtype is torsh_ops.float64
    assert (torsh_ops.arange(3) + torsh_ops.arange(3)).dtype is torsh_ops.int64
    np.testing.assert_array_equal(torsh_ops.add(x, x, alpha=2).numpy(), x.numpy() * 3)
    with pytest.raises(ShapeError, match=r"\(3, 4\) and \(3,\)"):
        torsh_ops.add(x, tensor(np.random.default_rng(5), (3,)))
    with pytest.raises(TypeError):
        torsh_ops.maximum(x, 2.0)
    with pytest.raises(TypeError, match="must be Tensor"):
        torsh_ops.exp(np.ones(3))
    for call in (lambda: torsh_ops.exp(), lambda: torsh_ops.exp(x, x), lambda: torsh_ops.sum(x, axes=1)):
        with pytest.raises(TypeError):
            call()


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name):
    rng, op, oracle = np.random.default_rng(6), getattr(torsh_ops, name), REDUCTIONS[name]
    for shape in ((5,), (3, 7), (2, 3, 4)):
        x = tensor(rng, shape, "float64")
        a = x.numpy()
        np.testing.assert_allclose(op(x).numpy(), oracle(a), rtol=1e-14)
        for found in (op(x, -1), op(x, dim=-1), op(x, len(shape) - 1, False)):
            np.testing.assert_allclose(found.numpy(), oracle(a, -1), rtol=1e-14)
        for found in (op(x, -1, True), op(x, keepdim=True, dim=-1), op(x, -1, keepdim=True)):
            np.testing.assert_allclose(found.numpy(), np.expand_dims(oracle(a, -1), -1), rtol=1e-14)
        np.testing.assert_allclose(op(x, 0).numpy(), oracle(a, 0), rtol=1e-14)
        if name != "argmin" and len(shape) > 1:
            for dims in ((-2, -1), (len(shape) - 2, len(shape) - 1), (-1, -2), (0, 1), (len(shape) - 1,)):
                np.testing.assert_allclose(op(x, dims).numpy(), oracle(a, dims), rtol=1e-14)
                np.testing.assert_allclose(op(x, dims, True).numpy(), oracle(a, dims, keepdims=True), rtol=1e-14)
        with pytest.raises(DimError):
            op(x, 3)


def test_the_third_argument_of_var_is_not_keepdim():
    x = tensor(np.random.default_rng(7), (3, 8), "float64")
    np.testing.assert_allclose(x.var(1, False).numpy(), x.numpy().var(1))
    np.testing.assert_allclose(x.var(1).numpy(), x.numpy().var(1, ddof=1))
    assert x.var(1, keepdim=True).shape == (3, 1)


@pytest.mark.parametrize(
    ("left", "right"), [((3, 4), (4, 5)), ((3, 4), (4,)), ((2, 3, 4), (2, 4, 5)), ((2, 3, 4), (4, 5)), ((4,), (4,))]
)
def test_products(left, right):
    rng = np.random.default_rng(8)
    a, b = tensor(rng, left, "float64"), tensor(rng, right, "float64")
    np.testing.assert_allclose((a @ b).numpy(), a.numpy() @ b.numpy(), rtol=1e-14)
    if len(left) == len(right) == 2:
        np.testing.assert_allclose((b.T @ a.T).numpy(), (a.numpy() @ b.numpy()).T, rtol=1e-14)
    with pytest.raises((ShapeError, RuntimeError)):
        a @ tensor(rng, (9, 9), "float64")


def test_operators_of_three_operands():
    rng = np.random.default_rng(17)
    x, y, z = (torsh_ops.from_numpy(rng.standard_normal((4, 6))) for _ in range(3))
    a, b, c = x.numpy(), y.numpy(), z.numpy()
    cases = {
        "where": (torsh_ops.where(x > 0, y, z), np.where(a > 0, b, c)),
        "where number": (torsh_ops.where(x > 0, 1, z), np.where(a > 0, 1, c)),
        "where broadcast": (torsh_ops.where(x > 0, y[0], z), np.where(a > 0, b[0], c)),
        "clamp": (x.clamp(-0.5, 0.5), np.clip(a, -0.5, 0.5)),
        "clamp below": (torsh_ops.clamp(x, min=0.1), np.maximum(a, 0.1)),
        "clamp above": (torsh_ops.clamp(x, None, 0.1), np.minimum(a, 0.1)),
        "clamp by tensors": (torsh_ops.clamp(x, max=z, min=y), np.minimum(np.maximum(a, b), c)),
        "lerp": (torsh_ops.lerp(x, y, 0.25), a + 0.25 * (b - a)),
        "lerp by a tensor": (torsh_ops.lerp(x, y, z), a + c * (b - a)),
        "addcmul": (torsh_ops.addcmul(x, y, z), a + b * c),
        "addcmul value": (torsh_ops.addcmul(x, y, z, value=2), a + 2 * b * c),
        "addcdiv": (torsh_ops.addcdiv(x, y, z), a + b / c),
        "masked_fill": (x.masked_fill(y > 0, -1.5), np.where(b > 0, -1.5, a)),
        "masked_fill row": (x.masked_fill(y[0] > 0, 2), np.where(b[0] > 0, 2, a)),
        "masked_fill tensor": (x.masked_fill(y > 0, torsh_ops.tensor(0.5).double()), np.where(b > 0, 0.5, a)),
    }
    for name, (found, expected) in cases.items():
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-14, err_msg=name)
    leaf = x.clone().requires_grad_()
    (torsh_ops.where(leaf > 0, leaf, 0.0) + torsh_ops.clamp(leaf, min=0.0)).sum().backward()
    np.testing.assert_array_equal(leaf.grad.numpy(), 2.0 * (a > 0))
    for bad in (lambda: torsh_ops.lerp(x, 1.0, 0.5), lambda: torsh_ops.addcmul(x, x, 2.0)):
        with pytest.raises(TypeError, match="must be Tensor"):
            bad()


def test_parameters_that_have_defaults():
    F = torsh_ops.nn.functional
    x = torsh_ops.from_numpy(np.linspace(-30.0, 30.0, 41))
    a = x.numpy()
    np.testing.assert_allclose(F.leaky_relu(x).numpy(), np.where(a > 0, a, 0.01 * a))
    np.testing.assert_allclose(F.leaky_relu(x, 0.5).numpy(), np.where(a > 0, a, 0.5 * a))
    np.testing.assert_allclose(F.elu(x).numpy(), np.where(a > 0, a, np.expm1(a)))
    np.testing.assert_allclose(F.softplus(x).numpy(), np.logaddexp(a, 0), atol=1e-8)
    leaf = x.clone().requires_grad_()
    F.leaky_relu(leaf).sum().backward()
    np.testing.assert_array_equal(leaf.grad.numpy(), np.where(a > 0, 1.0, 0.01))


def test_joining():
    rng = np.random.default_rng(19)
    x, y = tensor(rng, (2, 3)), tensor(rng, (4, 3))
    a, b = x.numpy(), y.numpy()
    np.testing.assert_array_equal(torsh_ops.cat([x, y]).numpy(), np.concatenate([a, b]))
    np.testing.assert_array_equal(torsh_ops.cat((x, x.T.contiguous().T), 1).numpy(), np.concatenate([a, a], 1))
    np.testing.assert_array_equal(torsh_ops.cat([x, y], dim=0).numpy(), np.concatenate([a, b]))
    np.testing.assert_array_equal(torsh_ops.cat([torsh_ops.tensor([]), x]).numpy(), a)
    assert torsh_ops.cat([x, x.double()]).dtype is torsh_ops.float64
    leaf = x.clone().requires_grad_()
    torsh_ops.cat([leaf, y]).sum().backward()
    np.testing.assert_array_equal(leaf.grad.numpy(), np.ones((2, 3)))
    with pytest.raises(ShapeError):
        torsh_ops.cat([x, y], 1)
    with pytest.raises(DimError):
        torsh_ops.cat([x, y], 2)
    for nothing in ([], [x, 1.0]):
        with pytest.raises((TypeError, ValueError, RuntimeError)):
            torsh_ops.cat(nothing)


def test_lookups():
    rng = np.random.default_rng(18)
    table, index = tensor(rng, (9, 5)), torsh_ops.from_numpy(rng.integers(0, 9, (2, 3)))
    np.testing.assert_array_equal(torsh_ops.nn.functional.embedding(index, table).numpy(), table.numpy()[index.numpy()])
    row = index[0].contiguous()
    np.testing.assert_array_equal(torsh_ops.index_select(table, 0, row).numpy(), table.numpy()[row.numpy()])
    np.testing.assert_array_equal(torsh_ops.index_select(table, 1, row % 5).numpy(), table.numpy()[:, row.numpy() % 5])
    for call in (lambda i: torsh_ops.nn.functional.embedding(i, table), lambda i: torsh_ops.index_select(table, 0, i)):
        with pytest.raises(DimError, match="out of"):
            call(row + 9)
        with pytest.raises(DimError, match="out of"):
            call(row - 10)


def test_views_share_memory_and_version():
    x = tensor(np.random.default_rng(9), (4, 6))
    views = {
        "transpose": x.transpose(0, 1), "permute": x.permute((1, 0)), "permute ints": x.permute(1, 0),
        "reshape": x.reshape(2, -1), "view": x.view((24,)), "row": x[1], "slice": x[1:, ::2], "none": x[:, None],
        "ellipsis": x[..., -1], "of a view": x[1:][0],
    }  # fmt: skip
    before = {name: v.version for name, v in views.items()}
    x.mul_(2)
    for name, v in views.items():
        assert np.shares_memory(v.numpy(), x.numpy()), name
        assert v.version == before[name] + 1, name
    np.testing.assert_array_equal(views["slice"].numpy(), x.numpy()[1:, ::2])
    assert x[2, 3].shape == ()
    with pytest.raises(DimError, match="out of"):
        x[4]
    with pytest.raises(ValueError, match="step"):
        x[::-1]
    assert x.contiguous() is x
    turned = x.T.contiguous()
    assert turned.is_contiguous()
    np.testing.assert_array_equal(turned.numpy(), x.numpy().T)


def test_gradients_are_recorded():
    x = tensor(np.random.default_rng(10), (3, 3), "float64").requires_grad_()
    w = tensor(np.random.default_rng(11), (3,), "float64").requires_grad_()
    y = ((x @ x).exp() * 2.0 + w).transpose(0, 1)[1:]
    assert y.requires_grad
    y.sum().backward()
    e = np.exp(x.detach().numpy() @ x.detach().numpy()) * 2.0
    e[:, 0] = 0
    np.testing.assert_allclose(x.grad.numpy(), e @ x.detach().numpy().T + x.detach().numpy().T @ e, rtol=1e-12)
    np.testing.assert_array_equal(w.grad.numpy(), [0, 3, 3])
    with torsh_ops.no_grad():
        assert not (x + w).requires_grad


def test_a_recorded_view_follows_a_change_of_its_base():
    x = torsh_ops.ones(3, requires_grad=True)
    base = x * 2.0
    part = base[1:]
    base.mul_(5.0)
    (part * part).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [0, 200, 200])


def test_the_tape_from_compiled_code_is_the_tape_from_python():
    x = torsh_ops.ones(2, 2, requires_grad=True)
    for op, args in ((torsh_ops.exp, (x,)), (torsh_ops.mul, (x, 2.0)), (torsh_ops.matmul, (x, x))):
        result = op(*args)
        same = record(result._node.op, torsh_ops.Tensor(result._array), args)
        compiled, python = result._node, same._node
        assert all(a is b for a, b in zip(compiled.args, python.args, strict=True))
        assert compiled.op is python.op and compiled.result is python.result
        assert compiled.changed is python.changed and compiled.previous is python.previous
        assert compiled.order + 1 == python.order
        assert result.requires_grad is True


def test_a_subclass_goes_in_and_a_tensor_comes_out():
    p = torsh_ops.nn.Parameter(torsh_ops.ones(3))
    with torsh_ops.no_grad():
        assert type(p + p) is torsh_ops.Tensor


def test_nothing_is_kept():
    x, y = tensor(np.random.default_rng(12), (5, 4)), tensor(np.random.default_rng(13), (4,))
    key, size = (slice(1, 3), None), (2, 10)
    w = tensor(np.random.default_rng(14), (4, 3))
    recorded = tensor(np.random.default_rng(15), (5, 4)).requires_grad_()
    image, kernels = tensor(np.random.default_rng(22), (1, 3, 9, 9)), tensor(np.random.default_rng(23), (4, 3, 3, 3))

    def once():
        (x + y) * 2.0 - 1
        x.exp().sum(-1).mean()
        torsh_ops.softmax(x, dim=-1)
        x[key]
        x.reshape(size).transpose(0, 1).contiguous()
        x @ w
        torsh_ops.nn.functional.layer_norm(x, (4,), y, y)
        torsh_ops.nn.functional.max_pool2d(torsh_ops.nn.functional.conv2d(image, kernels, y, 2), 2)
        recorded * y + recorded
        for bad in (lambda: x + w, lambda: x[9], lambda: x.reshape(7)):
            with pytest.raises((RuntimeError, IndexError)):
                bad()

    held = x, y, w, key, size, recorded, image, kernels
    assert_nothing_is_kept(once, *held, x._array, y._array, np.dtype("f4"), torsh_ops.Tensor)


def test_they_look_like_the_functions_they_stand_for():
    add = torsh_ops.add
    assert inspect.isroutine(add) and callable(add)
    assert inspect.signature(add) == inspect.signature(add.__wrapped__)
    assert list(inspect.signature(add).parameters) == ["input", "other", "alpha", "out"]
    assert (add.__name__, add.__qualname__, add.__module__) == ("add", "add", "torsh_ops.ops.elementwise")
    assert repr(add) == "<operator add>"
    assert torsh_ops.softmax.__doc__.startswith("Softmax along `dim`")
    assert "add(input:" in "".join(pydoc.render_doc(add, renderer=pydoc.plaintext).split())
    assert pickle.loads(pickle.dumps(add)) is add and copy.deepcopy(add) is add


def test_they_are_bound_as_methods_are():
    x = torsh_ops.tensor([1.0, 4.0])
    bound = x.sqrt
    assert bound.__self__ is x and bound().tolist() == [1.0, 2.0] and bound == x.sqrt
    assert torsh_ops.Tensor.sqrt is torsh_ops.sqrt and torsh_ops.Tensor.sqrt(x).tolist() == [1.0, 2.0]
    given = {"min": 2.0}
    assert x.clamp(**given).tolist() == [2.0, 4.0] and torsh_ops.add(*(x, x)).tolist() == [2.0, 8.0]

    class Sub(torsh_ops.Tensor):
        def sqrt(self):
            return super().sqrt() + 1

    assert Sub(x.numpy()).sqrt().tolist() == [2.0, 3.0]
    assert (Sub(x.numpy())[1:] + 1).tolist() == [5.0]


def test_they_are_the_same_keys_before_and_after_the_first_call():
    code = (
        "import torsh_ops as t\n"
        "before, ops = hash(t.add), {t.add: 1}\n"
        "t.add(t.ones(2), t.ones(2)); t.add(t.ones(2), t.ones(2))\n"
        "assert hash(t.add) == before and ops[t.add] == 1 and t.Tensor.add is t.add\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_interpreter_goes_through_python():
    code = (
        "import torsh_ops as t\n"
        "from torsh_ops.ops import shortcut\n"
        "shortcut.SUPPORTED = False\n"
        "x = t.ones(2, 3)\n"
        "assert ((x + x) @ x.T).sum(-1).tolist() == [12.0, 12.0] and x[0].shape == (3,)\n"
        "assert not shortcut._compiled\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_first_calls_from_several_threads():
    x = tensor(np.random.default_rng(16), (64,), "float64")
    found, start = [], threading.Barrier(8)

    def work():
        start.wait()
        found.append((torsh_ops.sigmoid(x) + torsh_ops.rsqrt(x)).numpy())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(found) == 8
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)


def test_the_module_says_whether_it_is_in():
    torsh_ops.add(torsh_ops.ones(1), torsh_ops.ones(1))
    assert bool(shortcut._compiled) == shortcut.SUPPORTED

import threading

import numpy as np
import pytest
from leaks import assert_nothing_is_kept
from oracle import LAYOUTS

import torsh_ops
from torsh_ops.errors import DimError, ShapeError
from torsh_ops.kernels.call import plans
from torsh_ops.ops import norm as nm
from torsh_ops.ops import shortcut

F = torsh_ops.nn.functional
pytestmark = pytest.mark.skipif(not shortcut.SUPPORTED, reason="plans need CPython's own objects")


def tensor(*shape, dtype="f4", seed=1):
    return torsh_ops.from_numpy(np.random.default_rng(seed).standard_normal(shape).astype(dtype))


def places(n, *shape):
    return torsh_ops.from_numpy(np.random.default_rng(2).integers(0, n, shape))


def maker(name):
    """What makes the plans of an operator."""
    return next(way.fetcher for way in shortcut._ways if way.function.__name__ == name and way.entry is plans.planned)


def kept(name):
    """The plans of an operator; some of them only say that there is none."""
    return [entry for entry in maker(name).kept if entry is not None]


def arrays(found):
    return [x.numpy() for x in (found if isinstance(found, tuple) else (found,))]


X, ROWS, IMAGES, CHANNELS = tensor(6, 7), tensor(3, 40), tensor(2, 4, 9, 11), tensor(4, seed=3)
POSITIVE = torsh_ops.from_numpy(np.linspace(0.5, 2, 4).astype("f4"))
CALLS = {
    "gather": lambda: torsh_ops.gather(X, 1, places(7, 6, 3)),
    "scatter_add": lambda: torsh_ops.scatter_add(X, 0, places(6, 5, 7), tensor(5, 7)),
    "nonzero": lambda: torsh_ops.nonzero(X > 0),
    "flip": lambda: torsh_ops.flip(X, (-1,)),
    "topk": lambda: torsh_ops.topk(ROWS, 5),
    "bincount": lambda: torsh_ops.bincount(places(9, 51), minlength=12),
    "cat": lambda: torsh_ops.cat([X, tensor(6, 2), X], dim=-1),
    "group_norm": lambda: F.group_norm(IMAGES, 2, CHANNELS, POSITIVE, eps=1e-3),
    "batch_norm": lambda: F.batch_norm(IMAGES, CHANNELS, POSITIVE, POSITIVE),
    "max_pool2d": lambda: F.max_pool2d(IMAGES, 3, stride=2, padding=1),
    "avg_pool2d": lambda: F.avg_pool2d(IMAGES, (2, 3)),
    "cross_entropy": lambda: F.cross_entropy(ROWS, places(40, 3)),
    "softmax_grad": lambda: nm.softmax_grad(X, torsh_ops.softmax(tensor(6, 7, seed=4), 1), 1),
    "log_softmax_grad": lambda: nm.log_softmax_grad(X, torsh_ops.log_softmax(tensor(6, 7, seed=4), 1), 1),
    "layer_norm_grads": lambda: nm.layer_norm_grads(X, X, (7,), X[0], X[1], 1e-5, tensor(6, 2)),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_plan_gives_what_the_function_gives(name):
    call = CALLS[name]
    before = kept(name)
    by_python = arrays(call())
    call()
    for _ in range(3):
        found = call()
        for a, b in zip(arrays(found), by_python, strict=True):
            assert a.dtype == b.dtype
            assert a.shape == b.shape
            assert a.flags.c_contiguous
            np.testing.assert_allclose(a, b, rtol=2e-6, atol=1e-6)
    (made,) = (entry for entry in kept(name) if all(entry is not old for old in before))
    assert not made[0][plans.REFUSED]


def test_what_requires_grad_is_short_too_where_nothing_is_recorded():
    weights = CHANNELS.detach().clone().requires_grad_()
    with torsh_ops.no_grad():
        expected = F.group_norm(IMAGES, 4, weights)
        before = maker("group_norm").made
        for _ in range(3):
            found = F.group_norm(IMAGES, 4, weights)
            assert not found.requires_grad
            np.testing.assert_array_equal(found.numpy(), expected.numpy())
    assert maker("group_norm").made == before + 1
    assert F.group_norm(IMAGES, 4, weights).requires_grad


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ("f4", "f8", "i4", "i8"))
def test_layouts_and_dtypes(layout, dtype):
    a = LAYOUTS[layout]((np.arange(24).reshape(4, 6) - 9).astype(dtype))
    x, index = torsh_ops.from_numpy(a), places(6, 4, 5)
    for _ in range(3):
        np.testing.assert_array_equal(torsh_ops.gather(x, 1, index).numpy(), np.take_along_axis(a, index.numpy(), 1))
        np.testing.assert_array_equal(torsh_ops.flip(x, 0).numpy(), a[::-1])
        np.testing.assert_array_equal(torsh_ops.cat([x, x]).numpy(), np.concatenate([a, a]))


def test_calls_that_differ_do_not_share_a_plan():
    x = tensor(5, 5)
    a = x.numpy()
    index = places(5, 5, 5)
    for _ in range(3):
        for dim in (0, 1, -1):
            for _ in range(2):
                found = torsh_ops.gather(x, dim, index).numpy()
                np.testing.assert_array_equal(found, np.take_along_axis(a, index.numpy(), dim))
                np.testing.assert_array_equal(torsh_ops.flip(x, dim).numpy(), np.flip(a, dim))
        for _ in range(2):
            assert torsh_ops.topk(x, 1, largest=True).values.shape == (5, 1)
            assert torsh_ops.topk(x, 1, sorted=True).values.shape == (5, 1)
            np.testing.assert_array_equal(torsh_ops.topk(x, 1, -1, False).values.numpy(), a.min(1, keepdims=True))


def drawn(rng, shape, dtype="f4"):
    return torsh_ops.from_numpy(rng.standard_normal(shape).astype(dtype))


WINDOWS = {
    "pointwise": ("conv2d", (2, 4, 6, 5), (8, 4, 1, 1), ()),
    "pointwise strided": ("conv2d", (2, 4, 6, 5), (8, 4, 1, 1), (2,)),
    "in groups": ("conv2d", (1, 4, 8, 8), (16, 2, 1, 1), (1, 0, 1, 2)),
    "strided": ("conv2d", (1, 3, 9, 8), (8, 3, 3, 3), (2, 1)),
    "by columns": ("conv2d", (1, 3, 9, 8), (8, 3, 3, 3), ((1, 2), (1, 0))),
    "by rows": ("conv2d", (1, 3, 9, 8), (8, 3, 3, 3), ((2, 1), (1, 0))),
    "depthwise": ("conv2d", (2, 3, 9, 18), (3, 1, 3, 3), (1, 1, 1, 3)),
    "a large result": ("conv2d", (1, 2, 64, 64), (16, 2, 1, 1), ()),
    "largest of 3": ("max_pool2d", (2, 3, 9, 20), None, (3, 2, 1)),
    "largest of 2": ("max_pool2d", (2, 3, 9, 20), None, (2,)),
    "largest, ceiled": ("max_pool2d", (2, 3, 9, 20), None, (2, None, 0, 1, True)),
    "largest of 4": ("max_pool2d", (2, 3, 9, 20), None, (4,)),
    "mean": ("avg_pool2d", (2, 3, 9, 20), None, (2, 2)),
    "mean within": ("avg_pool2d", (2, 3, 9, 20), None, (3, 2, 1, False, False)),
    "mean of all": ("avg_pool2d", (2, 3, 9, 20), None, (3, 2, 1, False, True)),
}


@pytest.mark.parametrize("dtype", ("float32", pytest.param("float64", marks=pytest.mark.slow)))
@pytest.mark.parametrize("case", WINDOWS)
def test_a_known_call_of_windows_does_what_the_first_did(case, dtype):
    name, shape, weights, how = WINDOWS[case]
    op, rng = getattr(F, name), np.random.default_rng(20)

    def operands():
        x = drawn(rng, shape, dtype)
        return (x,) if weights is None else (x, drawn(rng, weights, dtype), drawn(rng, weights[:1], dtype))

    def by_python(x, *more):
        return op(x.clone().requires_grad_(), *more, *how).detach().numpy()

    for _ in range(3):
        given = operands()
        np.testing.assert_array_equal(op(*given, *how).numpy(), by_python(*given))
        if weights is not None:
            np.testing.assert_array_equal(op(*given[:2], None, *how).numpy(), by_python(*given[:2], None))
            if not how:
                np.testing.assert_array_equal(op(*given[:2]).numpy(), by_python(*given[:2], None))


def test_calls_of_windows_that_look_alike():
    rng = np.random.default_rng(21)
    x, w = drawn(rng, (1, 3, 8, 8)), drawn(rng, (8, 3, 3, 3))
    for _ in range(2):
        shapes = [F.conv2d(x, w, None, stride).shape[2:] for stride in (1, 2, (1, 2), (2, 1), [1, 2])]
        assert shapes == [(6, 6), (3, 3), (6, 3), (3, 6), (6, 3)]
        assert F.conv2d(x, w, stride=2, padding="valid").shape == (1, 8, 3, 3)
        assert F.max_pool2d(x, 2, return_indices=True)[1].shape == F.max_pool2d(x, 2).shape
        assert F.conv2d(x[0], w).shape == (8, 6, 6)
        turned = x.transpose(2, 3)
        np.testing.assert_array_equal(F.conv2d(turned, w).numpy(), F.conv2d(turned.contiguous(), w).numpy())
        for wrong in (
            lambda: F.conv2d(x, w, drawn(rng, (3,))), lambda: F.conv2d(x, w, None, 0), lambda: F.max_pool2d(x, 9),
            lambda: F.conv2d(x, w.double()), lambda: F.avg_pool2d(x, 2, -1), lambda: F.conv2d(x),
        ):  # fmt: skip
            with pytest.raises((RuntimeError, ValueError, TypeError)):
                wrong()
    leaf = w.clone().requires_grad_()
    F.conv2d(x, leaf, None, 2).sum().backward()
    assert leaf.grad.abs().sum().item() > 0


def test_errors_are_the_functions():
    x, good = tensor(4, 4), places(4, 4, 4)
    for _ in range(4):
        torsh_ops.gather(x, 1, good)
        with pytest.raises(DimError, match="index 9 is out of bounds for dimension 1 with size 4"):
            torsh_ops.gather(x, 1, good + (9 - good))
        with pytest.raises(DimError, match="Dimension out of range"):
            torsh_ops.gather(x, 2, good)
        with pytest.raises(ShapeError, match="groups"):
            F.group_norm(tensor(2, 4, 3), 3)
        with pytest.raises(TypeError, match="must be Tensor"):
            torsh_ops.gather(3, 1, good)
        with pytest.raises(TypeError):
            torsh_ops.gather(x, 1, good, good)
        with pytest.raises(DimError, match="out of bounds"):
            F.cross_entropy(x, places(4, 4) + 4)


def test_gradients():
    index, src = places(5, 4, 5), tensor(4, 5, dtype="f8", seed=5)
    for _ in range(4):
        x = tensor(4, 5, dtype="f8").requires_grad_()
        torsh_ops.gather(x, 1, index).sum().backward()
        expected = np.zeros((4, 5))
        np.add.at(expected, (np.arange(4)[:, None], index.numpy()), 1.0)
        np.testing.assert_array_equal(x.grad.numpy(), expected)
        x.grad = None
        (torsh_ops.flip(x, (1,)) * src).sum().backward()
        np.testing.assert_array_equal(x.grad.numpy(), src.numpy()[:, ::-1])
        y = F.group_norm(tensor(2, 4, 3).requires_grad_(), 2)
        assert y.requires_grad
        with torsh_ops.no_grad():
            assert not torsh_ops.gather(x, 1, index).requires_grad


def test_memory_that_must_not_be_written():
    a = np.arange(6.0)
    a.flags.writeable = False
    x = torsh_ops.from_numpy(a.reshape(2, 3))
    for _ in range(3):
        np.testing.assert_array_equal(torsh_ops.flip(x, 1).numpy(), a.reshape(2, 3)[:, ::-1])
        assert torsh_ops.flip(x, 1).numpy().flags.writeable


def test_large_results_come_from_the_pool():
    x = tensor(600, 600)
    torsh_ops.flip(x, 1), torsh_ops.flip(x, 1)
    before = torsh_ops.memory.stats()["live_bytes"]
    held = torsh_ops.flip(x, 1)
    assert torsh_ops.memory.stats()["live_bytes"] >= before + held.nbytes
    np.testing.assert_array_equal(held.numpy(), x.numpy()[:, ::-1])


def test_more_kinds_of_calls_than_there_is_room_for():
    made = maker("flip").made
    for n in range(1, 2 * plans.ASKED):
        x = torsh_ops.arange(float(n))
        for _ in range(3):
            found = torsh_ops.flip(x, 0)
        assert found.tolist() == list(range(n))[::-1]
    assert maker("flip").made > made
    assert plans.ASKED // 2 < sum(entry is not None for entry in maker("flip").kept) <= plans.ASKED


def test_the_numbers_drawn_are_the_generators():
    for name, drawn in (("rand_like", torsh_ops.rand), ("randn_like", torsh_ops.randn)):
        for n in (64, 256, 70):
            x = torsh_ops.zeros(n)
            torsh_ops.manual_seed(-7)
            expected = [drawn(n).numpy() for _ in range(4)]
            after = torsh_ops.get_rng_state().numpy()
            torsh_ops.manual_seed(-7)
            for each in expected:
                np.testing.assert_array_equal(getattr(torsh_ops, name)(x).numpy(), each)
            np.testing.assert_array_equal(torsh_ops.get_rng_state().numpy(), after)


def test_nothing_is_kept():
    x, index, mask = tensor(8, 9), places(9, 8, 4), tensor(8, 9) > 0
    parts = [x, tensor(8, 2)]

    def once():
        torsh_ops.gather(x, 1, index)
        torsh_ops.cat(parts, 1)
        torsh_ops.topk(x, 2)
        torsh_ops.nonzero(mask)
        F.batch_norm(x.reshape(1, 8, 9), None, None, None, None, True)
        with pytest.raises(DimError):
            torsh_ops.gather(x, 1, index - 20)

    types = np.dtype("f4"), np.dtype("i8"), torsh_ops.Tensor
    assert_nothing_is_kept(once, x, index, mask, parts, x._array, index._array, *types)


def test_several_threads():
    inputs = [tensor(n, 6) for n in range(2, 90)]
    wrong, start = [], threading.Barrier(4)

    def work():
        start.wait()
        for _ in range(5):
            for x in inputs:
                if not np.array_equal(torsh_ops.flip(x, 1).numpy(), x.numpy()[:, ::-1]):
                    wrong.append(x.shape)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong

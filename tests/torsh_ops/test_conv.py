import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import LAYOUTS, assert_same, needs_torch, numeric_gradient, torch

import torsh_ops
from torsh_ops.errors import ArgumentError, DTypeError, OperandError, ShapeError
from torsh_ops.kernels import conv_transform
from torsh_ops.ops import conv, conv_method, conv_plan
from torsh_ops.ops.conv import conv2d, conv2d_input, conv2d_weight

ROOT = Path(__file__).parent.parent.parent
# Images, channels, height, width, kernels, kernel height and width, stride, padding, dilation, groups.
CASES = {
    "plain": (2, 3, 9, 11, 5, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    "pointwise": (2, 5, 7, 6, 9, (1, 1), (1, 1), (0, 0), (1, 1), 1),
    "pointwise strided": (1, 3, 17, 16, 8, (1, 1), (2, 2), (0, 0), (1, 1), 1),
    "strided": (2, 4, 13, 12, 6, (3, 3), (2, 2), (1, 1), (1, 1), 1),
    "uneven": (1, 4, 20, 9, 7, (4, 2), (3, 2), (2, 1), (1, 3), 1),
    "dilated": (1, 2, 15, 14, 3, (3, 3), (1, 1), (2, 2), (2, 2), 1),
    "stride beyond the kernel": (2, 3, 11, 12, 4, (2, 2), (3, 4), (0, 0), (1, 1), 1),
    "groups": (2, 6, 8, 9, 4, (3, 3), (1, 1), (1, 1), (1, 1), 2),
    "depthwise": (2, 5, 10, 33, 5, (3, 3), (1, 1), (1, 1), (1, 1), 5),
    "depthwise strided": (1, 4, 12, 19, 8, (5, 3), (2, 2), (2, 1), (1, 1), 4),
    "more padding than kernel": (1, 2, 4, 5, 3, (3, 3), (1, 1), (3, 4), (1, 1), 1),
    "one place": (3, 4, 3, 3, 2, (3, 3), (1, 1), (0, 0), (1, 1), 1),
    "narrow": (1, 8, 7, 7, 16, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    "wide": (1, 2, 4, 70, 4, (3, 5), (1, 1), (1, 2), (1, 1), 1),
    "bands": (1, 64, 40, 64, 3, (3, 3), (1, 1), (1, 1), (1, 1), 1),
}
EPS = {"float32": 1e-6, "float64": 1e-14}


def operands(case, dtype="float64", seed=0):
    n, c, h, w, k, size, *how = CASES[case]
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, c, h, w)).astype(dtype)
    weight = rng.standard_normal((k, c // how[-1], *size)).astype(dtype)
    return x, weight, rng.standard_normal(k).astype(dtype), how


def reference(x, weight, bias, stride, padding, dilation, groups):
    """The definition, in float64: every window against every kernel."""
    x, weight, bias = (a.astype("f8") for a in (x, weight, bias))
    (ph, pw), (dh, dw) = padding, dilation
    padded = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    reach = [d * (n - 1) + 1 for d, n in zip(dilation, weight.shape[2:], strict=True)]
    windows = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=(2, 3))
    windows = windows[:, :, :: stride[0], :: stride[1], ::dh, ::dw]
    parts = zip(np.split(windows, groups, 1), np.split(weight, groups), strict=True)
    return np.concatenate([np.einsum("ncijab,kcab->nkij", a, b) for a, b in parts], 1) + bias[:, None, None]


def close(got, want, rounding):
    np.testing.assert_allclose(got, want, rtol=0, atol=rounding * np.abs(want).max())


def t(*arrays):
    return [torsh_ops.from_numpy(a) for a in arrays]


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("case", CASES)
def test_the_value_is_the_definition(case, dtype):
    x, weight, bias, how = operands(case, dtype)
    got = conv2d(*t(x, weight, bias), *how).numpy()
    assert got.dtype == dtype
    close(got, reference(x, weight, bias, *how), 10 * EPS[dtype])


@pytest.mark.parametrize("case", CASES)
def test_the_gradients_are_the_transposes_of_the_value(case):
    # conv2d is linear in x and in w: <conv(x, w), g> = <x, input gradient> = <w, weight gradient>.
    x, weight, bias, how = operands(case)
    value = reference(x, weight, np.zeros_like(bias), *how)
    g = np.random.default_rng(1).standard_normal(value.shape)
    product = (value * g).sum()
    size = np.sqrt((value**2).sum() * (g**2).sum())
    X, W, G = t(x, weight, g)
    assert abs((conv2d_input(x.shape, W, G, *how).numpy() * x).sum() - product) < 1e-13 * size
    assert abs((conv2d_weight(X, weight.shape, G, *how).numpy() * weight).sum() - product) < 1e-13 * size


@pytest.mark.parametrize("case", ["plain", "uneven", "groups", "depthwise strided", "stride beyond the kernel"])
def test_gradients_by_differences(case):
    x, weight, bias, how = operands(case)
    x = x[:1, :, :9, :8]
    g = np.random.default_rng(1).standard_normal(reference(x, weight, bias, *how).shape)
    leaves = [a.requires_grad_() for a in t(x, weight, bias)]
    (conv2d(*leaves, *how) * torsh_ops.from_numpy(g)).sum().backward()
    for i, leaf in enumerate(leaves):

        def value(a, i=i):
            arguments = [x, weight, bias]
            arguments[i] = a
            return (reference(*arguments, *how) * g).sum()

        np.testing.assert_allclose(
            leaf.grad.numpy(), numeric_gradient(value, [x, weight, bias][i]), rtol=1e-6, atol=1e-7
        )


@pytest.mark.parametrize("case", ["plain", "uneven", "groups", "depthwise"])
def test_second_derivatives_by_differences(case):
    x, weight, _, how = operands(case)
    x = x[:1]

    def gradients(x, weight, create_graph):
        leaves = [a.requires_grad_() for a in t(x, weight)]
        loss = (conv2d(leaves[0], leaves[1], None, *how) ** 3).sum()
        return leaves, torsh_ops.autograd.grad(loss, leaves, create_graph=create_graph)

    rng = np.random.default_rng(3)
    along = [rng.standard_normal(a.shape) for a in (x, weight)]
    leaves, first = gradients(x, weight, True)
    inner = sum((g * torsh_ops.from_numpy(v)).sum() for g, v in zip(first, along, strict=True))
    second = torsh_ops.autograd.grad(inner, leaves)
    step = 1e-5
    _, above = gradients(x + step * along[0], weight + step * along[1], False)
    _, below = gradients(x - step * along[0], weight - step * along[1], False)
    for got, a, b in zip(second, above, below, strict=True):
        want = (a.numpy() - b.numpy()) / (2 * step)
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-6, atol=1e-6 * np.abs(want).max())


def force_winograd(monkeypatch):
    """Let it do every convolution; returns the list of those it has done."""
    used = []

    def winograd(images, out, groups, channels, rows, offsets, stride, dtype):
        used.append(conv_method.Winograd(images, out, channels, rows, (offsets[0][0], offsets[1][0]), stride[0]))
        return used[-1]

    monkeypatch.setattr(conv, "choose", winograd)
    return used


def check_winograd(shape, stride, padding):
    n, c, h, w, k = shape
    rng = np.random.default_rng(2)
    x, weight = rng.standard_normal((n, c, h, w), "f4"), rng.standard_normal((k, c, 3, 3), "f4")
    bias = rng.standard_normal(k, "f4")
    got = conv2d(*t(x, weight, bias), stride, padding).numpy()
    want = reference(x, weight, bias, (stride, stride), (padding, padding), (1, 1), 1)
    close(got, want, 2e-5)
    if stride == 1:
        # Its input gradient is another such sum.
        g = rng.standard_normal(want.shape).astype("f4")
        back = conv2d_input(x.shape, *t(weight, g), padding=(padding, padding)).numpy()
        product = (want - bias[:, None, None]) * g
        assert abs((back.astype("f8") * x).sum() - product.sum()) < 1e-5 * np.sqrt((product**2).sum() * product.size)


@pytest.mark.parametrize(
    "shape",
    [(1, 3, 9, 13, 5), (5, 4, 7, 7, 1), (3, 1, 6, 6, 3), (2, 17, 3, 70, 4), (7, 20, 4, 4, 24), (1, 2, 50, 18, 9)],
)
@pytest.mark.parametrize("padding", [0, 1, 2, 4])
@pytest.mark.parametrize("stride", [1, 2])
def test_winograd_is_the_same_sum(shape, stride, padding, monkeypatch):
    used = force_winograd(monkeypatch)
    check_winograd(shape, stride, padding)
    assert used


@pytest.mark.parametrize("shape", [(3, 10, 20, 21, 70), (17, 7, 5, 6, 40), (1, 5, 70, 9, 50)])
@pytest.mark.parametrize("near", [True, False])
@pytest.mark.parametrize("stride", [1, 2])
def test_winograd_of_many_blocks(shape, near, stride, monkeypatch):
    used = force_winograd(monkeypatch)
    vector = (6 if stride == 1 else 9) ** 2 * shape[1] * conv_transform.LANES * 4
    kernels = conv_transform.KERNELS * conv_transform.LANES * 4
    monkeypatch.setattr(conv_plan, "_PIECES_BYTES", 2 * vector if near else 1)
    monkeypatch.setattr(conv_plan, "_KERNELS_BYTES", 4 * kernels)
    check_winograd(shape, stride, 1)
    assert used[0].pieces.kept or stride == 2
    # Kernels by one panel, or by up to four of them.
    assert used[0].pieces.rows == (1 if near else min(4, -(-shape[4] // conv_transform.LANES))) * conv_transform.LANES
    assert used[0].pieces.channels < shape[1]


def test_borders_of_winograd_are_zeros_whatever_the_image_holds(monkeypatch):
    # Blocks of several images share one buffer, and a row of one must not be the border of the next.
    force_winograd(monkeypatch)
    for stride in (1, 2):
        x, weight = np.full((9, 2, 5, 5), np.inf, "f4"), np.ones((3, 2, 3, 3), "f4")
        x[1::2] = 1
        got = conv2d(*t(x, weight), None, stride, 1).numpy()
        want = reference(x[1::2], weight, np.zeros(3), (stride, stride), (1, 1), (1, 1), 1)
        close(got[1::2], want, 2e-5)


def test_the_method_depends_on_the_shape():
    def chosen(images, size, channels, rows, **other):
        how = {"groups": 1, "stride": (1, 1), "dtype": np.dtype("f4"), "offsets": ((-1, 0, 1),) * 2, **other}
        return type(conv_method.choose(images, (size, size), how["groups"], channels, rows, how["offsets"],
                                       how["stride"], how["dtype"]))  # fmt: skip

    direct, packed, winograd = conv_method.Direct, conv_method.Packed, conv_method.Winograd
    assert chosen(8, 56, 64, 64) is winograd
    assert chosen(1, 32, 3, 32) is direct
    assert chosen(1, 7, 512, 512) is not winograd
    assert chosen(8, 56, 64, 64, stride=(2, 2)) is winograd
    for other in ({"dtype": np.dtype("f8")}, {"stride": (2, 1)}, {"groups": 2}, {"offsets": ((-2, 0, 2),) * 2}):
        assert chosen(8, 56, 64, 64, **other) in (direct, packed)
    assert chosen(1, 14, 256, 1024, offsets=((0,),) * 2) is conv_method.Pointwise
    assert chosen(8, 7, 2048, 512, offsets=((0,),) * 2) is packed  # the images' pixels together fill their vectors
    assert chosen(1, 14, 64, 4, offsets=((0,),) * 2) is direct
    assert chosen(1, 56, 1, 1, groups=96) is conv_method.Depthwise
    assert chosen(1, 56, 1, 1, groups=96, stride=(3, 3)) is direct


@pytest.mark.parametrize("case", CASES)
def test_every_case_is_the_same_sum_by_panels(case, monkeypatch):
    monkeypatch.setattr(conv_plan, "_PANEL_DEPTH", 16)
    monkeypatch.setattr(conv_plan, "_PANELS_BYTES", 2 * 16 * 24 * 8)
    monkeypatch.setattr(conv_plan, "_BLOCK_PIXELS", 100)
    monkeypatch.setattr(conv, "choose", conv_method.Packed)
    x, weight, bias, how = operands(case)
    close(conv2d(*t(x, weight, bias), *how).numpy(), reference(x, weight, bias, *how), 10 * EPS["float64"])


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("block", [0, 256 * 1024])
@pytest.mark.parametrize(
    "case",
    [
        (1, 4, 8, 8, 16, (1, 1), (0, 0), 1),  # whole vectors, one block
        (3, 5, 7, 7, 13, (1, 1), (0, 0), 1),  # pixels that fill no vector, rows that fill no tile
        (2, 6, 20, 36, 25, (1, 1), (0, 0), 1),  # several blocks
        (2, 6, 9, 11, 16, (1, 1), (0, 0), 2),
        (5, 70, 7, 7, 26, (1, 1), (0, 0), 2),  # a pixel by itself, in blocks of several images
        (2, 140, 6, 14, 40, (1, 1), (0, 0), 1),  # four of them, and channels that fill no vector
        (2, 40, 18, 19, 12, (1, 1), (0, 0), 1),  # one strip of weights: none is left to fetch the next block
        (2, 3, 13, 12, 9, (2, 3), (1, 2), 1),  # a copy
        (1, 4, 1, 1, 30, (1, 1), (0, 0), 1),
        (3, 64, 1, 1, 30, (1, 1), (0, 0), 1),
    ],
)
def test_every_pointwise_case_is_the_same_sum(case, block, dtype, monkeypatch):
    monkeypatch.setattr(conv_plan, "_POINTWISE_BYTES", block)
    monkeypatch.setattr(conv_plan, "_POINTWISE_WIDTH", 256)
    monkeypatch.setattr(conv, "choose", conv_method.Pointwise)
    n, c, h, w, k, stride, padding, groups = case
    rng = np.random.default_rng(6)
    x, weight, bias = (
        rng.standard_normal(shape).astype(dtype) for shape in ((n, c, h, w), (k, c // groups, 1, 1), (k,))
    )
    how = stride, padding, (1, 1), groups
    close(conv2d(*t(x, weight, bias), *how).numpy(), reference(x, weight, bias, *how), 10 * EPS[dtype])


@pytest.mark.parametrize(("height", "width"), [(7, 7), (14, 14), (5, 5), (20, 36)])
def test_a_pointwise_sum_holds_nothing_of_other_pixels(height, width):
    rng = np.random.default_rng(7)
    x, weight = rng.standard_normal((2, 64, height, width), "f4"), rng.standard_normal((16, 64, 1, 1), "f4")
    expected = np.zeros((2, 16, height, width), bool)
    for image, pixel, value in ((0, 0, np.nan), (0, height * width - 1, np.inf), (1, height * width // 2, np.nan)):
        x[image, 3].flat[pixel] = value
        expected[image].reshape(16, -1)[:, pixel] = True
    for _ in range(3):
        np.testing.assert_array_equal(~np.isfinite(conv2d(*t(x, weight)).numpy()), expected)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    ("height", "width", "kernels"), [(7, 7, 1), (9, 33, 2), (1, 1, 1), (3, 16, 1), (15, 20, 3), (40, 33, 2)]
)
def test_every_channel_by_itself(height, width, kernels, stride):
    rng = np.random.default_rng(5)
    for padding in (0, 1, 2):
        if min(height, width) + 2 * padding < 3:
            continue
        x, weight = rng.standard_normal((2, 3, height, width)), rng.standard_normal((3 * kernels, 1, 3, 3))
        bias = rng.standard_normal(3 * kernels)
        how = (stride, stride), (padding, padding), (1, 1), 3
        got = conv2d(*t(x, weight, bias), *how).numpy()
        close(got, reference(x, weight, bias, *how), 10 * EPS["float64"])


def test_a_large_layer_goes_through_winograd_and_agrees_with_its_float64_self():
    rng = np.random.default_rng(4)
    x, weight = rng.standard_normal((2, 32, 32, 32), "f4"), rng.standard_normal((32, 32, 3, 3), "f4")
    method = conv_method.choose(2, (32, 32), 1, 32, 32, ((-1, 0, 1),) * 2, (1, 1), x.dtype)
    assert isinstance(method, conv_method.Winograd)
    got = conv2d(*t(x, weight), padding=1).numpy()
    close(got, conv2d(*t(x.astype("f8"), weight.astype("f8")), padding=1).numpy(), 2e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_operands_of_any_layout(layout):
    x, weight, bias, how = operands("plain")
    shaped = [LAYOUTS[layout](a) for a in (x, weight, bias)]
    np.testing.assert_array_equal(conv2d(*t(*shaped), *how).numpy(), conv2d(*t(x, weight, bias), *how).numpy())


def test_one_image_without_a_batch():
    x, weight, bias, how = operands("plain")
    image = torsh_ops.from_numpy(x[0]).requires_grad_()
    got = conv2d(image, *t(weight, bias), *how)
    np.testing.assert_array_equal(got.detach().numpy(), conv2d(*t(x[:1], weight, bias), *how).numpy()[0])
    got.sum().backward()
    assert image.grad.shape == x.shape[1:]


def test_no_images():
    weight = torsh_ops.ones(4, 3, 3, 3, requires_grad=True)
    out = conv2d(torsh_ops.ones(0, 3, 8, 8), weight, padding=1)
    assert out.shape == (0, 4, 8, 8)
    out.sum().backward()
    np.testing.assert_array_equal(weight.grad.numpy(), np.zeros(weight.shape))


@pytest.mark.parametrize("size", [(3, 3), (2, 4), (1, 5)])
@pytest.mark.parametrize("dilation", [1, 2])
def test_named_padding(size, dilation):
    x, weight = t(np.random.default_rng(0).standard_normal((1, 2, 9, 12)), np.ones((3, 2, *size)))
    assert conv2d(x, weight, padding="same", dilation=dilation).shape == (1, 3, 9, 12)
    valid, none = (conv2d(x, weight, padding=p, dilation=dilation) for p in ("valid", 0))
    np.testing.assert_array_equal(valid.numpy(), none.numpy())


def test_nan_and_infinity_stay_where_they_are():
    x = np.zeros((1, 1, 8, 40), "f4")
    x[0, 0, 3, 20], x[0, 0, 6, 2] = np.inf, np.nan
    got = conv2d(*t(x, np.ones((1, 1, 3, 3), "f4")), padding=1).numpy()[0, 0]
    expected = np.zeros((8, 40))
    expected[2:5, 19:22], expected[5:8, 1:4] = np.inf, np.nan
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("images", [1, 2, 5])
@pytest.mark.parametrize("layer", [(16, 24, 3, 1), (16, 48, 1, 1), (16, 16, 3, 16)])
def test_threads_share_the_work(images, layer):
    channels, kernels, side, groups = layer
    rng = np.random.default_rng(0)
    x = rng.standard_normal((images, channels, 73, 73), "f4")
    weight, bias = (
        rng.standard_normal((kernels, channels // groups, side, side), "f4"),
        rng.standard_normal(kernels, "f4"),
    )
    how = (1, side // 2, 1, groups)
    alone = conv2d(*t(x, weight, bias), *how).numpy()
    torsh_ops.set_num_threads(2)
    try:
        close(conv2d(*t(x, weight, bias), *how).numpy(), alone, 2e-5)
    finally:
        torsh_ops.set_num_threads(1)


@needs_torch
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_matches_torch(data):
    pair = lambda low, high: st.tuples(st.integers(low, high), st.integers(low, high))  # noqa: E731
    groups = data.draw(st.integers(1, 3))
    c, k = (groups * data.draw(st.integers(1, 4)) for _ in range(2))
    size, stride, dilation = (data.draw(pair(1, high)) for high in (4, 3, 3))
    padding = data.draw(st.one_of(pair(0, 3), st.integers(0, 2), st.just("valid")))
    h, w = (d * (s - 1) + 1 + data.draw(st.integers(0, 20)) for d, s in zip(dilation, size, strict=True))
    dtype = data.draw(st.sampled_from(("float32", "float64")))
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    arrays = [
        rng.standard_normal(s).astype(dtype)
        for s in ((data.draw(st.integers(1, 3)), c, h, w), (k, c // groups, *size), (k,))
    ]
    how = (stride, padding, dilation, groups)
    ours, theirs = t(*arrays), [torch.from_numpy(a.copy()) for a in arrays]
    for x in (*ours, *theirs):
        x.requires_grad_()
    y, z = conv2d(*ours, *how), torch.nn.functional.conv2d(*theirs, *how)
    rounding = {"float32": 2e-5, "float64": 1e-11}[dtype]
    assert_same(y, z, rtol=rounding, atol=rounding * float(z.detach().abs().max()))
    g = rng.standard_normal(y.shape).astype(dtype)
    y.backward(torsh_ops.from_numpy(g))
    z.backward(torch.from_numpy(g))
    for a, b in zip(ours, theirs, strict=True):
        assert_same(a.grad, b.grad, rtol=rounding, atol=rounding * float(b.grad.abs().max()))


OTHER_MACHINE = """
import numpy as np
from torsh_ops.kernels import conv_emit
import torsh_ops, test_conv
print(conv_emit.VECTOR_BYTES, conv_emit.ROWS)
for case in ("plain", "uneven", "depthwise", "narrow", "groups"):
    for dtype in ("float32", "float64"):
        test_conv.test_the_value_is_the_definition(case, dtype)
    test_conv.test_the_gradients_are_the_transposes_of_the_value(case)
test_conv.test_a_large_layer_goes_through_winograd_and_agrees_with_its_float64_self()
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the machines are x86's")
@pytest.mark.parametrize(
    ("name", "features", "tile"),
    [("nehalem", "+sse4.2", "16 4"), ("haswell", "+avx,+avx2,+fma", "32 4"), (None, None, None)],
)
def test_narrower_machines_compute_the_same(name, features, tile, tmp_path):
    given = {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features} if name else {}
    paths = {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(__file__).parent)])}
    run = subprocess.run(
        [sys.executable, "-c", OTHER_MACHINE], env={**os.environ, **paths, **given}, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert tile is None or run.stdout.strip() == tile


X, W = torsh_ops.zeros(2, 4, 6, 6), torsh_ops.zeros(8, 4, 3, 3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: conv2d(X.reshape(2, 4, 36, 1, 1), W), ShapeError, r"Expected 3D .* or 4D .*\[2, 4, 36, 1, 1\]"),
        (lambda: conv2d(X, W[0]), ShapeError, r"weight must be of shape .*\[4, 3, 3\]"),
        (lambda: conv2d(X[:, :3], W), ShapeError, r"expected input\[2, 3, 6, 6\] to have 4 channels, but got 3"),
        (lambda: conv2d(X, W, groups=3), ShapeError, r"Given groups=3, expected weight to be divisible by 3"),
        (lambda: conv2d(X, W, groups=0), ArgumentError, r"groups must be a positive integer, but got 0"),
        (lambda: conv2d(X, W, torsh_ops.zeros(4)), ShapeError, r"bias to be 1-dimensional with 8 .*\[4\]"),
        (lambda: conv2d(X, W.double()), DTypeError, r"Input type \(.*float32\) and weight type \(.*float64\)"),
        (lambda: conv2d(X, W, torsh_ops.zeros(8).double()), DTypeError, r"bias type \(.*float64\)"),
        (lambda: conv2d(X.long(), W.long()), DTypeError, r"not implemented for .*int64"),
        (lambda: conv2d(X, W, stride=0), ArgumentError, r"stride must be at least 1, but got 0"),
        (lambda: conv2d(X, W, padding=-1), ArgumentError, r"padding must be at least 0, but got -1"),
        (lambda: conv2d(X, W, dilation=(1, 2, 3)), OperandError, r"dilation .* pair of ints, but got \(1, 2, 3\)"),
        (lambda: conv2d(X, W, stride=1.5), OperandError, r"stride .* but got 1\.5"),
        (lambda: conv2d(X, W, dilation=3), ShapeError, r"size per channel: \(6, 6\). Kernel size: \(7, 7\)"),
        (lambda: conv2d(X, W, padding="full"), ArgumentError, r"Invalid padding string 'full'"),
        (lambda: conv2d(X, W, padding="same", stride=2), ArgumentError, r"not supported for strided"),
        (lambda: conv2d(X.numpy(), W), OperandError, r"must be Tensor, not ndarray"),
    ],
)  # fmt: skip
def test_bad_operands(call, error, message):
    with pytest.raises(error, match=message):
        call()

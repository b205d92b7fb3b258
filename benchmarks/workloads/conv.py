"""Convolutions of ResNet-50 (He et al. 2016, table 1) and MobileNetV2 (Sandler et al. 2018, table 2), and pooling.

float32, without bias, padded by half a kernel; sizes are called "channels in-channels out side xbatch". Flops: a
multiply-add is 2, borders counted as if they were images. Bytes: inputs read once, results written once.
"""

from typing import Any

import numpy as np

from benchmarks.workloads.inputs import normal
from benchmarks.workloads.record import Dims, Workload

# Channels in, channels out, side of the input; "dispatch" and "cache" come first and are no layer of a model.
Layer = tuple[int, int, int]
POINTWISE = (
    (64, 64, 56), (64, 256, 56), (256, 64, 56), (512, 128, 28), (1024, 256, 14), (256, 1024, 14), (2048, 512, 7),
    (512, 2048, 7), (16, 96, 112), (24, 144, 56), (32, 192, 28), (96, 576, 14), (160, 960, 7), (320, 1280, 7),
)  # fmt: skip
RESNET_3X3 = ((64, 64, 56), (128, 128, 28), (256, 256, 14), (512, 512, 7))
DEPTHWISE = ((32, 32, 112), (144, 144, 56), (192, 192, 28), (384, 384, 14), (960, 960, 7))


def _sizes(small: Layer, cache: Layer, *layers: Layer) -> dict[str, Dims]:
    sizes: dict[str, Dims] = {"dispatch": (1, *small), "cache": (1, *cache)}
    for layer in layers:
        for n in (1, 8):
            sizes[f"{layer[0]}-{layer[1]} {layer[2]} x{n}"] = (n, *layer)
    return sizes


def _padded(x: np.ndarray, border: int, fill: float = 0.0) -> np.ndarray:
    return np.pad(x, ((0, 0), (0, 0), (border, border), (border, border)), constant_values=fill)


def _every(x: np.ndarray, row: int, column: int, stride: int, side: int) -> np.ndarray:
    """Every stride-th pixel from (row, column) on: `side` of them each way."""
    last = stride * (side - 1) + 1
    return x[:, :, row : row + last : stride, column : column + last : stride]


def _conv(name: str, kernel: int, stride: int, sizes: dict[str, Dims], depthwise: bool = False) -> Workload:
    border = kernel // 2

    def side(h: int) -> int:
        return (h + 2 * border - kernel) // stride + 1

    def inputs(rng: np.random.Generator, n: int, c: int, k: int, h: int) -> tuple[np.ndarray, ...]:
        fan = 1 if depthwise else c
        scale = np.float32((fan * kernel * kernel) ** -0.5)
        return normal(rng, n, c, h, h), normal(rng, k, fan, kernel, kernel) * scale

    def call(F: Any, x: Any, weight: Any) -> Any:
        # A layer's groups are as many as it has channels, or one; frameworks differ in where weights hold them.
        return F.depthwise_conv2d(x, weight, stride, border) if depthwise else F.conv2d(x, weight, None, stride, border)

    def oracle(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
        out, x = side(x.shape[2]), _padded(x, border)
        total = np.zeros((len(x), len(weight), out, out))
        for i in range(kernel):
            for j in range(kernel):
                part, w = _every(x, i, j, stride, out), weight[:, :, i, j]
                if depthwise:
                    total += part * w[:, :, None]
                else:
                    total += np.matmul(w, part.reshape(*part.shape[:2], -1)).reshape(total.shape)
        return total

    return Workload(
        name=name,
        family="conv",
        sizes=sizes,
        inputs=inputs,
        call=call,
        oracle=oracle,
        flops=lambda n, c, k, h: 2 * n * k * (1 if depthwise else c) * (kernel * side(h)) ** 2,
        bytes=lambda n, c, k, h: 4 * (n * c * h * h + k * (1 if depthwise else c) * kernel**2 + n * k * side(h) ** 2),
        layouts=("NCHW", "OIHW"),
        out_layout="NCHW",
        # Winograd's rounding errors, in all frameworks that use it.
        atol=1e-4,
    )


def _pool(
    name: str, sizes: dict[str, Dims], call: Any, oracle: Any, out: Any, flops: int, atol: float = 1e-5
) -> Workload:
    """A workload over images (n, c, h, h) alone; `out` gives the result's side, `flops` are those of one output."""
    return Workload(
        name=name,
        family="conv",
        sizes=sizes,
        inputs=lambda rng, n, c, h: (normal(rng, n, c, h, h),),
        call=call,
        oracle=oracle,
        flops=lambda n, c, h: max(flops * n * c * out(h) ** 2, n * c * h * h),
        bytes=lambda n, c, h: 4 * n * c * (h * h + out(h) ** 2),
        layouts=("NCHW",),
        out_layout="NCHW",
        atol=atol,
    )


def _three_by_three(x: np.ndarray) -> np.ndarray:
    out, x = (x.shape[2] - 1) // 2 + 1, _padded(x, 1, -np.inf)
    return np.max([_every(x, i, j, 2, out) for i in range(3) for j in range(3)], axis=0)


def _twice(x: np.ndarray) -> np.ndarray:
    """Twice as many rows, then columns: a quarter of the one neighbour and three of the other."""
    for axis in (2, 3):
        n = x.shape[axis]
        before, after = (np.clip(np.arange(n) + step, 0, n - 1) for step in (-1, 1))
        mixed = [0.75 * x + 0.25 * x.take(at, axis) for at in (before, after)]
        shape = [*x.shape]
        shape[axis] *= 2
        x = np.stack(mixed, axis + 1).reshape(shape)
    return x


IMAGES: dict[str, Dims] = {
    "dispatch": (1, 8, 8),
    "cache": (1, 64, 28),
    "64 112 x1": (1, 64, 112),
    "64 56 x8": (8, 64, 56),
}

WORKLOADS = (
    _conv("conv2d_1x1", 1, 1, _sizes((8, 8, 8), (16, 96, 28), *POINTWISE)),
    _conv("conv2d_1x1_s2", 1, 2, _sizes((8, 8, 8), (32, 64, 28), (256, 512, 56))),
    _conv("conv2d_3x3", 3, 1, _sizes((8, 8, 8), (32, 32, 28), *RESNET_3X3)),
    _conv("conv2d_3x3_s2", 3, 2, _sizes((8, 8, 8), (32, 32, 28), (128, 128, 56), (3, 32, 224))),
    _conv("conv2d_7x7_s2", 7, 2, _sizes((3, 8, 16), (3, 16, 64), (3, 64, 224))),
    _conv("conv2d_depthwise", 3, 1, _sizes((8, 8, 8), (32, 32, 28), *DEPTHWISE), depthwise=True),
    _conv("conv2d_depthwise_s2", 3, 2, _sizes((8, 8, 8), (32, 32, 28), (96, 96, 112), (576, 576, 14)), depthwise=True),
    _pool(
        "max_pool2d_3x3_s2",
        IMAGES,
        lambda F, x: F.max_pool2d(x, 3, 2, 1),
        _three_by_three,
        lambda h: (h - 1) // 2 + 1,
        9,
    ),
    _pool(
        "avg_pool2d",
        IMAGES,
        lambda F, x: F.avg_pool2d(x, 2),
        lambda x: x.reshape(*x.shape[:2], x.shape[2] // 2, 2, x.shape[3] // 2, 2).mean((3, 5)),
        lambda h: h // 2,
        4,
    ),
    _pool(
        "adaptive_avg_pool2d",
        {"dispatch": (1, 8, 8), "cache": (1, 512, 7), "2048 7 x8": (8, 2048, 7)},
        lambda F, x: F.adaptive_avg_pool2d(x, 1),
        lambda x: x.mean((2, 3), keepdims=True),
        lambda h: 1,
        1,
    ),
    _pool(
        "interpolate_bilinear",
        {"dispatch": (1, 8, 8), "cache": (1, 64, 28), "64 56 x8": (8, 64, 56)},
        lambda F, x: F.interpolate(x, None, 2, "bilinear"),
        _twice,
        lambda h: 2 * h,
        6,
    ),
)

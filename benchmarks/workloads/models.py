"""Whole models, float32, with the same weights everywhere: a small CNN and one Transformer encoder block.

They are `SmallCNN` and `EncoderBlock` of torsh_ops.models, written in the common vocabulary. The training workloads
are loss and gradients with respect to every weight; what takes the step after them is in benchmarks.models.
Flops: a multiply-add is 2; of the backward pass, twice the forward's less the gradient of the input, which nobody
asks for; what is no matrix product or convolution is not counted. Bytes: inputs read once, results written once.
"""

import itertools
import math

import numpy as np

from benchmarks.workloads import model_oracles as oracles
from benchmarks.workloads.inputs import normal
from benchmarks.workloads.record import Dims, Workload

SIDE, CLASSES = 32, 10
CHANNELS = (3, 32, 32, 64, 64)
LENGTH, WIDTH, HEADS, HIDDEN = 128, 256, 8, 1024

BATCHES: dict[str, Dims] = {"batch1": (1,), "batch8": (8,)}
IMAGE_LAYOUTS = ("NCHW",)
CNN_LAYOUTS = (*("OIHW", "") * 4, "", "")


CNN_WEIGHTS: tuple[Dims, ...] = (
    *((k, c, 3, 3) for c, k in itertools.pairwise(CHANNELS)),
    (CLASSES, CHANNELS[-1]),
)
ENCODER_WEIGHTS: tuple[Dims, ...] = ((3 * WIDTH, WIDTH), (WIDTH, WIDTH), (HIDDEN, WIDTH), (WIDTH, HIDDEN))


def _affine(rng: np.random.Generator, shapes: tuple[Dims, ...]) -> tuple[np.ndarray, ...]:
    """Weight and bias of each layer; the weights have the variance that keeps a rectifier's signal. He et al. 2015."""
    pairs = [
        (normal(rng, *s) * np.float32(np.sqrt(2 / np.prod(s[1:]))), normal(rng, s[0]) * np.float32(0.1)) for s in shapes
    ]
    return tuple(array for pair in pairs for array in pair)


def cnn_weights(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """The arrays in the order of `SmallCNN().parameters()`."""
    return _affine(rng, CNN_WEIGHTS)


def encoder_weights(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """The arrays in the order of `EncoderBlock().parameters()`."""
    norms = [normal(rng, WIDTH) * np.float32(0.1) + np.float32(shift) for shift in (1, 0, 1, 0)]
    return (*_affine(rng, ENCODER_WEIGHTS), *norms)


def cnn(F, x, w1, b1, w2, b2, w3, b3, w4, b4, w5, b5):
    """Logits of images."""
    x = F.relu(F.conv2d(x, w1, b1, 1, 1))
    x = F.max_pool2d(F.relu(F.conv2d(x, w2, b2, 1, 1)), 2)
    x = F.relu(F.conv2d(x, w3, b3, 1, 1))
    x = F.max_pool2d(F.relu(F.conv2d(x, w4, b4, 1, 1)), 2)
    # A mean over all places, so that channels-first and channels-last give the classifier the same order.
    return F.linear(F.flatten(F.adaptive_avg_pool2d(x, 1), 1), w5, b5)


def encoder(F, x, w_in, b_in, w_out, b_out, w1, b1, w2, b2, g1, c1, g2, c2):
    """Self-attention and two layers, each added to its input and normalised."""
    parts = F.reshape(F.linear(x, w_in, b_in), (-1, LENGTH, 3, HEADS, WIDTH // HEADS))
    parts = F.permute(parts, (2, 0, 3, 1, 4))
    mixed = F.permute(F.scaled_dot_product_attention(parts[0], parts[1], parts[2]), (0, 2, 1, 3))
    mixed = F.linear(F.reshape(mixed, (-1, LENGTH, WIDTH)), w_out, b_out)
    x = F.layer_norm(x + mixed, (WIDTH,), g1, c1)
    return F.layer_norm(x + F.linear(F.relu(F.linear(x, w1, b1)), w2, b2), (WIDTH,), g2, c2)


def _cnn_flops(n: int) -> int:
    places = (SIDE**2, SIDE**2, SIDE**2 // 4, SIDE**2 // 4)
    sums = [9 * c * k * p for c, k, p in zip(CHANNELS, CHANNELS[1:], places, strict=False)]
    return 2 * n * (sum(sums) + CHANNELS[-1] * CLASSES)


def _cnn_training_flops(n: int) -> int:
    return 3 * _cnn_flops(n) - 2 * n * 9 * CHANNELS[0] * CHANNELS[1] * SIDE**2


def _projection_flops(n: int) -> int:
    return 2 * n * LENGTH * WIDTH * (4 * WIDTH + 2 * HIDDEN)


def _encoder_flops(n: int) -> int:
    return _projection_flops(n) + 4 * n * LENGTH**2 * WIDTH


def _encoder_training_flops(n: int) -> int:
    return 3 * _encoder_flops(n) - 2 * n * LENGTH * WIDTH * 3 * WIDTH


def _nbytes(shapes: tuple[Dims, ...]) -> int:
    return 4 * sum(math.prod(s) + s[0] for s in shapes)


CNN_BYTES = _nbytes(CNN_WEIGHTS)
ENCODER_BYTES = _nbytes(ENCODER_WEIGHTS) + 4 * 4 * WIDTH


WORKLOADS = (
    Workload(
        name="cnn",
        family="models",
        sizes=BATCHES,
        inputs=lambda rng, n: (normal(rng, n, 3, SIDE, SIDE), *cnn_weights(rng)),
        call=cnn,
        oracle=oracles.cnn,
        flops=_cnn_flops,
        bytes=lambda n: 4 * n * (3 * SIDE**2 + CLASSES) + CNN_BYTES,
        layouts=IMAGE_LAYOUTS + CNN_LAYOUTS,
        rtol=1e-4,
        atol=1e-4,
    ),
    Workload(
        name="encoder",
        family="models",
        sizes=BATCHES,
        inputs=lambda rng, n: (normal(rng, n, LENGTH, WIDTH), *encoder_weights(rng)),
        call=encoder,
        oracle=lambda *arrays: oracles.encoder(HEADS, *arrays),
        flops=_encoder_flops,
        bytes=lambda n: 8 * n * LENGTH * WIDTH + ENCODER_BYTES,
        rtol=1e-4,
        atol=1e-4,
    ),
    Workload(
        name="cnn_training",
        family="models",
        sizes={"batch8": (8,)},
        inputs=lambda rng, n: (
            normal(rng, n, 3, SIDE, SIDE),
            rng.integers(0, CLASSES, n),
            *cnn_weights(rng),
        ),
        call=lambda F, x, target, *weights: F.cross_entropy(cnn(F, x, *weights), target),
        oracle=oracles.cnn_training,
        flops=_cnn_training_flops,
        bytes=lambda n: n * (12 * SIDE**2 + 8) + 2 * CNN_BYTES,
        layouts=(*IMAGE_LAYOUTS, "", *CNN_LAYOUTS),
        wrt=tuple(range(2, 12)),
        rtol=1e-3,
        atol=1e-4,
    ),
    Workload(
        name="encoder_training",
        family="models",
        sizes={"batch8": (8,)},
        inputs=lambda rng, n: (
            normal(rng, n, LENGTH, WIDTH),
            normal(rng, n, LENGTH, WIDTH),
            *encoder_weights(rng),
        ),
        call=lambda F, x, target, *weights: F.mean((encoder(F, x, *weights) - target) ** 2),
        oracle=lambda *arrays: oracles.encoder_training(HEADS, *arrays),
        flops=_encoder_training_flops,
        bytes=lambda n: 8 * n * LENGTH * WIDTH + 2 * ENCODER_BYTES,
        wrt=tuple(range(2, 14)),
        rtol=1e-3,
        # One hidden unit of a million that rounds to the other side of ReLU moves its gradients by 6e-6, of up to 6e-4.
        atol=1e-5,
    ),
)

"""The models and their gradients in float64 NumPy, written out: what every framework is checked against."""

import numpy as np

Arrays = tuple[np.ndarray, ...]


def _windows(x: np.ndarray) -> np.ndarray:
    """The 3x3 windows of images with a border of zeros: (n, c, h, w, 3, 3)."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))


def _convolve(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return np.tensordot(_windows(x), weight, axes=([1, 4, 5], [1, 2, 3])).transpose(0, 3, 1, 2)


def _convolve_back(g: np.ndarray, x: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients with respect to the images, the weight and the bias."""
    turned = weight[:, :, ::-1, ::-1].swapaxes(0, 1)
    return _convolve(g, turned), np.tensordot(g, _windows(x), axes=([0, 2, 3], [0, 2, 3])), g.sum((0, 2, 3))


def _pool(x: np.ndarray) -> np.ndarray:
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).max((3, 5))


def _pool_back(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    n, c, h, w = x.shape
    squares = x.reshape(n, c, h // 2, 2, w // 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(*g.shape, 4)
    # The first of equal maxima gets the gradient; without ReLU's zeros there are no others.
    back = (np.arange(4) == squares.argmax(-1)[..., None]) * g[..., None]
    return back.reshape(*g.shape, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(x.shape)


def cnn(x: np.ndarray, *weights: np.ndarray) -> np.ndarray:
    """Logits."""
    return _cnn_forward(x, weights)[-1]


def _cnn_forward(x: np.ndarray, weights: Arrays) -> list[np.ndarray]:
    """The input of every convolution and what it gives before ReLU, the pooled features, the logits."""
    kept = []
    for layer in range(4):
        before = _convolve(x, weights[2 * layer]) + weights[2 * layer + 1][:, None, None]
        kept += [x, before]
        x = np.maximum(before, 0)
        if layer % 2:
            x = _pool(x)
    features = x.mean((2, 3))
    return [*kept, x, features, features @ weights[8].T + weights[9]]


def cnn_training(x: np.ndarray, target: np.ndarray, *weights: np.ndarray) -> Arrays:
    """Mean cross-entropy, and its gradient with respect to every weight and bias."""
    *kept, last, features, logits = _cnn_forward(x, weights)
    shifted = logits - logits.max(1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    rows = np.arange(len(target))
    g = np.exp(logs)
    g[rows, target] -= 1
    g /= len(target)
    gradients = [g.T @ features, g.sum(0)]
    back = np.broadcast_to((g @ weights[8])[:, :, None, None] / last[0, 0].size, last.shape)
    for layer in (3, 2, 1, 0):
        before = kept[2 * layer + 1]
        if layer % 2:
            back = _pool_back(back, np.maximum(before, 0))
        back, *own = _convolve_back(back * (before > 0), kept[2 * layer], weights[2 * layer])
        gradients = [*own, *gradients]
    return (-logs[rows, target].mean(), *gradients)


def _normalise(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The layer norm, and the normalised rows and deviations that its gradient needs."""
    centred = x - x.mean(-1, keepdims=True)
    deviation = np.sqrt(np.square(centred).mean(-1, keepdims=True) + 1e-5)
    return centred / deviation * weight + bias, centred / deviation, deviation


def _normalise_back(g: np.ndarray, unit: np.ndarray, deviation: np.ndarray, weight: np.ndarray) -> Arrays:
    """Gradients with respect to the input, the weight and the bias."""
    w = g * weight
    back = (w - w.mean(-1, keepdims=True) - unit * (w * unit).mean(-1, keepdims=True)) / deviation
    return back, (g * unit).sum((0, 1)), g.sum((0, 1))


def _affine_back(g: np.ndarray, x: np.ndarray, weight: np.ndarray) -> Arrays:
    """Gradients of ``x @ weight.T + bias`` with respect to all three."""
    return g @ weight, np.tensordot(g, x, axes=([0, 1], [0, 1])), g.sum((0, 1))


def encoder(heads: int, x: np.ndarray, *weights: np.ndarray) -> np.ndarray:
    """The block's output."""
    return _encoder_forward(heads, x, weights)[-1][0]


def _split(x: np.ndarray, parts: int) -> np.ndarray:
    """(n, length, parts x width) as (n, parts, length, width)."""
    return x.reshape(*x.shape[:2], parts, -1).transpose(0, 2, 1, 3)


def _join(x: np.ndarray) -> np.ndarray:
    return x.transpose(0, 2, 1, 3).reshape(x.shape[0], x.shape[2], -1)


def _encoder_forward(heads: int, x: np.ndarray, weights: Arrays) -> list:
    w_in, b_in, w_out, b_out, w1, b1, w2, b2, g1, c1, g2, c2 = weights
    q, k, v = (_split(part, heads) for part in np.split(x @ w_in.T + b_in, 3, -1))
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    e = np.exp(scores - scores.max(-1, keepdims=True))
    mixing = e / e.sum(-1, keepdims=True)
    mixed = _join(mixing @ v)
    first = _normalise(x + mixed @ w_out.T + b_out, g1, c1)
    hidden = first[0] @ w1.T + b1
    second = _normalise(first[0] + np.maximum(hidden, 0) @ w2.T + b2, g2, c2)
    return [q, k, v, mixing, mixed, first, hidden, second]


def encoder_training(heads: int, x: np.ndarray, target: np.ndarray, *weights: np.ndarray) -> Arrays:
    """Mean squared error, and its gradient with respect to every weight and bias."""
    w_in, _, w_out, _, w1, _, w2, _, g1, _, g2, _ = weights
    q, k, v, mixing, mixed, first, hidden, second = _encoder_forward(heads, x, weights)
    (_, unit1, deviation1), (result, unit2, deviation2) = first, second
    error = result - target
    back, d_g2, d_c2 = _normalise_back(2 * error / error.size, unit2, deviation2, g2)
    through, d_w2, d_b2 = _affine_back(back, np.maximum(hidden, 0), w2)
    below, d_w1, d_b1 = _affine_back(through * (hidden > 0), first[0], w1)
    back, d_g1, d_c1 = _normalise_back(back + below, unit1, deviation1, g1)
    through, d_w_out, d_b_out = _affine_back(back, mixed, w_out)
    g = _split(through, heads)
    d_mixing = g @ v.swapaxes(-1, -2)
    d_scores = mixing * (d_mixing - (d_mixing * mixing).sum(-1, keepdims=True)) / np.sqrt(q.shape[-1])
    parts = (d_scores @ k, d_scores.swapaxes(-1, -2) @ q, mixing.swapaxes(-1, -2) @ g)
    _, d_w_in, d_b_in = _affine_back(np.concatenate([_join(p) for p in parts], -1), x, w_in)
    own = (d_w_in, d_b_in, d_w_out, d_b_out, d_w1, d_b1, d_w2, d_b2, d_g1, d_c1, d_g2, d_c2)
    return (np.square(error).mean(), *own)

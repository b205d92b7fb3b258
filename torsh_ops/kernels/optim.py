"""One pass over a parameter for each step of an optimizer: every array is read and written once.

Arrays are flat and of one dtype; the parameter is last. `sign` is 1 to go down the gradient, -1 to go up.
"""

from numba import njit

from torsh_ops.kernels.vector import SERIAL, sqrt


@njit(**SERIAL)
def sgd(g, lr, decay, sign, p):
    """``p -= lr * (g + decay * p)``."""
    real = p.dtype.type
    lr, decay, sign = real(lr), real(decay), real(sign)
    for i in range(p.size):
        p[i] -= lr * (sign * g[i] + decay * p[i])


@njit(**SERIAL)
def sgd_momentum(g, velocity, lr, decay, sign, momentum, fresh, nesterov, p):
    """``velocity = momentum * velocity + fresh * d`` and ``p -= lr * (velocity, or d + momentum * velocity)``."""
    real = p.dtype.type
    lr, decay, sign, momentum, fresh = real(lr), real(decay), real(sign), real(momentum), real(fresh)
    # nesterov is 0 or 1: a factor keeps the loop free of branches.
    ahead, nesterov = real(nesterov) * momentum, real(nesterov)
    for i in range(p.size):
        d = sign * g[i] + decay * p[i]
        v = momentum * velocity[i] + fresh * d
        velocity[i] = v
        p[i] -= lr * (nesterov * d + ahead * v + (real(1) - nesterov) * v)


@njit(**SERIAL)
def adam(g, first, second, largest, step, shrink, decay, sign, beta1, beta2, correction, eps, amsgrad, p):
    """Adam: `step` is ``lr / (1 - beta1 ** t)``, `correction` ``sqrt(1 - beta2 ** t)``, `shrink` AdamW's factor of p.

    With `amsgrad`, `largest` keeps the largest second moment so far. Kingma and Ba 2015; Reddi et al. 2018.
    """
    real = p.dtype.type
    step, shrink, decay, sign, eps = real(step), real(shrink), real(decay), real(sign), real(eps)
    beta1, beta2, rest1, rest2 = real(beta1), real(beta2), real(1 - beta1), real(1 - beta2)
    scale = real(1 / correction)
    for i in range(p.size):
        before = p[i] * shrink
        d = sign * g[i] + decay * before
        m = first[i] + rest1 * (d - first[i])
        v = beta2 * second[i] + rest2 * d * d
        first[i], second[i] = m, v
        if amsgrad:
            v = max(v, largest[i])
            largest[i] = v
        p[i] = before - step * m / (sqrt(v) * scale + eps)


@njit(**SERIAL)
def rmsprop(g, square, mean, velocity, lr, decay, sign, alpha, eps, momentum, centered, p):
    """RMSprop: the gradient over the root of its mean square, `centered` around its mean. Tieleman and Hinton 2012."""
    real = p.dtype.type
    lr, decay, sign, eps, momentum = real(lr), real(decay), real(sign), real(eps), real(momentum)
    rest, alpha = real(1 - alpha), real(alpha)
    for i in range(p.size):
        d = sign * g[i] + decay * p[i]
        s = alpha * square[i] + rest * d * d
        square[i] = s
        if centered:
            m = mean[i] + rest * (d - mean[i])
            mean[i] = m
            s = s - m * m
        v = momentum * velocity[i] + d / (sqrt(s) + eps)
        velocity[i] = v
        p[i] -= lr * v

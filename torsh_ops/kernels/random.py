"""Random numbers by counting: block i of a stream is the Philox 4x32-10 cipher of the number i under the seed.

Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3". A block is four words of 32 bits. What is drawn for
one element depends on its place and the seed alone, so any range of a stream can be computed on its own: by another
thread, or in vector lanes. 16 blocks make a group of 64 words, the first words of all blocks first: each store then is
one vector. `out` is C-contiguous, of a whole number of groups; `key` is the seed, `start` the number of the first
block.
"""

import numpy as np
from numba import njit

from torsh_ops.kernels.math import log_f32
from torsh_ops.kernels.vector import FORCED, SERIAL, f4, flat, fma, minimum, span, sqrt

_u4, _u8, _i4 = np.uint32, np.uint64, np.int32

LANES = 16
GROUP = 64  # words of 16 blocks
HALF = 32  # numbers of 64 bits from as many

_M0, _M1 = _u8(0xD2511F53), _u8(0xCD9E8D57)
_W0, _W1 = _u4(0x9E3779B9), _u4(0xBB67AE85)
_32 = _u8(32)


@njit(**FORCED)
def _round(a, b, c, d, k0, k1):
    p, q = _M0 * _u8(a), _M1 * _u8(c)
    return _u4(_u4(q >> _32) ^ b ^ k0), _u4(q), _u4(_u4(p >> _32) ^ d ^ k1), _u4(p)


@njit(**FORCED)
def cipher(a, b, c, d, k0, k1):
    """Ten rounds over a counter of four words under a key of two."""
    a, b, c, d = _round(a, b, c, d, k0, k1)
    for _ in range(9):
        k0, k1 = _u4(k0 + _W0), _u4(k1 + _W1)
        a, b, c, d = _round(a, b, c, d, k0, k1)
    return a, b, c, d


@njit(**FORCED)
def philox(counter, key):
    """The four words of block `counter` (uint64) under `key` (uint64)."""
    return cipher(_u4(counter), _u4(counter >> _32), _u4(0), _u4(0), _u4(key), _u4(key >> _32))


@njit(**FORCED)
def _unit(word):
    return f4(_i4(word >> _u4(8))) * f4(5.9604645e-08)


@njit(**FORCED)
def _long(high, low):
    """Two words as one of 64 bits."""
    return _u8(high) << _32 | _u8(low)


# Python's lock is kept, so that no other thread comes between.
@njit(**{**SERIAL, "nogil": False})
def spend(state, blocks):
    """Add `blocks` to those spent of a generator's state; return how many were before."""
    start = state[1]
    state[1] = start + blocks
    return start


@njit(**SERIAL)
def uniform_f32(key, low, width, top, out, start):
    """`low + width u`, u of 24 bits in [0, 1); at most `top`, as the sum may round up."""
    out = flat(out)
    seed, low, width, top = _u8(key), f4(low), f4(width), f4(top)
    for g in range(out.size // GROUP):
        o = span(out, g * GROUP, GROUP)
        first = _u8(start) + _u8(g * LANES)
        for i in range(LANES):
            a, b, c, d = philox(first + _u8(i), seed)
            o[i] = minimum(fma(_unit(a), width, low), top)
            o[i + 16] = minimum(fma(_unit(b), width, low), top)
            o[i + 32] = minimum(fma(_unit(c), width, low), top)
            o[i + 48] = minimum(fma(_unit(d), width, low), top)


@njit(**SERIAL)
def uniform_f64(key, low, width, top, out, start):
    """`low + width u`, u of 53 bits in [0, 1); at most `top`."""
    out = flat(out)
    seed = _u8(key)
    for g in range(out.size // HALF):
        o = span(out, g * HALF, HALF)
        first = _u8(start) + _u8(g * LANES)
        for i in range(LANES):
            a, b, c, d = philox(first + _u8(i), seed)
            o[i] = minimum(fma(np.float64(_long(a, b) >> _u8(11)) * 1.1102230246251565e-16, width, low), top)
            o[i + 16] = minimum(fma(np.float64(_long(c, d) >> _u8(11)) * 1.1102230246251565e-16, width, low), top)


@njit(**FORCED)
def _pair(radius_word, angle_word):
    """Two independent standard normal numbers. Box and Muller 1958.

    The radius takes all 32 bits, which puts the tails' end at 6.7. The angle's low 30 bits turn it by up to pi / 4
    either way; two bits then swap sine and cosine and change both signs, which covers the circle.
    """
    u = fma(f4(_i4(radius_word >> _u4(1))), f4(4.656613e-10), f4(2.3283064e-10))
    r = sqrt(f4(-2.0) * log_f32(u))
    x = f4(_i4(angle_word << _u4(2))) * f4(3.6572227e-10)
    t = x * x
    # Taylor's series, to 1e-7 at pi / 4.
    s = fma(fma(fma(f4(2.7557319e-06), t, f4(-1.9841270e-04)), t, f4(8.3333333e-03)), t, f4(-1.6666667e-01))
    s = fma(s * t, x, x)
    c = fma(fma(fma(f4(2.4801587e-05), t, f4(-1.3888889e-03)), t, f4(4.1666667e-02)), t, f4(-0.5))
    c = fma(c, t, f4(1.0))
    r = -r if angle_word & _u4(0x80000000) else r
    swap = (angle_word & _u4(0x40000000)) != _u4(0)
    return r * (s if swap else c), r * (c if swap else s)


@njit(**SERIAL)
def normal_f32(key, mean, std, out, start):
    """Normal numbers of `mean` and standard deviation `std`."""
    out = flat(out)
    seed, mean, std = _u8(key), f4(mean), f4(std)
    for g in range(out.size // GROUP):
        o = span(out, g * GROUP, GROUP)
        first = _u8(start) + _u8(g * LANES)
        for i in range(LANES):
            a, b, c, d = philox(first + _u8(i), seed)
            x, y = _pair(a, b)
            z, w = _pair(c, d)
            o[i] = fma(x, std, mean)
            o[i + 16] = fma(y, std, mean)
            o[i + 32] = fma(z, std, mean)
            o[i + 48] = fma(w, std, mean)


@njit(**SERIAL)
def bernoulli(key, threshold, yes, out, start):
    """`yes` where a word is below `threshold` (0 to 2^32), else 0."""
    out = flat(out)
    seed, limit = _u8(key), _u8(threshold)
    hit, miss = out.dtype.type(yes), out.dtype.type(0)
    for g in range(out.size // GROUP):
        o = span(out, g * GROUP, GROUP)
        first = _u8(start) + _u8(g * LANES)
        for i in range(LANES):
            a, b, c, d = philox(first + _u8(i), seed)
            o[i] = hit if _u8(a) < limit else miss
            o[i + 16] = hit if _u8(b) < limit else miss
            o[i + 32] = hit if _u8(c) < limit else miss
            o[i + 48] = hit if _u8(d) < limit else miss


@njit(**FORCED)
def _below(high, low, count):
    """A number below `count` (at most 2^32) from two words, by multiplication: no value is likelier by 2^-32."""
    return (_u8(high) * count + (_u8(low) * count >> _32)) >> _32


@njit(**SERIAL)
def integers(key, low, count, out, start):
    """`low` plus a number below `count`, at most 2^32; int64."""
    out = flat(out)
    seed, n = _u8(key), _u8(count)
    for g in range(out.size // HALF):
        o = span(out, g * HALF, HALF)
        first = _u8(start) + _u8(g * LANES)
        for i in range(LANES):
            a, b, c, d = philox(first + _u8(i), seed)
            o[i] = np.int64(_below(a, b, n)) + low
            o[i + 16] = np.int64(_below(c, d, n)) + low


@njit(**SERIAL)
def longs(key, out, start):
    """All 64 bits of two words, as int64."""
    out = flat(out)
    seed = _u8(key)
    for g in range(out.size // HALF):
        o = span(out, g * HALF, HALF)
        first = _u8(start) + _u8(g * LANES)
        for i in range(LANES):
            a, b, c, d = philox(first + _u8(i), seed)
            o[i] = np.int64(_long(a, b))
            o[i + 16] = np.int64(_long(c, d))


@njit(**SERIAL)
def permutation(key, draws, out, start):
    """The numbers 0 to n - 1 in random order (Fisher and Yates); `draws` is room for a group of them."""
    n = out.size
    for i in range(n):
        out[i] = i
    for base in range(0, n, HALF):
        integers(key, 0, 1 << 32, draws, start + base // HALF * LANES)
        for k in range(min(HALF, n - base)):
            i = base + k
            # The draw stands for 32 bits: a range of n is uneven by n / 2^32.
            j = i + (draws[k] * (n - i) >> 32)
            out[i], out[j] = out[j], out[i]

"""Pooling over windows of an image. Images come as planes (n x c, height, width)."""

import numpy as np
from numba import njit

from torsh_ops.kernels.vector import REORDER, SERIAL, fmaximum

# Indices are unsigned where they may look negative to LLVM: tests for counting from the end cost the vectors.


@njit(**SERIAL)
def _inside(offset, stride, size, count):
    """The outputs, from first to last + 1, whose element at `offset` of the window lies in the image."""
    first = 0 if offset >= 0 else (-offset + stride - 1) // stride
    last = (size - 1 - offset) // stride + 1 if size > offset else 0
    return min(first, count), min(max(last, first), count)


@njit(**SERIAL)
def maximum(x, row_stride, column_stride, row_offsets, column_offsets, out):
    """Largest element of each window; NaN wins. The window's elements are at the offsets from ``place * stride``."""
    lowest = x.dtype.type(-np.inf)
    for plane in range(x.shape[0]):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                out[plane, i, j] = lowest
            for row_offset in row_offsets:
                y = i * row_stride + row_offset
                if y < 0 or y >= x.shape[1]:
                    continue
                for column_offset in column_offsets:
                    first, last = _inside(column_offset, column_stride, x.shape[2], out.shape[2])
                    start, stride = np.uint64(first * column_stride + column_offset), np.uint64(column_stride)
                    for j in range(np.uint64(last - first)):
                        place = np.uint64(first) + j
                        out[plane, i, place] = fmaximum(out[plane, i, place], x[plane, y, start + j * stride])


@njit(**SERIAL)
def maximum_at(x, row_stride, column_stride, row_offsets, column_offsets, out, where):
    """`maximum`, and which element of the plane it is: the first of equal ones, or the last NaN."""
    lowest = x.dtype.type(-np.inf)
    for plane in range(x.shape[0]):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                out[plane, i, j], where[plane, i, j] = lowest, -1
            for row_offset in row_offsets:
                y = i * row_stride + row_offset
                if y < 0 or y >= x.shape[1]:
                    continue
                for column_offset in column_offsets:
                    first, last = _inside(column_offset, column_stride, x.shape[2], out.shape[2])
                    start, stride = np.uint64(first * column_stride + column_offset), np.uint64(column_stride)
                    begin = np.uint64(y * x.shape[2]) + start
                    for j in range(np.uint64(last - first)):
                        place = np.uint64(first) + j
                        value, best = x[plane, y, start + j * stride], out[plane, i, place]
                        index, before = np.int32(begin + j * stride), where[plane, i, place]
                        # An element of -inf is larger than nothing at all.
                        larger = (value > best) | (value != value) | (before < 0)
                        out[plane, i, place] = value if larger else best
                        where[plane, i, place] = index if larger else before


@njit(**SERIAL)
def maximum_within(x, row_bounds, column_bounds, out, where):
    """`maximum_at` of all rows and columns within the bounds of each output."""
    for plane in range(x.shape[0]):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                best, found = x.dtype.type(-np.inf), -1
                for y in range(row_bounds[0, i], row_bounds[1, i]):
                    for column in range(column_bounds[0, j], column_bounds[1, j]):
                        value = x[plane, y, column]
                        if value > best or value != value or found < 0:
                            best, found = value, y * x.shape[2] + column
                out[plane, i, j], where[plane, i, j] = best, found


@njit(**SERIAL)
def scatter(g, where, out):
    """Add each element of `g` to its place in the plane; `out` (planes, places) begins as zeros."""
    for plane in range(g.shape[0]):
        for i in range(g.shape[1]):
            out[plane, where[plane, i]] += g[plane, i]


@njit(**SERIAL)
def gather(x, where, out):
    """Take each element from its place in the plane."""
    for plane in range(out.shape[0]):
        for i in range(out.shape[1]):
            out[plane, i] = x[plane, where[plane, i]]


@njit(**REORDER)
def average(x, row_bounds, column_bounds, row_scale, column_scale, out):
    """Sum of the rows and columns within the bounds of each output, times both scales."""
    for plane in range(x.shape[0]):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                total = x.dtype.type(0)
                begin, end = np.uint64(column_bounds[0, j]), np.uint64(column_bounds[1, j])
                for y in range(row_bounds[0, i], row_bounds[1, i]):
                    for column in range(begin, end):
                        total += x[plane, np.uint64(y), column]
                out[plane, i, j] = total * (row_scale[i] * column_scale[j])


@njit(**SERIAL)
def spread(g, row_bounds, column_bounds, row_scale, column_scale, out):
    """Add each element, times both scales, to everything within its bounds: the transpose of `average`."""
    for plane in range(g.shape[0]):
        for i in range(g.shape[1]):
            for j in range(g.shape[2]):
                share = g[plane, i, j] * (row_scale[i] * column_scale[j])
                for y in range(row_bounds[0, i], row_bounds[1, i]):
                    for column in range(column_bounds[0, j], column_bounds[1, j]):
                        out[plane, y, column] += share

"""The short way into a kernel: C functions that take Python's arguments as they come, compiled by Numba.

Each serves every operator of one kind by way of a table (`torsh_ops.ops.shortcut` fills it). It looks into Tensor,
ndarray and float objects at their fixed places, allocates the result through NumPy's C interface, runs the kernel by
its address and returns a Tensor. What it cannot serve, it hands to the operator's Python function, arguments and all.
An address is an intp throughout.
"""

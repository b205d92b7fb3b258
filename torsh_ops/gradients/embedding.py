"""Gradients of rows by index."""

from torsh_ops.autograd import define_grad
from torsh_ops.ops import embedding as em

define_grad(
    em.embedding,
    None,
    lambda g, input, _w, padding, by_freq: em.add_rows(g, input, _w.shape[0], padding, by_freq),
)
define_grad(
    em.add_rows,
    lambda g, _grad, input, _rows, padding, by_freq: em.add_rows_grad(g, input, padding, by_freq),
)

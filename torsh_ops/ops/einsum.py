"""Sums of products by an equation: `einsum`, and `tensordot`. Every pair of operands becomes one matrix product."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from torsh_ops.errors import ArgumentError, DimError, OperandError, ShapeError
from torsh_ops.ops.dispatch import need_tensor
from torsh_ops.ops.elementwise import mul
from torsh_ops.ops.linalg import bmm, mm
from torsh_ops.ops.reduce import sum as sum_of
from torsh_ops.ops.views import array_of, diagonal, permute, reshape
from torsh_ops.tensor import Tensor, check_dim

# A letter of the equation, or the number of a dimension that an ellipsis stands for, counted from the last.
Label = str | int
Labels = tuple[Label, ...]
Shape = tuple[int, ...]

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class _Form(NamedTuple):
    """What an operand becomes before its product: dimensions summed away, an order and a shape; None leaves it."""

    summed: Shape
    order: Shape | None
    shape: Shape | None


class _Product(NamedTuple):
    left: _Form
    right: _Form
    multiply: Callable[..., Tensor]
    shape: Shape


class _Plan(NamedTuple):
    """What to do, found once for an equation and its shapes."""

    repeated: tuple[tuple[int, int, int], ...]  # operand, two of its dimensions: their diagonal goes last
    products: tuple[_Product, ...]
    last: _Form


def einsum(equation: str, *operands: Any) -> Tensor:
    """Products of the operands' elements, summed over the letters that the result lacks: "ij,jk->ik".

    A letter twice in one operand means its diagonal; "..." means dimensions that broadcast. Without "->", the result
    has the letters that occur once, sorted. Operands are multiplied from the left to the right. Raises ShapeError
    when the equation cannot be read or does not fit the shapes.
    """
    if not isinstance(equation, str):
        equation, operands = _spelled((equation, *operands))
    tensors = operands[0] if len(operands) == 1 and isinstance(operands[0], (tuple, list)) else operands
    shapes = tuple([array_of(einsum, x).shape for x in tensors])
    plan = _plan(equation, shapes)
    rest = list(tensors)
    for i, a, b in plan.repeated:
        rest[i] = diagonal(rest[i], 0, a, b)
    result = rest[0]
    for product, other in zip(plan.products, rest[1:], strict=True):
        both = product.multiply(_formed(result, product.left), _formed(other, product.right))
        result = both if both._array.shape == product.shape else reshape(both, product.shape)
    return _formed(result, plan.last)


def _formed(x: Tensor, form: _Form) -> Tensor:
    if form.summed:
        x = sum_of(x, form.summed)
    if form.order is not None:
        x = permute(x, form.order)
    return x if form.shape is None else reshape(x, form.shape)


def _spelled(given: Sequence[Any]) -> tuple[str, tuple[Any, ...]]:
    """Return the equation of the form with lists of numbers in place of letters."""
    operands, lists = given[0::2], list(given[1::2])
    out = None
    if len(given) % 2:
        operands, out = operands[:-1], operands[-1]

    def letters(numbers: Any) -> str:
        if isinstance(numbers, Tensor) or not all(n is Ellipsis or 0 <= n < len(_LETTERS) for n in numbers):
            raise ArgumentError(f"einsum: subscripts must be Ellipsis or from 0 to {len(_LETTERS) - 1}, got {numbers}")
        return "".join("..." if n is Ellipsis else _LETTERS[n] for n in numbers)

    equation = ",".join(map(letters, lists))
    return (equation if out is None else f"{equation}->{letters(out)}"), tuple(operands)


def _parsed(term: str, equation: str) -> list[str]:
    """Return the letters of one term, "..." for the ellipsis."""
    found: list[str] = []
    at = 0
    while at < len(term):
        if term.startswith("...", at) and "..." not in found:
            found.append("...")
            at += 3
            continue
        if term[at] not in _LETTERS:
            raise ShapeError(
                f"einsum(): invalid subscript {term[at]!r} in the equation {equation!r}: subscripts must be in "
                "[a-zA-Z], with '...' once in an operand"
            )
        found.append(term[at])
        at += 1
    return found


def _labels(term: list[str], ndim: int, operand: int, equation: str) -> Labels:
    """Return a label for each dimension of an operand."""
    named = len(term) - ("..." in term)
    if named > ndim or (named < ndim and "..." not in term):
        raise ShapeError(
            f"einsum(): the number of subscripts in the equation {equation!r} ({named}) does not match the number of "
            f"dimensions ({ndim}) for operand {operand}{'' if '...' in term else ' and no ellipsis was given'}"
        )
    labels: list[Label] = []
    for label in term:
        labels += range(ndim - named, 0, -1) if label == "..." else [label]
    return tuple(labels)


def _result_labels(right: str | None, inputs: list[Labels], equation: str) -> Labels:
    dots = max((label for labels in inputs for label in labels if isinstance(label, int)), default=0)
    letters = [label for labels in inputs for label in labels if isinstance(label, str)]
    if right is None:
        return (*range(dots, 0, -1), *sorted(x for x in set(letters) if letters.count(x) == 1))
    wanted: list[Label] = []
    for label in _parsed(right, equation):
        if label == "...":
            wanted += range(dots, 0, -1)
        elif label not in letters:
            raise ShapeError(
                f"einsum(): output subscript {label} does not appear in the equation {equation!r} for any input operand"
            )
        elif label in wanted:
            raise ShapeError(f"einsum(): output subscript {label} appears more than once in the output of {equation!r}")
        else:
            wanted.append(label)
    return tuple(wanted)


def _sizes(operands: list[tuple[Labels, Shape]], shapes: Sequence[Shape], equation: str) -> dict[Label, int]:
    sizes: dict[Label, int] = {}
    for labels, shape in operands:
        for label, n in zip(labels, shape, strict=True):
            known = sizes.get(label, 1)
            if n != 1 and known not in (1, n):
                raise ShapeError(
                    f"einsum(): operands do not broadcast in {equation!r}: subscript {label!r} has sizes {known} and "
                    f"{n} in shapes {', '.join(str(list(s)) for s in shapes)}"
                )
            sizes[label] = n if known == 1 else known
    return sizes


@lru_cache(maxsize=512)
def _plan(equation: str, shapes: tuple[Shape, ...]) -> _Plan:
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = [_parsed(term, equation) for term in left.split(",")]
    if len(terms) != len(shapes):
        more = "fewer" if len(shapes) < len(terms) else "more"
        raise ShapeError(
            f"einsum(): {more} operands were provided ({len(shapes)}) than specified in the equation {equation!r} "
            f"({len(terms)})"
        )
    inputs = [_labels(t, len(s), i, equation) for i, (t, s) in enumerate(zip(terms, shapes, strict=True))]
    wanted = _result_labels(right if arrow else None, inputs, equation)
    repeated: list[tuple[int, int, int]] = []
    operands = []
    for i, (labels, shape) in enumerate(zip(inputs, shapes, strict=True)):
        operands.append(_without_repeats(i, list(labels), list(shape), repeated, equation))
    sizes = _sizes(operands, shapes, equation)
    products = []
    have, own = operands[0]
    for i, (labels, shape) in enumerate(operands[1:], 1):
        needed = set(wanted).union(*(later for later, _ in operands[i + 1 :]))
        product, have = _paired(have, own, labels, shape, needed, sizes)
        products.append(product)
        own = product.shape
    kept = [x for x in have if x in wanted]
    summed = tuple(d for d, x in enumerate(have) if x not in wanted)
    order = tuple(kept.index(x) for x in wanted)
    return _Plan(tuple(repeated), tuple(products), _Form(summed, _unless_sorted(order), None))


def _without_repeats(
    operand: int, labels: list[Label], shape: list[int], repeated: list[tuple[int, int, int]], equation: str
) -> tuple[Labels, Shape]:
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            a = labels.index(label)
            b = labels.index(label, a + 1)
            if shape[a] != shape[b]:
                raise ShapeError(
                    f"einsum(): subscript {label} is repeated for operand {operand} of {equation!r} but the sizes "
                    f"don't match, {shape[b]} != {shape[a]}"
                )
            repeated.append((operand, a, b))
            labels.append(label)
            shape.append(shape[a])
            for d in (b, a):
                del labels[d], shape[d]
    return tuple(labels), tuple(shape)


def _paired(
    a: Labels, a_shape: Shape, b: Labels, b_shape: Shape, needed: set[Label], sizes: dict[Label, int]
) -> tuple[_Product, Labels]:
    """Plan the product of two operands; return it with the labels of the result."""
    # A dimension of size 1 beside a larger one counts as missing: it broadcasts.
    left = {x for x, n in zip(a, a_shape, strict=True) if n != 1 or sizes[x] == 1 or x not in b}
    right = {x for x, n in zip(b, b_shape, strict=True) if n != 1 or sizes[x] == 1 or x not in a}
    drop_left = tuple(d for d, x in enumerate(a) if x not in left or (x not in needed and x not in right))
    drop_right = tuple(d for d, x in enumerate(b) if x not in right or (x not in needed and x not in left))
    a_kept = [x for d, x in enumerate(a) if d not in drop_left]
    b_kept = [x for d, x in enumerate(b) if d not in drop_right]
    batch = [x for x in a_kept if x in b_kept and x in needed]
    inner = [x for x in a_kept if x in b_kept and x not in needed]
    outer_a, outer_b = ([x for x in mine if x not in batch and x not in inner] for mine in (a_kept, b_kept))
    own_a = {x: n for x, n in zip(a, a_shape, strict=True)}
    own_b = {x: n for x, n in zip(b, b_shape, strict=True)}
    size = {**own_b, **{x: n for x, n in own_a.items() if x in a_kept}}
    count = [math.prod(size[x] for x in group) for group in (batch, outer_a, inner, outer_b)]
    result = (*batch, *outer_a, *outer_b)
    shape = tuple(size[x] for x in result)
    head, left_tail, right_tail = (tuple(size[x] for x in group) for group in (batch, outer_a, outer_b))
    if not inner:
        # Nothing to sum: each has dimensions of size 1 where the other has its own.
        form_a = _form(drop_left, a_kept, [*batch, *outer_a], size, (*head, *left_tail, *(1,) * len(outer_b)))
        form_b = _form(drop_right, b_kept, [*batch, *outer_b], size, (*head, *(1,) * len(outer_a), *right_tail))
        return _Product(form_a, form_b, mul, shape), result
    lead = (count[0],) if batch else ()
    form_a = _form(drop_left, a_kept, [*batch, *outer_a, *inner], size, (*lead, count[1], count[2]))
    form_b = _form(drop_right, b_kept, [*batch, *inner, *outer_b], size, (*lead, count[2], count[3]))
    return _Product(form_a, form_b, bmm if batch else mm, shape), result


def _form(summed: Shape, have: list[Label], wanted: list[Label], size: dict[Label, int], shape: Shape) -> _Form:
    order = tuple(have.index(x) for x in wanted)
    return _Form(summed, _unless_sorted(order), None if tuple(size[x] for x in wanted) == shape else shape)


def _unless_sorted(order: Shape) -> Shape | None:
    return None if order == tuple(range(len(order))) else order


def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Products of the elements of two tensors, summed over `dims`: so many last of `a` and first of `b`, or two lists.

    Raises ShapeError when the sizes of the summed dimensions differ.
    """
    need_tensor(tensordot, a, "a")
    need_tensor(tensordot, b, "b")
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if not 0 <= dims <= min(a.ndim, b.ndim):
            raise ShapeError(f"tensordot: dims={dims} must be from 0 to the dimensions of {a.shape} and {b.shape}")
        dims = (list(range(a.ndim - dims, a.ndim)), list(range(dims)))
    if len(dims) != 2:
        raise OperandError(f"tensordot expects dims to be int or two lists, but got {dims}")
    pairs = [[d] if isinstance(d, int) else list(d) for d in dims]
    of_a, of_b = ([check_dim(d, x.ndim) for d in pair] for x, pair in ((a, pairs[0]), (b, pairs[1])))
    if len(of_a) != len(of_b) or len(set(of_a)) < len(of_a) or len(set(of_b)) < len(of_b):
        raise DimError(f"both dimension lists should name as many dimensions, each once, but got {pairs}")
    for i, j in zip(of_a, of_b, strict=True):
        if a.shape[i] != b.shape[j]:
            raise ShapeError(
                f"contracted dimensions need to match, but first has size {a.shape[i]} in dim {i} and second has size "
                f"{b.shape[j]} in dim {j}: shapes {a.shape} and {b.shape}"
            )
    free_a, free_b = ([d for d in range(x.ndim) if d not in used] for x, used in ((a, of_a), (b, of_b)))
    inner = math.prod(a.shape[i] for i in of_a)
    shape = (*(a.shape[d] for d in free_a), *(b.shape[d] for d in free_b))
    rows, columns = math.prod(a.shape[d] for d in free_a), math.prod(b.shape[d] for d in free_b)
    left = reshape(permute(a, (*free_a, *of_a)), (rows, inner))
    right = reshape(permute(b, (*of_b, *free_b)), (inner, columns))
    return reshape(mm(left, right), shape)


__all__ = ["einsum", "tensordot"]
METHODS: tuple[Any, ...] = ()

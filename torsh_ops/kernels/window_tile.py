"""Windows that slide over an image: what their rows hold, one vector of outputs at a time, borders not loaded.

The kernels made of this name their arguments alike: the image `x` (height, width) begins at `x_at`, the output `y`
(out_height, out_width) at `y_at`, and the tile at (row, column) of the output, whose windows begin `top` rows above
and `left` columns before ``place * stride``.
"""

from typing import Any

from torsh_ops.kernels.conv_emit import INT64, Emitter


def _shifts(e: Emitter, side: int, stride: int) -> list[int]:
    """Where the vectors of one image row begin, from the first column of the first window on."""
    if stride == 1:
        return list(range(side))
    return [at + half for at in range(0, side, 2) for half in (0, e.width)]


def _first_column(e: Emitter, stride: int) -> Any:
    return e.builder.sub(e.builder.mul(e.args["column"], INT64(stride)), e.args["left"])


def masks(e: Emitter, side: int, stride: int) -> list[Any]:
    """The lanes that lie in the image, of each vector that `row` loads."""
    b, found = e.builder, []
    for shift in _shifts(e, side, stride):
        first = b.add(_first_column(e, stride), INT64(shift))
        found.append(b.and_(e.lanes_from(b.sub(INT64(0), first)), e.first_lanes(b.sub(e.args["width"], first))))
    return found


def row(e: Emitter, side: int, stride: int, y: Any, inside: list[Any], border: Any) -> list[Any]:
    """Image row `y` under each of the `side` columns of the windows, `border` outside; `stride` is 1 or 2."""
    a, b = e.args, e.builder
    place = e.at(a["x"], a["x_at"], b.mul(y, a["width"]), _first_column(e, stride))
    loaded = [
        b.select(mask, e.read_masked(mask, place, INT64(at)), border)
        for at, mask in zip(_shifts(e, side, stride), inside, strict=True)
    ]
    if stride == 1:
        return loaded
    pairs = [e.unzip(*loaded[i : i + 2]) for i in range(0, len(loaded), 2)]
    return [vector for pair in pairs for vector in pair][:side]


def row_or_border(e: Emitter, side: int, stride: int, y: Any, inside: list[Any], border: Any) -> list[Any]:
    """`row` where the image has such a row, `border` where it has none."""
    b = e.builder
    exists = b.and_(b.icmp_signed(">=", y, INT64(0)), b.icmp_signed("<", y, e.args["height"]))
    before = b.block
    with b.if_then(exists):
        loaded = row(e, side, stride, y, inside, border)
        after = b.block
    chosen = [b.phi(e.vector) for _ in loaded]
    for phi, value in zip(chosen, loaded, strict=True):
        phi.add_incoming(value, after)
        phi.add_incoming(border, before)
    return chosen


def is_inside(e: Emitter, side: int, stride: int, rows: int) -> Any:
    """Whether the image has all rows of a tile of `rows` output rows, and the output too."""
    a, b = e.args, e.builder
    first = b.sub(b.mul(a["row"], INT64(stride)), a["top"])
    last = b.add(first, INT64(stride * (rows - 1) + side - 1))
    inside = b.and_(b.icmp_signed(">=", first, INT64(0)), b.icmp_signed("<", last, a["height"]))
    return b.and_(inside, b.icmp_signed("<=", b.add(a["row"], INT64(rows)), a["out_height"]))


def store(e: Emitter, rows: list[Any], whole: bool) -> None:
    """Store one vector of each row of the tile, where the output has it."""
    b, a = e.builder, e.args
    mask = e.first_lanes(b.sub(a["out_width"], a["column"]))
    for r, value in enumerate(rows):
        number = b.add(a["row"], INT64(r))
        place = e.at(a["y"], a["y_at"], b.mul(number, a["out_width"]), a["column"])
        if whole:
            e.write_masked(mask, value, place)
        else:
            with b.if_then(b.icmp_signed("<", number, a["out_height"])):
                e.write_masked(mask, value, place)

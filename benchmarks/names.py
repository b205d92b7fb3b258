"""One error for every name that does not exist, with the names that do."""

import difflib
from collections.abc import Iterable


class UnknownName(ValueError):
    """A name that is in no list: the message is one line that names it and the nearest matches."""

    def __init__(self, kind: str, name: str, known: Iterable[str]):
        known = list(known)
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        way_out = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(sorted(known))}"
        super().__init__(f"no {kind} {name!r}: {way_out}")

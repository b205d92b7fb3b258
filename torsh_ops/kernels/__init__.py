"""Kernels: plain loops that Numba compiles. They take arrays and `out`, validate nothing and allocate nothing.

Every kernel is serial, calls no libm function and can be compiled for another machine; `torsh_ops.threads` runs
one on several ranges at once.
"""

import contextlib
import re
from functools import cache
from pathlib import Path

# What these compile may hold any kernel.
_MADE_OF_ANY = ("stream", "short", "window")
_FROM_ONE = re.compile(r"^from torsh_ops\.kernels\.([\w.]+) import", re.MULTILINE)
_FROM_ALL = re.compile(r"^from torsh_ops\.kernels import ([^\n(]+|\([^)]*\))", re.MULTILINE)


def _drop_stale_code(folder: Path) -> None:
    """Remove compiled kernels older than a file they are made of.

    Numba looks at a kernel's own file only: a change of `math.py` would leave old machine code in its users.
    """
    files = {".".join(path.relative_to(folder).with_suffix("").parts): path for path in folder.rglob("*.py")}
    changed = {name: path.stat().st_mtime for name, path in files.items()}
    newest = max(changed.values())

    @cache
    def imported(name: str) -> set[str]:
        text = files[name].read_text(encoding="utf-8")
        names = _FROM_ONE.findall(text)
        for group in _FROM_ALL.findall(text):
            names += [part.split()[0] for part in group.strip("() ").split(",") if part.strip()]
        return set(names) & set(files)

    def last_change(name: str) -> float:
        if name in _MADE_OF_ANY:
            return newest
        found, open_ = {name}, [name]
        while open_:
            more = imported(open_.pop()) - found
            found |= more
            open_ += more
        return max(changed[one] for one in found)

    last_change = cache(last_change)
    for index in folder.rglob("*.nbi"):
        name = ".".join([*index.parent.parent.relative_to(folder).parts, index.name.split(".")[0]])
        with contextlib.suppress(OSError):  # another process was first, or the folder is read-only
            compiled = index.stat().st_mtime
            if compiled < newest and (name not in files or compiled < last_change(name)):
                index.unlink()


_drop_stale_code(Path(__file__).parent)

"""Read what Linux tells in /proc and /sys: None where it tells nothing, on whatever system this is.

Every function takes the folder that stands for "/", so that another machine's files can be read as well.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path("/")


def text(root: Path, path: str) -> str | None:
    """Content of the file `path` without its last line break; None where it is absent or may not be read."""
    try:
        return (root / path).read_text(encoding="utf-8", errors="replace").strip("\n\0")
    except OSError:
        return None


def number(root: Path, path: str) -> float | None:
    """Content of `path` as a number, None where it is none."""
    try:
        return float(text(root, path) or "")
    except ValueError:
        return None


def table(root: Path, path: str) -> dict[str, str]:
    """Lines such as "MemTotal:  24684092 kB" or "nr_throttled 0", by what stands before the colon or the space."""
    found: dict[str, str] = {}
    for line in (text(root, path) or "").splitlines():
        name, mark, value = line.partition(":") if ":" in line else line.partition(" ")
        if mark:
            found.setdefault(name.strip(), value.strip())
    return found


def numbered(text: str | None) -> tuple[int, ...] | None:
    """Numbers of the kernel's list format, "0-2,7": (0, 1, 2, 7); None of no text or of another format."""
    if text is None:
        return None
    found: list[int] = []
    try:
        for part in filter(None, text.strip().split(",")):
            first, _, last = part.partition("-")
            found += range(int(first), int(last or first) + 1)
    except ValueError:
        return None
    return tuple(found)


def cgroup_folders(root: Path, controller: str) -> Iterator[Path]:
    """Folders of this process's control group for `controller`, the innermost first (cgroups(7)); none without one.

    A container may see its own group as the root of the tree while its name still is the host's: then there is no
    folder of that name, and the root is its own.
    """
    for line in (text(root, "proc/self/cgroup") or "").splitlines():
        _, mark, group = line.partition(":")
        controllers, _, name = group.partition(":")
        if not mark or (controllers and controller not in controllers.split(",")):
            continue
        # Version 2 has one tree and no controller's name; beside version 1 it is mounted at "unified".
        tree = root / "sys/fs/cgroup" / controllers
        if not controllers and not (tree / "cgroup.controllers").exists():
            continue
        inner = PurePosixPath(name)
        for each in (inner, *inner.parents):
            folder = tree / each.relative_to("/")
            # "/.." begins the name of a group outside of what this process sees.
            if ".." not in each.parts and folder.is_dir():
                yield folder


def memory_limit(folder: Path) -> int | None:
    """Bytes that the control group of `folder` may use; None where nothing limits it."""
    limit = text(folder, "memory.max") or text(folder, "memory.limit_in_bytes") or "max"
    # Version 1 writes the largest number of whole pages for "none".
    return int(limit) if limit.isdigit() and int(limit) < 1 << 60 else None

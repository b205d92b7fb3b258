"""Which cells a change between two commits can touch: what they run, and what that imports."""

import ast
import fnmatch
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from asv.util import UserError

# No benchmark runs these. Whatever else lies outside the package and the suite may change how both are built.
HARMLESS = (
    "*.md",
    "*.rst",
    "*.txt",
    "docs/*",
    "tests/*",
    "scripts/*",
    "html/*",
    ".*",
    "asv.conf.json",
    "LICENSE",
    "Makefile",
)


def changed_files(repository: str, base: str, head: str) -> list[str]:
    """Paths that differ between two commits, the old and the new one of what was renamed."""
    command = ["git", "diff", "--name-only", "--no-renames", "-z", base, head, "--"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"--affected needs the changes between {base[:8]} and {head[:8]}: {done.stderr.strip()}")
    return [path for path in done.stdout.split("\0") if path]


class Affected:
    """Decides for one set of changes; `unknown` are those that may touch anything, `suite` is the suite's folder.

    `package` is where the sides hold the code under test; `changed` are paths in the repository. The suite is the
    working tree's at both sides, so its changes touch nothing that is compared.
    """

    def __init__(self, package: Path, suite: str, changed: Iterable[str]):
        self.package = package
        relevant = [path for path in changed if not path.startswith(f"{suite}/")]
        self.changed = {path for path in relevant if (package / path.split("/")[0]).exists()}
        rest = set(relevant) - self.changed
        self.unknown = {path for path in rest if not any(fnmatch.fnmatch(path, each) for each in HARMLESS)}

    def touches(self, files: Iterable[Path]) -> bool:
        """Whether a cell that runs `files` may differ between the sides."""
        ours = [file for file in files if file.is_relative_to(self.package)]
        reached = {str(file.relative_to(self.package)) for file in self._reach(ours)}
        return bool(self.unknown or reached & self.changed)

    def _reach(self, files: Iterable[Path]) -> set[Path]:
        found: set[tuple[Path, bool]] = set()
        waiting = [(file, True) for file in files]
        while waiting:
            file, followed = step = waiting.pop()
            if step not in found:
                found.add(step)
                waiting += imported(file, self.package) if followed else ()
        return {file for file, _ in found}


@cache
def imported(file: Path, root: Path) -> tuple[tuple[Path, bool], ...]:
    """Files under `root` that `file` imports, and whether what these import counts too.

    It does not for the __init__ of a package on the way, unless a name is taken from it that is no module.
    """
    if file.suffix != ".py" or not file.exists():
        return ()
    package = file.relative_to(root).parent.parts
    found: dict[tuple[Path, bool], None] = {}
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found |= dict.fromkeys(_files(root, alias.name.split(".")))
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = [*above, *(node.module.split(".") if node.module else [])]
            for alias in node.names:
                found |= dict.fromkeys(_files(root, [*module, alias.name]))
    return tuple(found)


def _files(root: Path, names: list[str]) -> Iterator[tuple[Path, bool]]:
    for depth in range(1, len(names) + 1):
        path = root.joinpath(*names[:depth])
        if path.with_suffix(".py").exists():
            yield path.with_suffix(".py"), True
            return
        if (path / "__init__.py").exists():
            yield path / "__init__.py", False
        elif depth > 1 and (init := path.parent / "__init__.py").exists():
            yield init, True

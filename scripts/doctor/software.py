"""The software that a measurement stands on: Python, libraries, BLAS and its kernels, threads, compiler, git."""

import os
import platform
import shutil
import subprocess
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import threadpoolctl
from llvmlite import binding

from benchmarks import frameworks
from benchmarks.frameworks import threads

from ..sources import ROOT, text
from .fact import Fact, listed

PACKAGES = (
    "numpy",
    "numba",
    "scipy-openblas32",
    "torch",
    "tensorflow-cpu",
    "tensorflow",
    "jax",
    "onnxruntime",
    "asv",
    "asv_runner",
)


def facts(repo: Path, root: Path = ROOT) -> tuple[Fact, ...]:
    """Describe the software, and the git checkout `repo`."""
    return (
        Fact("Python", platform.python_version(), "", _python()),
        *(Fact(name, _version(name), "") for name in PACKAGES),
        Fact("LLVM", listed(binding.llvm_version_info).replace(", ", "."), "llvmlite"),
        Fact("C compiler", _first_line(["cc", "--version"]) or "no cc on PATH", ""),
        *_blas(),
        *_variables(root),
        *_git(repo),
    )


def _python() -> str:
    return f"{platform.python_implementation()} {platform.python_version()}, built by {platform.python_compiler()}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _blas() -> list[Fact]:
    """Linear algebra of NumPy and of torsh, and which processor's kernels each of them took."""
    for name in ("numpy", "torsh"):
        # A framework that is missing has no BLAS to speak of; `scripts frameworks` says why it is.
        with suppress(frameworks.FrameworkUnavailable):
            frameworks.load(name)
    found = [
        Fact(
            f"BLAS of {_package(Path(lib['filepath']))}",
            {key: lib.get(key) for key in ("internal_api", "version", "architecture", "num_threads")},
            "threadpoolctl",
            f"{lib['internal_api']} {lib['version']}, kernels for {lib.get('architecture', 'an unknown CPU')}, "
            f"{lib['num_threads']} thread{'s' * (lib['num_threads'] != 1)}",
        )
        for lib in threadpoolctl.threadpool_info()
        if lib["user_api"] == "blas"
    ]
    return found or [Fact("BLAS", None, "threadpoolctl sees no library of its own")]


def _package(library: Path) -> str:
    """Name the package that a library came with: site-packages/numpy.libs/libscipy_openblas64_.so is numpy's."""
    parts = library.parts
    return parts[parts.index("site-packages") + 1].removesuffix(".libs") if "site-packages" in parts else str(library)


def started_with(root: Path = ROOT) -> dict[str, str] | None:
    """Environment that this process was started with; importing `benchmarks` has changed it since (threads.hold)."""
    if (content := text(root, "proc/self/environ")) is None:
        return None
    return dict(pair.split("=", 1) for pair in content.split("\0") if "=" in pair)


def _variables(root: Path) -> list[Fact]:
    before, source = started_with(root), "/proc/self/environ"
    if before is None:
        return [Fact("variables at the start", None, source)]
    counts = {name: before[name] for name in threads.ENVIRONMENT if name in before}
    crippling = {name: before[name] for name in threads.CRIPPLING if before.get(name)}
    held = f"{threads.held} thread{'s' * (threads.held != 1)} in every framework"
    return [
        Fact("threads held to", threads.held, "", held),
        Fact("thread variables at the start", counts, source, _assignments(counts)),
        Fact("crippling variables at the start", crippling, source, _assignments(crippling)),
    ]


def _assignments(variables: dict[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in variables.items()) or "none"


def _git(repo: Path) -> list[Fact]:
    commit = _first_line(["git", "-C", str(repo), "log", "-1", "--format=%h of %cs: %s"])
    branch = _first_line(["git", "-C", str(repo), "rev-parse", "--abbrev-ref", "HEAD"])
    changed = _output(["git", "-C", str(repo), "status", "--porcelain"])
    count = None if changed is None else len(changed.splitlines())
    return [
        Fact("commit", commit, "git log"),
        Fact("branch", branch, "git rev-parse"),
        Fact("files changed since", count, "git status"),
    ]


def _first_line(command: list[str]) -> str | None:
    return next(iter((_output(command) or "").splitlines()), None)


def _output(command: list[str]) -> str | None:
    """Return what `command` printed; None when it is not there or failed."""
    if shutil.which(command[0]) is None:
        return None
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    return done.stdout if done.returncode == 0 else None

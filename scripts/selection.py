"""Refuse a --bench that matches no benchmark, before anything is built for it."""

import itertools
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from asv.config import Config
from asv.util import UserError

from benchmarks import frameworks


def demand_benchmarks(command: Callable[[Any], Any], args: Any) -> Any:
    """Run asv's `command` when every --bench of `args` matches something; raises UnknownName with the nearest.

    A suite of another project, named by --config, is left to asv.
    """
    patterns = [args.bench] if isinstance(args.bench, str) else args.bench or []
    suite = Path(frameworks.__file__).parents[1]
    if patterns and patterns != ["just-discover"] and Path(Config.load(args.config).benchmark_dir).resolve() == suite:
        names = cell_names(suite)
        for pattern in patterns:
            _demand(pattern, names)
    return command(args)


def cell_names(suite: Path) -> list[str]:
    """Every benchmark as asv matches it: its name, or its name with the parameters of each cell."""
    from asv_runner.discovery import disc_benchmarks

    names = []
    for benchmark in disc_benchmarks(str(suite)):
        cells = itertools.product(*benchmark.params) if benchmark.params else [None]
        names += [benchmark.name if cell is None else f"{benchmark.name}({', '.join(cell)})" for cell in cells]
    return names


def _demand(pattern: str, names: Sequence[str]) -> None:
    try:
        found = any(re.search(pattern, name) for name in names)
    except re.error as error:
        raise UserError(f"--bench {pattern!r} is no regular expression: {error}") from None
    if not found:
        # Near what a person types: modules and classes, "norm" and "Softmax".
        parts = {part for name in names for part in name.split("(")[0].split(".")[:-1]}
        raise frameworks.UnknownName("benchmark", pattern, parts)

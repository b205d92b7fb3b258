"""A project whose stored results step up at one commit, for what reads histories."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.scripts.stored_project import Project, commit

COMMITS, STEP, EFFECT = 24, 14, 0.3


@dataclass(frozen=True)
class Stepped:
    """The project, its commits from the oldest, and the folder of its results."""

    project: Project
    hashes: tuple[str, ...]
    results: Path

    @property
    def conf(self) -> Any:
        conf = self.project.conf
        conf.results_dir = str(self.results)
        return conf

    def copied(self, results: Path) -> "Stepped":
        shutil.copytree(self.results, results)
        return replace(self, results=results)

    def files(self) -> list[Path]:
        """Results files, by commit from the oldest."""
        found = {path.name[:8]: path for path in self.results.glob("*/*-env.json")}
        return [found[name[:8]] for name in self.hashes if name[:8] in found]

    def edit(self, change: Callable[[dict], None], which: slice = slice(None)) -> None:
        """Change the content of results files, by commit."""
        for path in self.files()[which]:
            content = json.loads(path.read_text())
            change(content)
            path.write_text(json.dumps(content))


def stepped(project: Project) -> Stepped:
    rng = np.random.default_rng(0)
    hashes = []
    for number in range(COMMITS):
        hashes.append(commit(project.folder, f"change {number}"))
        level = 1 + EFFECT * (number >= STEP)
        project.store(hashes[-1], scale=level * float(np.exp(rng.normal(0, 0.01))))
    return Stepped(project, tuple(hashes), project.results)

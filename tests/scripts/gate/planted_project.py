"""A git repository with a tiny package, a suite and an asv.conf.json: what the gate is tested on, for real."""

import json
from pathlib import Path

from asv.config import Config

from tests.scripts.buildable import BACKEND, begin, keep, pyproject, settings
from tests.scripts.stored_project import git

WORK = '''\
"""Work."""

from planted import count


def work(n):
    total = 0
    for i in range(n):
        total += i
    return total


def steps():
    return count.STEPS


def other():
    return 1
'''
SUITE = """\
import os
import time

import planted
from planted import work


class _Quick:
    rounds = 1
    repeat = 3
    sample_time = 0.0005
    warmup_time = 0.0
    version = "1"


class Work(_Quick):
    params = ["short", "long"]
    param_names = ["size"]

    def setup(self, size):
        self.n = {"short": 200, "long": 4000}[size]

    def time_work(self, size):
        work.work(self.n)


class Other(_Quick):
    def time_other(self):
        work.other()


class Extra(_Quick):
    def setup(self):
        if not hasattr(work, "extra"):
            raise NotImplementedError("this commit has no extra")

    def time_extra(self):
        work.extra()


class Counts:
    version = "1"

    def track_steps(self):
        return work.steps()

    def track_steps_per_second(self):
        return work.steps()

    track_steps_per_second.unit = "steps/s"

    def track_process(self):
        return os.getpid()

    def track_text(self):
        return "no number"

    def track_infinity(self):
        return float("inf")


class Cached:
    version = "1"

    def setup_cache(self):
        return time.time_ns()

    def track_first(self, cached):
        return float(cached % 10**9)

    def track_second(self, cached):
        return float(cached % 10**9)


class Bad:
    version = "1"

    def time_dies(self):
        os._exit(7)

    def time_hangs(self):
        time.sleep(60)

    time_hangs.timeout = 0.5

    def time_exits(self):
        raise SystemExit(3)
"""


class Planted:
    """The repository; `base` is its first commit, and `back` goes there."""

    def __init__(self, folder: Path):
        self.folder = folder
        files = {
            "pyproject.toml": pyproject("planted"),
            "planted/__init__.py": '"""The package."""\n',
            "planted/work.py": WORK,
            "planted/count.py": "STEPS = 100\n",
            "planted/aside.py": "NOTHING = 0\n",
            "benchmarks/__init__.py": "",
            "benchmarks/cells.py": SUITE,
            ".gitignore": ".asv/\n__pycache__/\nignored\n",
            "asv.conf.json": json.dumps(self.settings(Path("."))),
        }
        begin(folder, files)
        self.base = self.commit()

    @staticmethod
    def settings(folder: Path) -> dict:
        known = {"environment_type": "existing", "pythons": ["same"], "default_benchmark_timeout": 60}
        return settings(folder, "planted", "benchmarks", **known)

    @property
    def conf(self) -> Config:
        """The configuration with absolute paths."""
        return Config.from_json(self.settings(self.folder))

    def change(self, *changes: tuple[str, str, str]) -> str:
        """Commit changes of a file from one text to another; the commit's hash."""
        for path, old, new in changes:
            text = (self.folder / path).read_text()
            assert old in text
            (self.folder / path).write_text(text.replace(old, new))
        return self.commit()

    def commit(self) -> str:
        return keep(self.folder, "change")

    def back(self) -> None:
        git(self.folder, "reset", "--hard", self.base)


SLOWER = ("planted/work.py", "for i in range(n):", "for i in range(4 * n):")
MORE_STEPS = ("planted/count.py", "STEPS = 100", "STEPS = 110")
BROKEN = ("pyproject.toml", BACKEND, "no_such_backend")
OTHER_FAILS = ("planted/work.py", "return 1", "raise ValueError('other fails')")
EXTRA = ("planted/work.py", "def other", "def extra():\n    return 2\n\n\ndef other")

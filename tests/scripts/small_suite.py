"""A repository with a small suite of its own, which asv measures in seconds: for what stands around a run."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.scripts.stored_project import commit, git

ROOT = Path(__file__).parents[2]
SUITE = """\
import os
import signal
from pathlib import Path

STRIKE = Path(__file__).parents[1] / ".asv/strike"


def strike():
    # Written by the test: the signal, and the process that measures. Once.
    if STRIKE.exists():
        number, pid = map(int, STRIKE.read_text().split())
        STRIKE.unlink()
        if number == signal.SIGINT:
            # As a terminal sends it: to all.
            os.killpg(pid, number)
            signal.pause()
        os.kill(pid, number)
        os.kill(os.getppid(), number)
        os._exit(1)


class _Work:
    params = (["small", "large"],)
    param_names = ("size",)
    rounds = 1
    repeat = 5
    sample_time = 0.001
    warmup_time = 0.0
    version = "1"

    def setup(self, size):
        self.numbers = list(range({"small": 100, "large": 10_000}[size]))

    def time_sum(self, size):
        sum(self.numbers)


class First(_Work):
    pass


class Second(_Work):
    def setup(self, size):
        super().setup(size)
        if size == "large":
            strike()


class Third(_Work):
    pass
"""
NAMES = ("work.First.time_sum", "work.Second.time_sum", "work.Third.time_sum")


class SmallSuite:
    """A git repository with one commit or more, whose benchmarks need nothing but Python."""

    def __init__(self, folder: Path, commits: int = 1):
        self.folder = folder
        (folder / "suite").mkdir(parents=True)
        (folder / "suite/__init__.py").write_text("")
        (folder / "suite/work.py").write_text(SUITE)
        (folder / ".gitignore").write_text(".asv/\nhtml/\n__pycache__/\n")
        folders = dict(results_dir=".asv/results", env_dir=".asv/env", html_dir="html")
        build = dict(build_command=[], install_command=[], uninstall_command=[])
        matrix = dict(req={"pip+asv_runner": ["0.2.5"]})
        conf = dict(version=1, project="small", benchmark_dir="suite", repo=".", branches=["main"])
        conf |= dict(environment_type="virtualenv", launch_method="forkserver", matrix=matrix)
        conf |= dict(plugins=[".scripts.plugin"], **folders, **build)
        (folder / "asv.conf.json").write_text(json.dumps(conf))
        git(folder, "init", "-b", "main")
        self.hashes = [commit(folder, f"change {i}") for i in range(commits)]
        home = folder / ".asv/home"
        home.mkdir(parents=True)
        machine = dict(machine="box", os="Linux", arch="x86_64", cpu="A CPU", num_cpu="2", ram="24", version=1)
        (home / ".asv-machine.json").write_text(json.dumps({"version": 1, "box": machine}))
        # pip's cache stays where it is, or each run downloads its packages again.
        cache = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
        self.env = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(home), "XDG_CACHE_HOME": cache}
        self.results = folder / ".asv/results/box"

    def run(self, *words: str, program: str = "scripts") -> tuple[int, str]:
        return self._run([sys.executable, "-m", program, *words])

    def run_struck(self, signal: int, *words: str) -> tuple[int, str]:
        """Run, and send `signal` in the middle of the second benchmark."""
        told = f'echo "{int(signal)} $$" > .asv/strike; exec "$@"'
        command = ["sh", "-c", told, "sh", sys.executable, "-m", "scripts", *words]
        return self._run(command, process_group=0)

    def _run(self, command: list[str], **options) -> tuple[int, str]:
        both = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL)
        with subprocess.Popen(command, cwd=self.folder, env=self.env, **both, **options) as process:
            output, _ = process.communicate(timeout=300)
        return process.returncode, output

    def here(self, *words: str) -> tuple[str, ...]:
        """Words of a run in this interpreter's environment, stored as the newest commit's: nothing is built."""
        return ("run", "-E", f"existing:{sys.executable}", "--set-commit-hash", self.hashes[-1], *words)

    def stored(self, commit: str | None = None) -> dict:
        """Rows of the results file of a commit, the newest one's by default, by benchmark."""
        (path,) = self.results.glob(f"{(commit or self.hashes[-1])[:8]}-*.json")
        data = json.loads(path.read_text())
        return {name: dict(zip(data["result_columns"], row, strict=False)) for name, row in data["results"].items()}

"""A git repository made from this project, and asv run in it as a person runs it."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from asv.util import load_json

from scripts.commands.bench import drop_heavy

LIGHT = "light.conf.json"
ASV = (sys.executable, "-m", "asv", "--config", LIGHT)
XDG = {"XDG_CONFIG_HOME": ".config", "XDG_CACHE_HOME": ".cache"}


class Repository:
    """A git repository with this project's files, and commands run in it."""

    def __init__(self, folder: Path, home: Path):
        self.folder = folder
        # asv keeps what it knows of the machine in the home folder; pip's settings and cache stay where they are.
        keep = {name: os.environ.get(name, str(Path.home() / default)) for name, default in XDG.items()}
        who = {f"GIT_{role}_{part}": "a@test" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
        self.env = {**os.environ, **keep, **who, "HOME": str(home), "PYTHONUNBUFFERED": "1"}

    def popen(self, *command: str, **options) -> subprocess.Popen:
        return subprocess.Popen(
            command, cwd=self.folder, env=self.env, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options,
        )  # fmt: skip

    def start_in_a_terminal(self, *command: str) -> subprocess.Popen:
        """Start a command in a group of its own, which a signal can reach as Ctrl-C does."""
        return self.popen(*command, process_group=0)

    def run(self, *command: str) -> str:
        process = self.popen(*command)
        output, _ = process.communicate()
        assert process.returncode == 0, f"{' '.join(command)} exited {process.returncode}:\n{output}"
        return output

    def git(self, *words: str) -> str:
        return self.run("git", *words).strip()

    def asv(self, *words: str) -> str:
        return self.run(*ASV, *words)

    def commit(self, message: str) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")

    def replace_function(self, path: str, name: str, source: str) -> None:
        file = self.folder / path
        lines = file.read_text().splitlines(keepends=True)
        defined = [n for n in ast.parse("".join(lines)).body if isinstance(n, ast.FunctionDef) and n.name == name]
        assert len(defined) == 1, f"{path} has no function {name} to replace"
        lines[defined[0].lineno - 1 : defined[0].end_lineno] = [source]
        file.write_text("".join(lines))

    def make_light(self) -> None:
        """Write LIGHT: the environment of `make bench`, without the packages of the heavy extras."""
        conf = SimpleNamespace(**load_json(str(self.folder / "asv.conf.json"), js_comments=True))
        drop_heavy(conf, self.folder / "pyproject.toml")
        conf.branches = ["HEAD"]
        (self.folder / LIGHT).write_text(json.dumps(vars(conf)))

    def results(self) -> list[dict]:
        """What asv has stored, one dictionary a commit."""
        files = (self.folder / ".asv/results").glob("*/*-*.json")
        return [json.loads(path.read_text()) for path in files]

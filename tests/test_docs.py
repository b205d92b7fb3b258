"""What the documentation tells a person to type exists, and so do the files that it names."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import asv.commands
import pytest

import scripts.commands
import torsh_ops

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
FENCE = re.compile(r"^```sh\n(.*?)^```", re.M | re.S)
LINK = re.compile(r"\]\((?!https?:)([^)#]*)")
# `benchmarks/ops/norm.py` in backticks, with or without a trailing slash; not globs, not `<area>`.
NAMED = re.compile(r"`((?:torsh_ops|benchmarks|scripts|tests|docs|html|\.ci)/[\w./]*)`")


def lines() -> list:
    every = [(page, line) for page in PAGES for block in FENCE.findall(page.read_text()) for line in block.splitlines()]
    return [pytest.param(shlex.split(line, comments=True), id=f"{page.name}: {line}") for page, line in every if line]


def check_make(words: list[str]) -> None:
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.M).group(1).split()
    for word in words:
        assert word in targets or re.fullmatch(r"FRAMEWORKS=1|PYTHON=python3\.\d+", word), f"make has no {word}"


def check_asv(words: list[str]) -> None:
    parser, _ = asv.commands.make_argparser()
    parser.parse_args(words)


def check_stock_asv(words: list[str]) -> None:
    ours = [path.stem for path in Path(scripts.commands.__file__).parent.glob("*.py")]
    assert words[0] not in ours, f"asv itself has no {words[0]}: write python -m scripts {words[0]}"
    check_asv(words)


def check_pytest(words: list[str]) -> None:
    for path in (word for word in words if "/" in word):
        assert (ROOT / path.split("::")[0]).exists(), f"{path} is not there"


def run_python(words: list[str]) -> None:
    subprocess.run([sys.executable, "-c", *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


CHECKS = {
    "make": check_make,
    "python -m scripts": check_asv,
    "asv": check_stock_asv,
    "python -m pytest": check_pytest,
    "python -c": run_python,
    "bash .ci/run": lambda words: None,
    ". .venv/bin/activate": lambda words: None,
    "git clone": lambda words: None,
    "cd": lambda words: None,
}


@pytest.mark.parametrize("words", lines())
def test_a_documented_command_exists(words):
    program = next((name for name in CHECKS if words[: len(name.split())] == name.split()), None)
    assert program, f"nothing here checks {words[0]}"
    CHECKS[program](words[len(program.split()) :])


@pytest.mark.parametrize("line", ["make nosuch", "python -m scripts bnch", "asv frameworks", "asv run --nosuch"])
def test_a_command_that_does_not_exist_is_found(line):
    with pytest.raises((AssertionError, SystemExit)):
        test_a_documented_command_exists(line.split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_named_files_exist(page):
    text = page.read_text()
    missing = [path for path in LINK.findall(text) if not (page.parent / path).exists()]
    missing += [path for path in NAMED.findall(text) if not (ROOT / path).exists()]
    assert missing == []


EXAMPLES = [
    pytest.param(code, id=page.name)
    for page in PAGES
    for code in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S)
]


@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example_runs(code):
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def test_every_operator_is_listed_and_nothing_else():
    page = (ROOT / "docs" / "operators.md").read_text()
    lists = page[page.index("## `torsh_ops`") : page.index("## How exact")]
    listed = set(re.findall(r"`(\w+)`", lists))
    spaces = [torsh_ops, torsh_ops.nn.functional, torsh_ops.linalg, torsh_ops.fft, torsh_ops.special, torsh_ops.random]
    there = {name for space in spaces for name in space.__all__}
    there |= {name for name in torsh_ops.nn.__all__ if isinstance(getattr(torsh_ops.nn, name), type)}
    there |= {name for name in dir(torsh_ops.Tensor) if name.endswith("_") and not name.startswith("_")}
    assert there - listed == set()
    assert listed - there == {"torsh_ops"}

"""What `asv publish` adds: history pages that need no network, frameworks side by side, and the machines."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from asv import util
from asv.commands.publish import Publish
from asv.graph import Graph
from asv.publishing import OutputPublisher

from ..history.series import less_is_better
from ..results import is_number
from . import frameworks, machines

HERE = Path(__file__).parent


class Site(OutputPublisher):
    """Replaces asv's own pages, which load their libraries from the network, and adds ours."""

    name = "site"
    button_label = "Frameworks"
    description = "History pages that work offline, the frameworks side by side, and the machines"
    order = 100

    @classmethod
    def publish(cls, conf: Any, repo: Any, benchmarks: Any, graphs: Any, revisions: dict[str, int]) -> None:
        """Write our files into conf.html_dir; asv calls this before it writes index.json."""
        html = Path(conf.html_dir)
        leave_out_unmeasured(benchmarks, graphs)
        name_better_direction(benchmarks)
        fill_missing_graphs(html, benchmarks, graphs)
        replace_stock_pages(html)
        util.write_json(str(html / "commits.json"), subjects(conf.repo, revisions), compact=True)
        (html / "frameworks.html").write_text(frameworks.page(conf, benchmarks, revisions), encoding="utf-8")
        (html / "machines.html").write_text(machines.page(conf), encoding="utf-8")


def leave_out_unmeasured(benchmarks: Any, graphs: Any) -> None:
    """Drop the benchmarks without a result: asv lists all that it discovered, and a light run measures a few."""
    for name in [name for name in benchmarks if not graphs.get_graph_group(name)]:
        del benchmarks[name]


def name_better_direction(benchmarks: Any) -> None:
    """Say of each benchmark whether less is better: asv stores no such thing, and the pages guess wrong.

    They take every `track_*` for better high.
    """
    for benchmark in benchmarks.values():
        benchmark.setdefault("less_is_better", less_is_better(benchmark))


def fill_missing_graphs(html: Path, benchmarks: Any, graphs: Any) -> None:
    """Write an empty graph where an environment lacks a benchmark: the pages ask for every pair."""
    known = {path for path, _ in graphs}
    environments = {Graph.get_file_path(graph.params, ""): graph.params for _, graph in graphs}
    for params in environments.values():
        for name in benchmarks:
            if (path := Graph.get_file_path(params, name)) not in known:
                util.write_json(str(html / f"{path}.json"), [], compact=True)


def replace_stock_pages(html: Path) -> None:
    """Put the pages of asv-tachyon, with our bar and notes above them, where asv's own were."""
    for stock in (files("asv") / "www").iterdir():
        (html / stock.name).unlink(missing_ok=True)
    shutil.copytree(str(files("asv_tachyon") / "static"), html, dirs_exist_ok=True)
    index = html / "index.html"
    head, body = ((HERE / name).read_text(encoding="utf-8") for name in ("index_head.html", "index_body.html"))
    text = index.read_text(encoding="utf-8")
    for mark, addition in (("</title>", head), ("<body>", body)):
        if mark not in text:
            raise util.UserError(f"asv-tachyon's page has no {mark}: install the version in pyproject.toml")
        text = text.replace(mark, mark + addition, 1)
    index.write_text(text, encoding="utf-8")


def subjects(repo: str, revisions: dict[str, int]) -> dict[str, str]:
    """First line of each published commit's message, by hash; empty where `repo` is no local folder."""
    log = ["git", "-C", repo, "log", "--all", "--format=%H %s"]
    done = subprocess.run(log, capture_output=True, text=True, check=False)
    pairs = (line.partition(" ") for line in done.stdout.splitlines())
    return {commit: subject for commit, _, subject in pairs if commit in revisions}


def install() -> None:
    """Mend two things of `asv publish` in this process; a second call changes nothing."""
    if Publish.run.__func__.__module__ == __name__:
        return
    Publish.iter_results = staticmethod(_numbers_only(Publish.iter_results))
    Publish.run = classmethod(_readme_written_back(Publish.run.__func__))


def _numbers_only(iter_results: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    # A text or an infinity among the results stops asv's step detection, or a browser's JSON parser.
    def cleaned(*args: Any, **options: Any) -> Iterator[Any]:
        for result in iter_results(*args, **options):
            for values in result._results.values():
                if isinstance(values, list):
                    values[:] = [value if is_number(value) else None for value in values]
            yield result

    return cleaned


def _readme_written_back(run: Callable[..., Any]) -> Callable[..., Any]:
    # asv empties html_dir first, and html/README.md is kept in git.
    def publish(cls: Any, conf: Any, *args: Any, **options: Any) -> Any:
        try:
            return run(cls, conf, *args, **options)
        finally:
            html = Path(conf.html_dir)
            html.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(HERE / "html_readme.md", html / "README.md")

    return publish

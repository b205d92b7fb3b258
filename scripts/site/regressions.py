"""The site's steps and regressions: what `history` finds, where asv would take every rise for worse."""

import json
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from asv.graph import GraphSet
from asv.plugins import regressions as asv_regressions
from asv.publishing import OutputPublisher

from ..history import series
from ..history.change_points import LEAST_EFFECT

if TYPE_CHECKING:
    from ..history.verdicts import Change, Verdict


class Steps(OutputPublisher):
    """Finds the levels of every series before asv's own pages ask for them."""

    name = "steps"
    button_label = "Steps"
    description = "Levels and change points of every series"
    order = 0

    @classmethod
    def publish(cls, conf: Any, repo: Any, benchmarks: Any, graphs: Any, revisions: dict[str, int]) -> None:
        """Give each graph its steps and its verdicts, and write conf.html_dir/history.json."""
        # Not above: scipy takes a second to load, and asv imports this file for every command.
        from ..history import report, verdicts

        for _, graph in graphs:
            graph.get_data()
            graph._steps = [[] for _ in range(graph.n_series)]
            graph.verdicts = {}
        for branch in conf.branches:
            on_branch = set(repo.get_branch_commits(branch))
            positions = {commit: at for commit, at in revisions.items() if commit in on_branch}
            found = series.collect(conf, benchmarks, positions)
            judged = verdicts.judge_all(found.series, LEAST_EFFECT)
            for verdict in judged:
                graph = graph_of(graphs, verdict, repo.get_branch_name(branch))
                if graph is not None and verdict.series.index < graph.n_series:
                    graph._steps[verdict.series.index] = steps(verdict)
                    graph.verdicts[verdict.series.index] = verdict
            shown = report.Report(found, judged, conf.hash_length)
            suffix = f"-{branch}".replace("/", "-") if branch != conf.branches[0] else ""
            text = json.dumps(report.data(shown), separators=(",", ":"), allow_nan=False)
            Path(conf.html_dir, f"history{suffix}.json").write_text(text, encoding="utf-8")


def graph_of(graphs: Any, verdict: "Verdict", branch: str) -> Any:
    """The graph that draws the newest segment of a series; None where asv publishes none."""
    wanted = {name: "" if value is None else value for name, value in verdict.series.params.items()}
    for graph in graphs.get_graph_group(verdict.series.benchmark):
        if graph.params.get("branch") == branch and all(graph.params.get(name) == wanted[name] for name in wanted):
            return graph
    return None


def steps(verdict: "Verdict") -> list[tuple[int, int, float, float, float]]:
    """Levels as asv keeps them: first revision, one after the last, median, least, mean deviation."""
    points = verdict.series.judged
    starts = [0, *(next(i for i, p in enumerate(points) if p.commit == c.commit) for c in verdict.changes), len(points)]
    found = []
    for start, stop in pairwise(starts):
        values = np.array([point.value for point in points[start:stop]])
        if len(values):
            middle = float(np.median(values))
            spread = float(np.abs(values - middle).mean())
            found.append((points[start].position, points[stop - 1].position + 1, middle, float(values.min()), spread))
    return found


def publish(conf: Any, repo: Any, benchmarks: Any, graphs: Any, revisions: dict[str, int]) -> None:
    """Write regressions.json and the feed regressions.xml as asv does, from the verdicts of each graph."""
    names = {at: commit for commit, at in revisions.items()}
    rules = asv_regressions._GraphDataFilter(conf, repo, revisions)
    parameters = graphs.get_params()
    found: list[list[Any]] = []
    for _, graph in graphs:
        for index, verdict in sorted(getattr(graph, "verdicts", {}).items()):
            if verdict.state != "regressed":
                continue
            benchmark = benchmarks[verdict.series.benchmark]
            first = rules._get_start_revision(graph, benchmark, verdict.series.name)
            least = least_effect(conf.regressions_thresholds, verdict.series.name)
            jumps = [
                _jump(repo, names, revisions, change)
                for change in verdict.culprits
                if first is not None and revisions[change.up_to] >= first and abs(change.effect) >= least
            ]
            if jumps:
                differing = {name: value for name, value in graph.params.items() if len(parameters[name]) > 1}
                best = (min if verdict.series.less_is_better else max)(verdict.levels)
                flat = index if benchmark["params"] else None
                found.append(
                    [verdict.series.name, f"{graph.path}.json", differing, flat, verdict.levels[-1], best, jumps]
                )
    asv_regressions.Regressions._save(conf, {"regressions": found})
    asv_regressions.Regressions._save_feed(conf, benchmarks, found, revisions, names)


def least_effect(thresholds: Mapping[str, Any], name: str) -> float:
    """Smallest relative step that is reported: the largest of the configured thresholds that match, or LEAST_EFFECT."""
    return max((float(value) for regex, value in thresholds.items() if re.match(regex, name)), default=LEAST_EFFECT)


def _jump(
    repo: Any, names: Mapping[int, str], revisions: Mapping[str, int], change: "Change"
) -> tuple[int | None, int, float, float]:
    """Give (last revision before, revision, old level, new level), None for the first where one commit is between."""
    between: Sequence[str] = repo.get_hashes_from_range(repo.get_range_spec(change.after, change.up_to))
    before = None if len(between) == 1 else revisions[change.after]
    return before, revisions[change.up_to], change.before, change.level


def install() -> None:
    """Put our detection in the place of asv's in this process; a second call changes nothing."""
    if GraphSet.detect_steps.__module__ == __name__:
        return
    GraphSet.detect_steps = _left_to_steps
    asv_regressions.Regressions.publish = publish


def _left_to_steps(graphs: Any, pool: Any = None, dots: Any = None) -> None:
    """Do nothing: `Steps` fills them in. asv's detection takes half of a publication's time."""

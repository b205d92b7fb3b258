"""The page that sets torsh beside its peers, from the stored results of the newest commit."""

import datetime
import math
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

import asv.util
from asv.results import iter_results

from benchmarks.frameworks import NAMES

from ..results import Row, Time, geometric_mean, rows
from . import template

OURS = "torsh"
# The bar's half width stands for 8 times faster or slower; beyond that it is full.
FULL_BAR = math.log(8)


def page(conf: Any, benchmarks: Mapping[str, Any], revisions: Mapping[str, int]) -> str:
    """Give the whole page as HTML: it needs no other file and no network."""
    filters = {"duration": asv.util.human_time, "interval": interval, "ratio": ratio, "bar": bar}
    sections = [section(result, table, benchmarks, conf) for result, table in newest(conf, benchmarks, revisions)]
    return template.render("frameworks.html", filters, project=conf.project, ours=OURS, sections=sections)


def newest(conf: Any, benchmarks: Mapping[str, Any], revisions: Mapping[str, int]) -> Iterator[tuple[Any, list[Row]]]:
    """Newest result of every machine and environment that has two frameworks, the newest commit first."""
    best: dict[tuple[str, str], tuple[Any, list[Row]]] = {}
    published = (result for result in iter_results(conf.results_dir) if result.commit_hash in revisions)
    for result in sorted(published, key=lambda result: revisions[result.commit_hash]):
        table = [row for row in rows(result, benchmarks) if len(row.times) > 1]
        if table:
            best[result.params["machine"], environment_name(result)] = result, table
    yield from sorted(best.values(), key=lambda pair: -revisions[pair[0].commit_hash])


def environment_name(result: Any) -> str:
    """Python and the installed versions, which tell one environment of a machine from another."""
    skip = ("machine", "os", "arch", "cpu", "num_cpu", "ram", "python")
    versions = [f"{name.removeprefix('pip+')} {value}" for name, value in result.params.items() if name not in skip]
    return ", ".join([f"Python {result.params.get('python')}", *sorted(v.strip() for v in versions)])


def section(result: Any, table: list[Row], benchmarks: Mapping[str, Any], conf: Any) -> dict[str, Any]:
    """What the template shows of one machine and environment."""
    speedups = [speedup for row in table if (speedup := row.speedup(OURS)) is not None]
    present = {name for row in table for name in row.times}
    date = datetime.datetime.fromtimestamp(result.date / 1000, datetime.UTC)
    return {
        "machine": result.params,
        "environment": environment_name(result),
        "commit": result.commit_hash[: conf.hash_length],
        "date": f"{date:%Y-%m-%d}",
        "frameworks": [name for name in NAMES if name in present],
        "mean": geometric_mean(speedups),
        "leads": sum(speedup > 1 for speedup in speedups),
        "cells": len(speedups),
        "benchmarks": [
            {"title": benchmarks[name].get("pretty_name") or name, "history": history(name), "rows": [*cases]}
            for name, cases in groupby(table, key=lambda row: row.benchmark)
        ],
    }


def history(benchmark: str) -> str:
    """Address of a benchmark's history on the site."""
    return "index.html#" + urlencode({"view": "explore", "bench": benchmark})


def interval(time: Time) -> str:
    """Give asv's 99 % interval of a median in words, "" where there is none."""
    if time.low is None or time.high is None:
        return ""
    return f"99 % interval: {asv.util.human_time(time.low)} to {asv.util.human_time(time.high)}"


def ratio(speedup: float) -> str:
    """Write 1.234 as 1.23 and 123.4 as 123, with the sign for "times"."""
    return f"{speedup:.2f}\N{MULTIPLICATION SIGN}" if speedup < 10 else f"{speedup:.0f}\N{MULTIPLICATION SIGN}"


def bar(speedup: float) -> dict[str, float]:
    """Left edge and width, in percent of the box, of a bar that grows from its middle with log(speedup)."""
    reach = max(-1.0, min(1.0, math.log(speedup) / FULL_BAR)) * 50
    return {"x": round(50 + min(reach, 0), 2), "width": round(abs(reach), 2)}

"""Results that survive Ctrl-C, a kill and a full disk, each with what the machine did while it was measured.

asv writes results once per commit, over the old file: an interrupted commit is lost, and a full disk destroys
what was there. Here every benchmark is written as soon as it is measured, whole or not at all, and tagged.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from asv import util
from asv.results import Results
from asv.util import UserError

from . import conditions, tags


def install() -> None:
    """Make asv's results durable in this process; a second call changes nothing."""
    if util.write_json.__module__ == __name__:
        return
    util.write_json = _whole_or_not_at_all(util.write_json)
    Results.load_data = _remembering_the_folder(Results.load_data)
    Results.add_result = _saving_at_once(Results.add_result)


def _remembering_the_folder(load_data: Callable[..., None]) -> Callable[..., None]:
    # `asv run` loads what is stored before it measures, and only when the results are to be kept.
    def load(self: Any, result_dir: str) -> None:
        try:
            load_data(self, result_dir)
        except (UserError, AttributeError, TypeError, ValueError) as error:
            path = Path(result_dir, self._filename)
            raise UserError(
                f"can't read {path}, so nothing is measured that would overwrite it ({error}). "
                "Put back a copy of the file, or move it away, and run again"
            ) from error
        self.kept_in = result_dir
        self.before = conditions.read()
        self.tagged = False

    return load


def _saving_at_once(add_result: Callable[..., None]) -> Callable[..., None]:
    def add(self: Any, benchmark: Any, result: Any, *args: Any, **options: Any) -> None:
        add_result(self, benchmark, result, *args, **options)
        if hasattr(self, "kept_in"):
            _round_samples(self._samples.get(benchmark["name"]))
            self.save(self.kept_in)
            _tag(self, benchmark, result, options)

    return add


def _round_samples(cells: Any) -> None:
    """Cut samples to asv's five digits of statistics: of seventeen, twelve are noise and most of the file."""
    for samples in cells or ():
        if samples is not None:
            samples[:] = util.truncate_float_list(samples)


def _tag(results: Any, benchmark: Any, result: Any, options: Any) -> None:
    """Store what the machine did since the last benchmark, or since the results were loaded."""
    after = conditions.read()
    name = benchmark["name"]
    left = getattr(results, "rounds_left", {}).get(name, 1) - 1
    if hasattr(results, "rounds_left"):
        results.rounds_left[name] = left
    started_at = options.get("started_at") or datetime.now(UTC)
    tag = tags.Tag(
        commit=results.commit_hash,
        environment=results.env_name,
        benchmark=name,
        version=benchmark["version"],
        started_at=util.datetime_to_js_timestamp(started_at),
        added=bool(options.get("append_samples")) or _is_a_part(benchmark, options.get("selected_idx")),
        medians=tuple(median(samples) if samples else None for samples in result.samples),
        spreads=tuple(tags.spread(samples) for samples in result.samples),
        rounds_left=left,
        run=getattr(results, "run", None),
        conditions=conditions.between(results.before, after),
    )
    path = tags.beside(Path(results.kept_in, results._filename))
    try:
        tags.append(path, tag, first=not results.tagged)
    except OSError as error:
        raise _unwritable(path, error) from error
    results.before, results.tagged = after, True


def _is_a_part(benchmark: Any, selected: Any) -> bool:
    cells = 1
    for values in benchmark["params"]:
        cells *= len(values)
    return selected is not None and len(selected) < cells


def _whole_or_not_at_all(write_json: Callable[..., None]) -> Callable[..., None]:
    def write(path: str, *args: Any, **options: Any) -> None:
        target = Path(path)
        # In the same folder, which may be a volume of its own; asv reads the files that end in .json.
        part = target.with_name(f"{target.name}.part")
        try:
            write_json(str(part), *args, **options)
            part.replace(target)
        except OSError as error:
            raise _unwritable(target, error) from error
        finally:
            with suppress(OSError):
                part.unlink()

    return write


def _unwritable(path: Path, error: OSError) -> UserError:
    return UserError(
        f"can't write {path}: {error.strerror}. What was stored before is intact; make room and run again: "
        "`python -m scripts run` goes on there, `asv run` does with --skip-existing-successful"
    )

"""Results that survive Ctrl-C, a kill and a full disk.

asv writes results once per commit, over the old file: an interrupted commit is lost, and a full disk destroys
what was there. Here every benchmark is written as soon as it is measured, whole or not at all.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from asv.results import Results
from asv.util import UserError


def install() -> None:
    """Make asv's results durable in this process; a second call changes nothing."""
    if Results.save.__module__ == __name__:
        return
    Results.load_data = _remembering_the_folder(Results.load_data)
    Results.add_result = _saving_at_once(Results.add_result)
    Results.save = _whole_or_not_at_all(Results.save)


def _remembering_the_folder(load_data: Callable[..., None]) -> Callable[..., None]:
    # `asv run` loads what is stored before it measures, and only when the results are to be kept.
    def load(self: Any, result_dir: str) -> None:
        load_data(self, result_dir)
        self.kept_in = result_dir

    return load


def _saving_at_once(add_result: Callable[..., None]) -> Callable[..., None]:
    def add(self: Any, *args: Any, **options: Any) -> None:
        add_result(self, *args, **options)
        if hasattr(self, "kept_in"):
            self.save(self.kept_in)

    return add


def _whole_or_not_at_all(save: Callable[..., None]) -> Callable[..., None]:
    def save_whole(self: Any, result_dir: str) -> None:
        name = self._filename
        target = Path(result_dir, name)
        # In the same folder, which may be a volume of its own; asv reads the files that end in .json.
        part = target.with_name(f"{target.name}.part")
        try:
            self._filename = f"{name}.part"
            save(self, result_dir)
            part.replace(target)
        except OSError as error:
            raise UserError(
                f"can't write {target}: {error.strerror}. What was stored before is intact; "
                "make room and run again with --skip-existing-successful"
            ) from error
        finally:
            self._filename = name
            with suppress(OSError):
                part.unlink()

    return save_whole

"""What holds once asv has loaded our plugin."""

import os
import subprocess
import sys
from pathlib import Path

FIND = """
import sys
from asv.plugins.virtualenv import Virtualenv
from scripts import plugin
plugin.setup()
print(Virtualenv._find_python(f"{sys.version_info[0]}.{sys.version_info[1]}"))
"""


def test_environments_are_made_with_this_python_whatever_comes_first_on_the_path(tmp_path):
    shim = tmp_path / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    path = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    found = subprocess.run(
        [sys.executable, "-c", FIND], env=os.environ | {"PATH": path}, capture_output=True, text=True, check=True
    )
    assert Path(found.stdout.strip()).parent == Path(sys.executable).parent

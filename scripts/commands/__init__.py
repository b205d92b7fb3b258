"""One file for each command that is added to asv's; importing this package registers them with asv."""

import importlib
import pkgutil

for module in pkgutil.iter_modules(__path__, f"{__name__}."):
    importlib.import_module(module.name)

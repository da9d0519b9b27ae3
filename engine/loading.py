"""Import an object that a project names, under a module name that stays the same."""

import importlib
import importlib.util
import re
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from engine.errors import ConfigurationError

OWN_PACKAGES = ("api", "engine", "checkpoint_pruner")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFailure:
    """Why something of the project could not be loaded, and where in its code.

    Attributes:
        path: the import path as the project wrote it.
        error: class and message.
        file: file of the project that was at fault, or None when none was reached.
        line: line in that file.
    """

    path: str
    error: str
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        place = f" ({self.file}:{self.line})" if self.file else ""
        return f"{self.path}: {self.error}{place}"


def load_object(path: str, folder: Path) -> Any:
    """Import `file.py:name` (relative to `folder`) or `package.module:name`.

    Raises:
        ConfigurationError: the file or the name in it does not exist.
        Exception: whatever the module raises while it is imported.
    """
    target, _, attribute = path.rpartition(":")
    if target.endswith((".js", ".ts", ".mjs", ".mts", ".tsx")):
        raise ConfigurationError(f"{target} is not Python; JavaScript graphs are not served")
    if "/" in target or target.endswith(".py"):
        module = _load_file((folder / target).resolve(), folder)
    else:
        module = importlib.import_module(target)
    value: Any = module
    for name in attribute.split("."):
        if not hasattr(value, name):
            raise ConfigurationError(f"{target} has no {attribute!r}")
        value = getattr(value, name)
    return value


def describe_failure(path: str, error: BaseException, folder: Path) -> LoadFailure:
    """Say what failed and which line of the project it came from."""
    message = f"{type(error).__name__}: {error}"
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.partition(".")[0]
        if package in OWN_PACKAGES:
            message += f"; the package name {package!r} is taken by the server, rename yours"
    if isinstance(error, SyntaxError) and error.filename:
        return LoadFailure(path=path, error=message, file=error.filename, line=error.lineno)
    frames = [
        (frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    inside = [
        place
        for place in frames
        if Path(place[0]).is_relative_to(folder) and "site-packages" not in place[0]
    ]
    own = {__file__, str(Path(__file__).with_name("registry.py"))}
    file, line = next((place for place in reversed(inside) if place[0] not in own), (None, None))
    return LoadFailure(path=path, error=message, file=file, line=line)


def _load_file(file: Path, folder: Path) -> ModuleType:
    if not file.is_file():
        raise ConfigurationError(f"{file} not found")
    dotted = _dotted_name(file)
    if dotted is not None:
        return importlib.import_module(dotted)
    # Classes of the state are stored under their module's name, so it must not change between
    # starts, nor with the place that the project is checked out to.
    relative = file.relative_to(folder) if file.is_relative_to(folder) else Path(file.name)
    name = "project_" + re.sub(r"\W", "_", str(relative.with_suffix("")))
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) == str(file):
        return known
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _dotted_name(file: Path) -> str | None:
    # A module that `import` finds as well is loaded once only, under the name that others use.
    for root in sys.path:
        base = Path(root or ".").resolve()
        if not file.is_relative_to(base):
            continue
        parts = file.relative_to(base).with_suffix("").parts
        if not all(part.isidentifier() for part in parts):
            continue
        name = ".".join(parts)
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            continue
        if spec is not None and spec.origin and Path(spec.origin).resolve() == file:
            return name
    return None

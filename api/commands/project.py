"""The commands that a project brings along, named in its `langgraph.json`."""

from pathlib import Path

import typer

from api.commands.server import CommandError
from engine.errors import ConfigurationError
from engine.loading import describe_failure, load_object
from engine.project import Project, read_project


def add_project_commands(app: typer.Typer, config: Path) -> None:
    """Mount the commands that `langgraph.json` names, if there is one.

    A command that cannot be loaded is left out and says why when it is called.
    """
    if not config.is_file():
        return
    try:
        project = read_project(config)
    except ConfigurationError:
        return  # the command that needs the file will say what is wrong with it
    for name, path in project.holdfast.commands.items():
        app.add_typer(_loaded(path, name, project), name=name)


def _loaded(path: str, name: str, project: Project) -> typer.Typer:
    try:
        loaded = load_object(path, project.folder)
    except Exception as error:  # whatever a stranger's module raises
        return _broken(name, str(describe_failure(path, error, project.folder)))
    if not isinstance(loaded, typer.Typer):
        return _broken(name, f"{path} is no typer.Typer")
    return loaded


def _broken(name: str, why: str) -> typer.Typer:
    broken = typer.Typer(help=f"cannot be loaded: {why}", invoke_without_command=True)

    @broken.callback()
    def say() -> None:
        raise CommandError(f"the command {name!r} cannot be loaded: {why}", code=2)

    return broken

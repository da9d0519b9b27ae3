"""The commands that a project brings along, named in its `langgraph.json`."""

import sys
from pathlib import Path

import typer
from typer.models import Default

from api.commands.server import CommandError
from api.settings import load_settings
from api.startup import database
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
        loaded = _loaded(path, name, project)
        # A command that only says why it is broken needs no database.
        connect = _connect if loaded.registered_callback is None else Default(None)
        app.add_typer(loaded, name=name, callback=connect)


def _connect(context: typer.Context) -> None:
    """Let a project's command find the database where the graphs' own services find it."""
    if "--help" not in sys.argv and "--database-url" not in sys.argv:
        context.with_resource(database(load_settings()))


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

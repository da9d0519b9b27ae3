"""What routes are handed: the open engine, and who calls."""

from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection

from api.identity import actor
from engine.runtime import Engine


def engine(connection: HTTPConnection) -> Engine:
    """Return the engine that the application's lifespan opened."""
    opened: Engine = connection.app.state.engine
    return opened


EngineDependency = Annotated[Engine, Depends(engine)]
ActorDependency = Annotated[str, Depends(actor)]

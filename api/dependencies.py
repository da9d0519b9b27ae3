"""What routes are handed: the open engine, and who calls.

Coroutines, though they wait for nothing: FastAPI sends a plain function to a thread, which costs
more than many a route.
"""

from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection

from api.identity import actor
from engine.runtime import Engine


async def engine(connection: HTTPConnection) -> Engine:
    """Return the engine that the application's lifespan opened."""
    opened: Engine = connection.app.state.engine
    return opened


async def acting(connection: HTTPConnection) -> str:
    """Return the name of the person or program behind a request."""
    return actor(connection)


EngineDependency = Annotated[Engine, Depends(engine)]
ActorDependency = Annotated[str, Depends(acting)]

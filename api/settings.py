"""The settings of a process: one frozen class, one prefix, a wrong value stops the start."""

from pathlib import Path
from typing import Annotated, Literal

import psycopg
from psycopg.conninfo import make_conninfo
from pydantic import AfterValidator, BeforeValidator, Field, PositiveInt, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from engine.errors import ConfigurationError

PREFIX = "HOLDFAST_"
# Values that are not repeated, for there may be a password in them.
SECRET_SETTINGS = frozenset(
    {"database_url", "secret", "smtp_url", "notify_webhook", "notify_slack"}
)
STUDIO_ORIGIN = "https://smith.langchain.com"


def _conninfo(value: str) -> str:
    # pydantic's own DSN type refuses Unix-socket addresses.
    try:
        make_conninfo(value)
    except psycopg.ProgrammingError as error:
        # libpq's words quote the value, which may hold a password.
        raise ValueError("must be a PostgreSQL URL or connection string") from error
    return value


def _origins(value: object) -> object:
    if not isinstance(value, str):
        return value
    named = {"studio": STUDIO_ORIGIN}
    return tuple(named.get(part.strip(), part.strip()) for part in value.split(",") if part.strip())


def _listed(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


class Settings(BaseSettings):
    """What one process of Holdfast is told by its environment (`HOLDFAST_…`)."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True
    )

    database_url: Annotated[str, AfterValidator(_conninfo)] | None = Field(
        default=None,
        description="PostgreSQL 15 to 18 to use. Without it the embedded PostgreSQL is started.",
    )
    data_dir: Path | None = Field(
        default=None,
        description="Folder of the embedded PostgreSQL. Default: .holdfast below the project;"
        " for root in a private home, below /var/lib/holdfast.",
    )
    config: Path = Field(
        default=Path("langgraph.json"), description="The langgraph.json that names the graphs."
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    allow_unauthenticated: bool = Field(
        default=False,
        description="Whether to listen beyond this machine although no `auth` is configured.",
    )
    port: int = Field(default=2024, ge=0, le=65535, description="Port to listen on; 0 takes any.")
    keep_alive_seconds: PositiveInt = Field(
        default=75,
        description="How long a connection without a request stays open; longer than the proxy in"
        " front keeps its own.",
    )
    worker: bool = Field(default=True, description="Whether `serve` also executes runs.")
    concurrency: PositiveInt = Field(
        default=10, le=1000, description="Runs executed at once; each holds a database connection."
    )
    pool_size: PositiveInt = Field(
        default=10, le=1000, description="Database connections shared by requests and upkeep."
    )
    drain_seconds: float = Field(
        default=25.0, gt=0, description="How long a stopping process lets running nodes end."
    )
    run_timeout_seconds: float = Field(default=3600.0, gt=0, description="Longest time of one run.")
    undo_seconds: float = Field(
        default=5.0, ge=0, le=600, description="How long a console decision can be taken back."
    )
    max_queue_depth: PositiveInt = Field(
        default=10_000, description="Queued runs beyond which new input is answered 429."
    )
    max_queue_age_seconds: float = Field(
        default=600.0, gt=0, description="Age of the oldest due run beyond which it is 503."
    )
    max_body_bytes: PositiveInt = Field(
        default=16 * 1_048_576, description="Largest request body; documents travel in it."
    )
    require_idempotency_key: bool = Field(
        default=False,
        description="Whether requests that start something must carry an Idempotency-Key.",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_origins)] = Field(
        default=(),
        description="Web origins that may call the API, comma separated; `studio` names"
        " LangGraph Studio's. None by default: the console needs none.",
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)] = Field(
        default=(),
        description="Names that the server goes by, besides that of public_url, comma separated;"
        " `*.example.com` for all below one, `*` for any. Checked against DNS rebinding where no"
        " `auth` is configured; IP addresses and names without a period always pass.",
    )
    prune_keep_last: PositiveInt | None = Field(
        default=20, description="Checkpoints kept per thread by the scheduled sweep."
    )
    prune_interval_seconds: float = Field(
        default=600.0, ge=0, description="Pause between two sweeps; 0 switches them off."
    )
    secret: str | None = Field(
        default=None,
        min_length=16,
        description="Key that signs webhooks and links, 16 characters or more. Without it one is"
        " made and kept in the database.",
    )
    public_url: str | None = Field(
        default=None, description="Address that links in notifications point to."
    )
    notify_webhook: str | None = Field(
        default=None, description="URL told about new reviews (signed webhook)."
    )
    notify_slack: str | None = Field(
        default=None, description="Slack-compatible webhook told about new reviews."
    )
    notify_email: str | None = Field(
        default=None, description="Address told about new reviews; needs smtp_url."
    )
    smtp_url: str | None = Field(
        default=None, description="Mail server, smtp://user:password@host:port or smtps://…"
    )
    notify_arguments: bool = Field(
        default=False, description="Whether notifications carry the proposal's arguments."
    )
    samples: bool = Field(
        default=True, description="Whether the first start submits the bundled sample documents."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="warning", description="Least severe log lines shown."
    )


def load_settings(**overrides: object) -> Settings:
    """Read the settings; `overrides` (command-line flags) win over the environment.

    Raises:
        ConfigurationError: a value does not fit; the sentence names the variable.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]  # pydantic validates the flags
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])
        message = str(first["msg"]).removeprefix("Value error, ")
        source = f"--{name.replace('_', '-')}" if name in given else f"{PREFIX}{name.upper()}"
        got = "" if name in SECRET_SETTINGS else f", got {first['input']!r}"
        raise ConfigurationError(
            f"{source}: {message[0].lower()}{message[1:]}{got}", setting=name
        ) from error

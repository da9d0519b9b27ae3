"""What a project's `langgraph.json` says, checked; the keys that only build images are let be."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveInt,
    ValidationError,
    field_validator,
)

from engine.errors import ConfigurationError


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GraphDefinition(_Section):
    """Where a graph comes from: `path/to/file.py:name` or `package.module:name`."""

    path: str
    description: str | None = None

    @field_validator("path")
    @classmethod
    def _has_two_parts(cls, value: str) -> str:
        return _import_path(value)


class ThreadTtl(_Section):
    """How long a thread lives after its last change, and what happens then (times in minutes)."""

    strategy: Literal["delete", "keep_latest"] = "delete"
    default_ttl: float | None = Field(default=None, gt=0)
    sweep_interval_minutes: float | None = Field(default=None, gt=0)
    sweep_limit: int | None = Field(default=None, ge=1)


class Serde(_Section):
    """Classes that may come out of a checkpoint; pickles never do."""

    allowed_json_modules: list[list[str]] | bool | None = None
    allowed_msgpack_modules: list[list[str]] | bool | None = None
    pickle_fallback: Literal[False] = False


class Checkpointer(_Section):
    """The checkpointer's settings; the checkpointer itself is always Postgres."""

    ttl: ThreadTtl | None = None
    serde: Serde | None = None


class StoreIndex(_Section):
    """Search by meaning in the store."""

    dims: int = Field(ge=1)
    embed: str
    fields: list[str] | None = None


class StoreTtl(_Section):
    """How long items of the store live (times in minutes)."""

    refresh_on_read: bool = True
    default_ttl: float | None = Field(default=None, gt=0)
    sweep_interval_minutes: float | None = Field(default=None, gt=0)


class StoreSection(_Section):
    """The store's settings."""

    index: StoreIndex | None = None
    ttl: StoreTtl | None = None


class Cors(_Section):
    """Which web pages may call the server."""

    allow_origins: list[str] = []
    allow_methods: list[str] | None = None
    allow_headers: list[str] | None = None
    allow_credentials: bool = False
    allow_origin_regex: str | None = None
    expose_headers: list[str] = []
    max_age: int = Field(default=600, ge=0)


class HeaderNames(_Section):
    """Header names, `*` as wildcard; exclusions win."""

    includes: list[str] | None = None
    excludes: list[str] | None = None


class Http(_Section):
    """The HTTP face's settings."""

    app: str | None = None
    disable_assistants: bool = False
    disable_threads: bool = False
    disable_runs: bool = False
    disable_store: bool = False
    disable_mcp: bool = False
    disable_a2a: bool = False
    disable_meta: bool = False
    disable_ui: bool = False
    disable_webhooks: bool = False
    cors: Cors | None = None
    configurable_headers: HeaderNames | None = None
    logging_headers: HeaderNames | None = None
    middleware_order: Literal["auth_first", "middleware_first"] | None = None
    enable_custom_route_auth: bool = False


class AuthCache(_Section):
    """How long an authentication is believed, per value of some headers."""

    cache_keys: list[str] = []
    ttl_seconds: int = Field(default=60, ge=0)
    max_size: int = Field(default=1_000, ge=1)


class AuthSection(_Section):
    """The project's own `langgraph_sdk.Auth` object."""

    path: str
    disable_studio_auth: bool = False
    openapi: dict[str, Any] | None = None
    cache: AuthCache | None = None

    @field_validator("path")
    @classmethod
    def _has_two_parts(cls, value: str) -> str:
        return _import_path(value)


class WebhookUrls(_Section):
    """Which webhook addresses callers may name; without it any public https address."""

    require_https: bool = True
    allowed_domains: list[str] = []
    allowed_ports: list[int] = []
    max_url_length: int = Field(default=2_048, ge=1)
    disable_loopback: Literal[True] = True


class Webhooks(_Section):
    """The webhooks' settings."""

    env_prefix: str = "LG_WEBHOOK_"
    url: WebhookUrls = WebhookUrls()
    headers: dict[str, str] = {}


class Sample(_Section):
    """A document that the first start submits, so that a newcomer sees something happen."""

    graph_id: str
    file: str


class ModelPrice(_Section):
    """What a model costs, in US dollars for a million tokens."""

    input: NonNegativeFloat
    output: NonNegativeFloat


class HoldfastSection(_Section):
    """Our own key.

    Attributes:
        migrations: folders of `NNNN_name.sql` files for tables of the project's own; as `samples`,
            `./in/the/project` or `package:inside/it`.
        webhook_hosts: hosts or networks (CIDR) that webhooks may reach although they are private.
        commands: typer applications that the command line mounts, `name: path/to/file.py:app`.
        checks: functions that tell what is wrong in the project's own tables,
            `name: path/to/file.py:function`; called every five minutes with the database's URL.
        samples: documents that the first start submits.
        submit: the graph that `holdfast submit` starts when none is named.
        gates: defaults for the questions of a graph (deadline, expiry, assignees), by graph id.
        teams: members by team; an assignee `team:x` whose team is not listed takes everybody.
        emails: where people are told about reviews, by person.
        message_roles: `user` takes only the user's own messages from callers, `any` all roles;
            absent, it is `user` where callers sign in (`auth`) or the server listens to everybody.
        llm_limits: model calls at once over all processes, by provider (`openai`, …).
        prices: what models cost, by the name that their answers give; for the console's figures.
    """

    migrations: list[str] = []
    webhook_hosts: list[str] = []
    commands: dict[str, str] = {}
    checks: dict[str, str] = {}
    samples: list[Sample] = []
    submit: str | None = None
    gates: dict[str, dict[str, Any]] = {}
    teams: dict[str, list[str]] = {}
    llm_limits: dict[str, PositiveInt] = {}
    prices: dict[str, ModelPrice] = {}
    emails: dict[str, str] = {}
    message_roles: Literal["user", "any"] | None = None


class Project(BaseModel):
    """A `langgraph.json`: the part of it that matters to a running server.

    Attributes:
        folder: where the file lies; relative paths start there.
    """

    # Keys for building images and for other tools are none of our business.
    model_config = ConfigDict(frozen=True, extra="ignore")

    folder: Path
    graphs: dict[str, GraphDefinition]
    dependencies: list[str] = []
    env: dict[str, str] | str | None = None
    store: StoreSection | None = None
    checkpointer: Checkpointer | None = None
    http: Http = Http()
    auth: AuthSection | None = None
    webhooks: Webhooks = Webhooks()
    holdfast: HoldfastSection = HoldfastSection()

    @field_validator("graphs", mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            name: {"path": entry} if isinstance(entry, str) else entry
            for name, entry in value.items()
        }

    def locate(self, entry: str) -> Path:
        """Return the file or folder of an entry: `./in/the/project` or `package.module:inside/it`.

        Raises:
            ConfigurationError: the package is not installed.
        """
        package, colon, inside = entry.partition(":")
        if not colon:
            return (self.folder / entry).resolve()
        try:
            return Path(str(files(package))) / inside
        except (ImportError, ValueError, TypeError) as error:
            raise ConfigurationError(
                f"{entry}: the package {package!r} is not installed"
            ) from error


# A server that went on without these would keep less than the file promises.
_UNSERVED = {
    "encryption": "encryption of checkpoints is not offered; remove the key or encrypt the disk",
    "checkpointer.path": "checkpoints are always kept in Postgres; remove the key",
    "http.mount_prefix": "paths begin at the root; remove the key and let a proxy add a prefix",
    "priority": "run priorities are not taken from a function; remove the key",
}


def read_project(path: Path) -> Project:
    """Read a `langgraph.json`.

    Raises:
        ConfigurationError: the file is absent, is no JSON, or says something that cannot be done.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"{path} not found; name another file with --config, or make a project with"
            " `holdfast new`"
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path} must hold a JSON object")
    content = {key: value for key, value in content.items() if value is not None}
    for key, way_out in _UNSERVED.items():
        section, _, name = key.partition(".")
        entry = content.get(section)
        if entry and (not name or (isinstance(entry, dict) and entry.get(name))):
            raise ConfigurationError(f"{path}: {key!r}: {way_out}")
    try:
        return Project.model_validate({**content, "folder": path.resolve().parent})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigurationError(f"{path}: {where}: {message[0].lower()}{message[1:]}") from error


def _import_path(value: str) -> str:
    module, colon, attribute = value.rpartition(":")
    if not (module and colon and attribute):
        raise ValueError(f"{value!r} must have the form 'file.py:name' or 'package.module:name'")
    return value

"""What the server says about itself."""

from pydantic import Field

from api.schemas.common import View


class Health(View):
    """The server lives."""

    ok: bool


class Flags(View):
    """What the server can do."""

    assistants: bool = True
    crons: bool = True
    langsmith: bool = False
    langsmith_tracing_replicas: bool = False
    stream_namespaces: bool = True


class Host(View):
    """Where the server runs; the identities are LangSmith's and stay empty."""

    kind: str = "self-hosted"
    project_id: str | None = None
    host_revision_id: str | None = None
    revision_id: str | None = None
    tenant_id: str | None = None


class GraphFailureView(View):
    """A graph that could not be loaded."""

    path: str
    error: str
    file: str | None
    line: int | None


class Info(View):
    """The server, its versions and graphs."""

    version: str = Field(description="Version of the Agent Server API that is spoken.")
    langgraph_py_version: str
    holdfast_version: str
    max_body_bytes: int = Field(description="The largest request body that is read.")
    submit_graph_id: str | None = Field(description="The graph that takes submitted documents.")
    flags: Flags = Flags()
    host: Host = Host()
    graphs: list[str]
    failures: dict[str, GraphFailureView] = Field(description="Graphs that do not serve, and why.")

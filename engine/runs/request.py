"""What a caller asks for when it starts a run, and what of it the run's row keeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from engine.assistants import Assistant
from engine.runs.run import MultitaskStrategy, RunKind
from engine.user_messages import command_from_user, from_user


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What a caller asks for: the fields of the Agent Server's create-run body.

    Attributes:
        assistant_id: an assistant's id, or a graph's name (its system assistant).
        thread_id: the thread to run on; None makes a thread of its own (a stateless run).
        run_id: the id of the run to be; None makes one.
        input: the graph's input; None continues the thread.
        command: `{"resume": …}`, `{"update": …, "goto": …}`; wins over `input`.
        config: merged over the assistant's config.
        context: merged over the assistant's context.
        metadata: kept with the run and written into its checkpoints.
        checkpoint_id: start from this checkpoint instead of the head (a fork).
        checkpoint: the same as an object, `{"checkpoint_id", "checkpoint_ns", …}`.
        interrupt_before: nodes to stop before, or `"*"`.
        interrupt_after: nodes to stop after, or `"*"`.
        stream_mode: modes whose events are produced.
        stream_subgraphs: whether events of subgraphs are produced too.
        stream_resumable: whether events are kept for a client that comes back.
        multitask_strategy: what happens when the thread is at work or waits at a gate.
        if_not_exists: `create` makes a missing thread.
        after_seconds: do not start before this many seconds have passed.
        thread_metadata: of the thread, if this run makes it.
        on_completion: `delete` removes the thread of a stateless run when it is over.
        on_disconnect: `cancel` cancels the run when its streaming client leaves.
        timeout_seconds: the longest one attempt may take; None takes the server's limit.
        webhook: URL that is told when the run is over.
        webhook_headers: sent with it.
        followed_by: `process_id` of the bus where the creator's client waits for the first event.
        protocol: `v2` produces the events of the thread protocol (commands and channels).
        kind: `cron` for runs of a schedule; a command with `resume` makes it `resume`.
        priority: higher first; None takes the kind's own.
        trusted: whether messages of every role are taken; see `engine.user_messages`.
        actor: who asks, for the audit log.
        caller: who asks, as the project's `auth` handler described it, for the graph; None where
            nobody signed in.
        via: by which way, for the audit log.
    """

    assistant_id: str
    thread_id: str | None = None
    run_id: str | None = None
    input: Any = None
    command: Mapping[str, Any] | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    checkpoint_id: str | None = None
    checkpoint: Mapping[str, Any] | None = None
    interrupt_before: Sequence[str] | Literal["*"] | None = None
    interrupt_after: Sequence[str] | Literal["*"] | None = None
    stream_mode: Sequence[str] = ("values",)
    stream_subgraphs: bool = False
    stream_resumable: bool = False
    multitask_strategy: MultitaskStrategy = "enqueue"
    if_not_exists: Literal["reject", "create"] = "reject"
    after_seconds: float | None = None
    thread_metadata: Mapping[str, Any] = field(default_factory=dict)
    on_completion: Literal["keep", "delete"] = "keep"
    on_disconnect: Literal["continue", "cancel"] = "continue"
    timeout_seconds: float | None = None
    webhook: str | None = None
    webhook_headers: Mapping[str, str] = field(default_factory=dict)
    followed_by: str | None = None
    protocol: Literal["v1", "v2"] = "v1"
    kind: RunKind = "input"
    priority: int | None = None
    trusted: bool = True
    actor: str = "system"
    caller: Mapping[str, Any] | None = None
    via: str = "api"


def user_request(request: RunRequest, channels: frozenset[str]) -> RunRequest:
    """Return the request of a caller who may speak for themselves only.

    Raises:
        InvalidValueError: a message is not the user's.
    """
    return replace(
        request,
        input=from_user(request.input, channels, pointer="/input"),
        command=request.command and command_from_user(request.command, channels),
    )


def run_kwargs(request: RunRequest, assistant: Assistant, *, resumes: bool) -> dict[str, Any]:
    """Return how to run it: the assistant's settings under the request's."""
    config = merged_config(assistant.config, request.config)
    checkpoint = dict(request.checkpoint or {})
    checkpoint_id = (
        request.checkpoint_id
        or checkpoint.get("checkpoint_id")
        or (config.get("configurable") or {}).get("checkpoint_id")
    )
    return {
        "config": config,
        "context": {**assistant.context, **request.context},
        "stream_mode": list(request.stream_mode),
        "stream_subgraphs": request.stream_subgraphs,
        "stream_resumable": request.stream_resumable,
        "interrupt_before": request.interrupt_before,
        "interrupt_after": request.interrupt_after,
        # An answer goes to the thread's head: its gate was checked against it.
        "checkpoint_id": None if resumes else checkpoint_id,
        "followed_by": request.followed_by,
        "protocol": request.protocol,
        "author": request.actor,
        "caller": request.caller,
    }


def merged_config(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `over` on top of `base`; `configurable` and `metadata` key by key."""
    merged = {**base, **over}
    for key in ("configurable", "metadata"):
        if base.get(key) or over.get(key):
            merged[key] = {**(base.get(key) or {}), **(over.get(key) or {})}
    return merged

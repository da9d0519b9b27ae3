"""A2A's tasks, each of them a thread: whatever is asked about one is read from the database.

Nothing of a task is kept in a process, so any process answers, also for a task that another one
began or that a person moved on in the console.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, NoReturn

from a2a.helpers import new_data_part
from a2a.helpers.proto_helpers import get_data_parts, get_text_parts, new_text_part
from a2a.server.context import ServerCallContext
from a2a.server.events import Event
from a2a.server.request_handlers.request_handler import RequestHandler, validate_request_params
from a2a.types import (
    AgentCard,
    Artifact,
    CancelTaskRequest,
    DeleteTaskPushNotificationConfigRequest,
    GetExtendedAgentCardRequest,
    GetTaskPushNotificationConfigRequest,
    GetTaskRequest,
    ListTaskPushNotificationConfigsRequest,
    ListTaskPushNotificationConfigsResponse,
    ListTasksRequest,
    ListTasksResponse,
    Message,
    Part,
    Role,
    SendMessageRequest,
    SubscribeToTaskRequest,
    Task,
    TaskPushNotificationConfig,
    TaskState,
    TaskStatus,
    TaskStatusUpdateEvent,
)
from a2a.utils.errors import (
    ExtendedAgentCardNotConfiguredError,
    InvalidParamsError,
    PushNotificationNotSupportedError,
    TaskNotCancelableError,
    TaskNotFoundError,
    UnsupportedOperationError,
)
from a2a.utils.task import apply_history_length, validate_history_length, validate_page_size

from api.a2a_updates import Updates, replies_in
from api.delegation import GIVEN_UP, Delegation, Errand, Stage, answer_of
from engine.assistants import Assistant
from engine.errors import EngineError, NotFoundError
from engine.idempotency import make_call
from engine.runs.run import Run
from engine.runtime import Engine
from engine.thread import ThreadStatus
from engine.wire import to_plain

TEXT_FIELDS = ("text", "input", "request", "question", "topic")
DEFAULT_PAGE = 50
MAX_HISTORY = 100

STATES: Mapping[Stage, TaskState] = {
    "submitted": TaskState.TASK_STATE_SUBMITTED,
    "working": TaskState.TASK_STATE_WORKING,
    "input_required": TaskState.TASK_STATE_INPUT_REQUIRED,
    "completed": TaskState.TASK_STATE_COMPLETED,
    "failed": TaskState.TASK_STATE_FAILED,
    "cancelled": TaskState.TASK_STATE_CANCELED,
}
FINAL: frozenset[Stage] = frozenset({"completed", "failed", "cancelled"})
# Where the threads of a list's tasks are looked for.
THREAD_STATUS: Mapping[TaskState, ThreadStatus] = {
    TaskState.TASK_STATE_SUBMITTED: "busy",
    TaskState.TASK_STATE_WORKING: "busy",
    TaskState.TASK_STATE_INPUT_REQUIRED: "interrupted",
    TaskState.TASK_STATE_COMPLETED: "idle",
    TaskState.TASK_STATE_FAILED: "error",
}


class Tasks(RequestHandler):
    """Answers for the tasks of one assistant.

    Attributes:
        delegate: returns the errands of the caller of a request.
    """

    def __init__(
        self,
        engine: Engine,
        assistant: Assistant,
        delegate: Callable[[ServerCallContext], Delegation],
    ) -> None:
        self._engine = engine
        self._assistant = assistant
        self._delegate = delegate

    # Messages

    @validate_request_params
    async def on_message_send(self, params: SendMessageRequest, context: ServerCallContext) -> Task:
        """Begin a task or answer its questions, and return it once it rests."""
        validate_history_length(params.configuration)
        errands = self._delegate(context)
        task_id, refusal = await self._take(errands, params.message)
        wait = not params.configuration.return_immediately
        task = await self._task(await self._find(errands, task_id, wait=wait), refusal=refusal)
        return apply_history_length(task, params.configuration)

    @validate_request_params
    async def on_message_send_stream(
        self, params: SendMessageRequest, context: ServerCallContext
    ) -> AsyncGenerator[Event]:
        """Begin a task or answer its questions, and tell how it goes on."""
        validate_history_length(params.configuration)
        errands = self._delegate(context)
        task_id, refusal = await self._take(errands, params.message)
        async for event in self._follow(errands, task_id, refusal=refusal):
            if isinstance(event, Task):
                yield apply_history_length(event, params.configuration)
            else:
                yield event

    @validate_request_params
    async def on_subscribe_to_task(
        self, params: SubscribeToTaskRequest, context: ServerCallContext
    ) -> AsyncGenerator[Event]:
        """Tell how a task goes on until it rests."""
        errands = self._delegate(context)
        errand = await self._find(errands, params.id)
        if errand.stage in FINAL:
            raise UnsupportedOperationError(f"task {params.id} has ended")
        async for event in self._follow(errands, params.id):
            yield event

    # Tasks

    @validate_request_params
    async def on_get_task(self, params: GetTaskRequest, context: ServerCallContext) -> Task:
        """Return a task as it stands."""
        validate_history_length(params)
        errand = await self._find(self._delegate(context), params.id)
        return apply_history_length(await self._task(errand), params)

    @validate_request_params
    async def on_list_tasks(
        self, params: ListTasksRequest, context: ServerCallContext
    ) -> ListTasksResponse:
        """List the caller's tasks, the last changed first."""
        validate_history_length(params)
        if params.HasField("page_size"):
            validate_page_size(params.page_size)
        if params.HasField("status_timestamp_after"):
            raise InvalidParamsError("statusTimestampAfter is not offered; leave it out")
        errands = self._delegate(context)
        size = params.page_size or DEFAULT_PAGE
        status = THREAD_STATUS.get(params.status) if params.status else None
        wanted = {"via": errands.via, "assistant_id": self._assistant.assistant_id}
        if params.context_id:
            wanted["a2a_context_id"] = params.context_id
        if params.status == TaskState.TASK_STATE_CANCELED:
            wanted |= GIVEN_UP
        elif params.status and status is None:
            return ListTasksResponse(page_size=size)
        page = await self._engine.threads.search(
            metadata=wanted,
            status=status,
            limit=size,
            offset=_offset(params.page_token),
            sort_by="updated_at",
            with_values=False,
            scope=errands.scope,
        )
        tasks = []
        for thread in page.items:
            task = await self._task(await errands.look(thread.thread_id, wait=False))
            if not params.include_artifacts:
                task.ClearField("artifacts")
            if params.status in (0, task.status.state):
                tasks.append(apply_history_length(task, params))
        return ListTasksResponse(
            tasks=tasks,
            page_size=size,
            total_size=page.total,
            next_page_token="" if page.next_offset is None else str(page.next_offset),
        )

    @validate_request_params
    async def on_cancel_task(self, params: CancelTaskRequest, context: ServerCallContext) -> Task:
        """Stop what a task does and withdraw what it asks."""
        errands = self._delegate(context)
        if (await self._find(errands, params.id)).stage in FINAL:
            raise TaskNotCancelableError
        await errands.give_up(params.id)
        return await self._task(await errands.look(params.id))

    # What is not offered, as the card says

    async def on_create_task_push_notification_config(
        self, params: TaskPushNotificationConfig, context: ServerCallContext
    ) -> TaskPushNotificationConfig:
        """Refuse."""
        _refuse_push()

    async def on_get_task_push_notification_config(
        self, params: GetTaskPushNotificationConfigRequest, context: ServerCallContext
    ) -> TaskPushNotificationConfig:
        """Refuse."""
        _refuse_push()

    async def on_list_task_push_notification_configs(
        self, params: ListTaskPushNotificationConfigsRequest, context: ServerCallContext
    ) -> ListTaskPushNotificationConfigsResponse:
        """Refuse."""
        _refuse_push()

    async def on_delete_task_push_notification_config(
        self, params: DeleteTaskPushNotificationConfigRequest, context: ServerCallContext
    ) -> None:
        """Refuse."""
        _refuse_push()

    async def on_get_extended_agent_card(
        self, params: GetExtendedAgentCardRequest, context: ServerCallContext
    ) -> AgentCard:
        """Refuse."""
        raise ExtendedAgentCardNotConfiguredError

    # Inside

    async def _take(self, errands: Delegation, message: Message) -> tuple[str, str | None]:
        """Do what a message says; return its task and why its answer was refused, if it was."""
        if not message.task_id:
            thread_id = errands.thread_of(self._assistant.assistant_id, key=message.message_id)
            await self._begin(errands, thread_id, message)
            return thread_id, None
        errand = await self._find(errands, message.task_id)
        if message.context_id and message.context_id != _context_id(errand):
            raise InvalidParamsError(
                f"context {message.context_id} is not that of task {message.task_id}"
            )
        call = make_call(
            key=sha256(message.message_id.encode()).hexdigest(),
            method="MESSAGE",
            route=errands.via,
            path=message.task_id,
            body=message.SerializeToString(deterministic=True).hex(),
            caller=errands.actor,
        )
        try:
            await errands.answer(message.task_id, lambda: _answers(errand, message), call=call)
        except EngineError as error:  # the question stays open
            return message.task_id, str(error)
        return message.task_id, None

    async def _begin(self, errands: Delegation, thread_id: str, message: Message) -> None:
        data = _data_of(message)
        try:
            await errands.begin(
                thread_id,
                assistant_id=self._assistant.assistant_id,
                graph_input=data if isinstance(data, dict) else await self._input_of(message),
                key=message.message_id,
                metadata={"a2a_context_id": message.context_id or thread_id},
            )
        except EngineError as error:
            raise InvalidParamsError(str(error)) from error

    async def _input_of(self, message: Message) -> Any:
        """Put a text where the graph takes one: its messages, or a field that looks like it."""
        text = "\n".join(get_text_parts(list(message.parts)))
        schemas = await self._engine.assistants.schemas(self._assistant.assistant_id)
        schema = schemas["input_schema"] or {}
        if schema.get("type") == "string":
            return text
        fields = schema.get("properties", {})
        if "messages" in fields:
            return {"messages": [{"type": "human", "content": text}]}
        return {next((name for name in TEXT_FIELDS if name in fields), "text"): text}

    async def _find(self, errands: Delegation, task_id: str, *, wait: bool = False) -> Errand:
        try:
            return await errands.look(task_id, wait=wait)
        except NotFoundError as error:
            raise TaskNotFoundError(f"task {task_id} not found") from error

    async def _follow(
        self, errands: Delegation, task_id: str, *, refusal: str | None = None
    ) -> AsyncGenerator[Event]:
        """Yield the task as it is, then what it does, from its run's first event to its rest.

        The runs of tasks keep their events: whoever comes late, to whichever process, hears all.
        """
        errand = await self._find(errands, task_id)
        yield await self._task(errand, refusal=refusal)
        if errand.run.finished:
            return
        updates = Updates(task_id, _context_id(errand))
        while not errand.run.finished:
            followed = errand.run.run_id
            following = self._engine.events.follow_run(followed, after=-1)
            try:
                async for recorded in following:
                    for update in updates.of(recorded):
                        yield update
            finally:
                following.close()
            await self._engine.runs.wait(followed)
            errand = await errands.look(task_id, wait=False)
        task = await self._task(errand)
        for artifact in task.artifacts:
            if artifact.artifact_id not in updates.complete:
                yield updates.whole(artifact)
        yield TaskStatusUpdateEvent(task_id=task_id, context_id=task.context_id, status=task.status)

    async def _task(self, errand: Errand, *, refusal: str | None = None) -> Task:
        """Return the task that an errand is; `refusal` says why an answer was not taken."""
        thread_id = errand.thread.thread_id
        runs = await self._engine.runs.list(thread_id, limit=MAX_HISTORY)
        context_id = _context_id(errand)
        status = TaskStatus(state=STATES[errand.stage])
        status.timestamp.FromDatetime(errand.run.updated_at)
        parts = [*([new_text_part(refusal)] if refusal else []), *_said(errand)]
        if parts:
            status.message.CopyFrom(_message(errand.run, context_id, Role.ROLE_AGENT, parts))
        artifacts = []
        if errand.stage == "completed":
            values = to_plain(errand.values)
            whole = Artifact(artifact_id=errand.run.run_id, name="values")
            whole.parts.append(new_data_part(values))
            artifacts = [whole, *replies_in(values)]
        return Task(
            id=thread_id,
            context_id=context_id,
            status=status,
            artifacts=artifacts,
            history=[
                _message(run, context_id, Role.ROLE_USER, [new_data_part(to_plain(_heard(run)))])
                for run in reversed(runs)
            ],
        )


def _said(errand: Errand) -> list[Part]:
    if errand.error is not None:
        return [new_text_part(errand.error)]
    if errand.stage != "input_required":
        return []
    asked = [
        {"interrupt_id": gate.interrupt_id, "title": gate.title, "value": gate.value}
        for gate in errand.questions
    ]
    return [new_data_part(to_plain({"questions": asked}))]


def _heard(run: Run) -> Any:
    """Return what the caller said to make this run: its input, or answers by interrupt id."""
    return run.payload.get("resume", run.payload.get("input"))


def _message(run: Run, context_id: str, role: Role, parts: Sequence[Part]) -> Message:
    return Message(
        message_id=f"{run.run_id}:{'agent' if role == Role.ROLE_AGENT else 'user'}",
        task_id=run.thread_id,
        context_id=context_id,
        role=role,
        parts=parts,
    )


def _context_id(errand: Errand) -> str:
    return str(errand.thread.metadata.get("a2a_context_id") or errand.thread.thread_id)


def _answers(errand: Errand, message: Message) -> dict[str, Any]:
    """Return answers by interrupt id: as the message names them, or for the only question.

    Raises:
        UnsupportedOperationError: nothing is asked.
    """
    if errand.stage in FINAL:
        raise UnsupportedOperationError(
            f"task {message.task_id} has ended; begin another by leaving its id out"
        )
    if not errand.questions:
        raise UnsupportedOperationError(f"task {message.task_id} asks nothing at the moment")
    data = _data_of(message)
    text = "\n".join(get_text_parts(list(message.parts)))
    by_id = {gate.interrupt_id: gate for gate in errand.questions}
    if isinstance(data, Mapping) and data and set(data) <= set(by_id):
        return {
            name: answer_of(by_id[name], item) if isinstance(item, Mapping) else item
            for name, item in data.items()
        }
    gate = errand.questions[0]
    content = data if isinstance(data, Mapping) else {"answer": text, "decision": text}
    return {gate.interrupt_id: answer_of(gate, content)}


def _data_of(message: Message) -> Any:
    return next((_whole(item) for item in get_data_parts(list(message.parts))), None)


def _whole(value: Any) -> Any:
    """Return numbers as they were meant: the protocol carries every number as a double."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return value


def _offset(page_token: str) -> int:
    if not page_token:
        return 0
    if not page_token.isdecimal() or len(page_token) > 9:
        raise InvalidParamsError(f"{page_token!r} is no page token of this server")
    return int(page_token)


def _refuse_push() -> NoReturn:
    raise PushNotificationNotSupportedError

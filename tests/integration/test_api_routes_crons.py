import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from langgraph_sdk.errors import NotFoundError, UnprocessableEntityError


async def make_due(api: Any, cron_id: str, minutes: int = 1) -> None:
    async with api.engine.database.transaction() as connection:
        await connection.execute(
            "UPDATE holdfast.crons SET next_run_at = clock_timestamp() - make_interval(mins => %s)"
            " WHERE cron_id = %s",
            [minutes, cron_id],
        )


async def test_making_a_schedule_runs_nothing_and_answers_with_the_schedule(api: Any) -> None:
    cron = await api.sdk.crons.create(
        "echo",
        schedule="0 9 * * 1-5",
        input={"text": "hi"},
        metadata={"team": "x"},
        timezone="Europe/Berlin",
        end_time=datetime.now(UTC) + timedelta(days=30),
        config={"tags": ["a"]},
        stream_mode="values",
    )

    assert cron["schedule"] == "0 9 * * 1-5"
    assert cron["timezone"] == "Europe/Berlin"
    assert cron["payload"]["input"] == {"text": "hi"}
    assert cron["payload"]["stream_mode"] == ["values"]
    assert cron["on_run_completed"] == "delete"
    assert cron["enabled"] is True
    assert cron["next_run_date"] is not None
    assert await api.engine.runs.list() == []


async def test_a_due_schedule_starts_one_run_however_many_processes_look(api: Any) -> None:
    cron = await api.sdk.crons.create(
        "echo", schedule="0 0 1 1 *", input={"text": "hi"}, on_run_completed="keep"
    )
    await make_due(api, cron["cron_id"])

    started = await asyncio.gather(*(api.engine.crons.fire_due() for _ in range(5)))
    await api.work()

    (run,) = await api.engine.runs.list()
    assert sum(started) == 1
    assert (run.kind, run.status, run.output["text"]) == ("cron", "succeeded", "hi")
    assert run.metadata["cron_id"] == cron["cron_id"]
    assert (await api.engine.crons.get(cron["cron_id"])).next_run_date.year > datetime.now(UTC).year


async def test_what_fell_due_while_nobody_was_there_is_made_up_for_once(api: Any) -> None:
    cron = await api.sdk.crons.create("echo", schedule="* * * * *", input={"text": "hi"})
    await make_due(api, cron["cron_id"], minutes=600)

    first = await api.engine.crons.fire_due()
    second = await api.engine.crons.fire_due()

    assert (first, second) == (1, 0)


async def test_the_thread_of_a_run_goes_or_stays_as_asked(api: Any) -> None:
    for behaviour in ("delete", "keep"):
        cron = await api.sdk.crons.create(
            "echo", schedule="0 0 1 1 *", input={}, on_run_completed=behaviour
        )
        await make_due(api, cron["cron_id"])
    await api.engine.crons.fire_due()
    await api.work()
    async with api.engine.database.transaction() as connection:
        await connection.execute(
            "UPDATE holdfast.runs SET finished_at = finished_at - interval '1 day'"
        )

    await api.engine.sweeper.delete_stateless()

    assert await api.sdk.threads.count() == 1


async def test_a_schedule_of_a_thread_runs_on_it(api: Any) -> None:
    thread = await api.sdk.threads.create()
    cron = await api.sdk.crons.create_for_thread(
        thread["thread_id"], "echo", schedule="0 0 1 1 *", input={"text": "hi"}
    )
    await make_due(api, cron["cron_id"])
    await api.engine.crons.fire_due()
    await api.work()

    assert cron["on_run_completed"] is None
    assert (await api.sdk.threads.get(thread["thread_id"]))["values"]["text"] == "hi"


async def test_a_disabled_schedule_does_not_fire(api: Any) -> None:
    cron = await api.sdk.crons.create("echo", schedule="* * * * *", enabled=False)
    await make_due(api, cron["cron_id"])

    assert await api.engine.crons.fire_due() == 0


async def test_a_schedule_ends_at_its_end(api: Any) -> None:
    cron = await api.sdk.crons.create(
        "echo", schedule="0 0 1 1 *", end_time=datetime.now(UTC) + timedelta(minutes=1)
    )
    longer = await api.sdk.crons.update(cron["cron_id"], end_time=None)

    assert cron["next_run_date"] is None
    assert longer["next_run_date"] is not None


async def test_a_run_that_cannot_start_is_logged_and_the_calendar_goes_on(api: Any) -> None:
    cron = await api.sdk.crons.create("echo", schedule="0 0 1 1 *")
    async with api.engine.database.transaction() as connection:
        await connection.execute("UPDATE holdfast.crons SET assistant_id = 'gone'")
    await make_due(api, cron["cron_id"])

    started = await api.engine.crons.fire_due()

    (entry,) = await api.engine.audit.list(action="cron.failed")
    assert started == 0
    assert "gone" in entry.details["error"]
    assert await api.engine.crons.fire_due() == 0


async def test_a_change_keeps_what_it_does_not_name(api: Any) -> None:
    cron = await api.sdk.crons.create(
        "echo", schedule="0 9 * * *", input={"text": "hi"}, timezone="Europe/Berlin"
    )

    changed = await api.sdk.crons.update(
        cron["cron_id"], schedule="0 10 * * *", context={"suffix": "!"}, enabled=False
    )

    assert changed["schedule"] == "0 10 * * *"
    assert changed["timezone"] == "Europe/Berlin"
    assert changed["payload"]["input"] == {"text": "hi"}
    assert changed["payload"]["context"] == {"suffix": "!"}
    assert changed["enabled"] is False


async def test_schedules_are_found_counted_and_removed(api: Any) -> None:
    thread = await api.sdk.threads.create()
    first = await api.sdk.crons.create("echo", schedule="0 9 * * *", metadata={"team": "x"})
    second = await api.sdk.crons.create_for_thread(
        thread["thread_id"], "echo", schedule="0 8 * * *", enabled=False
    )

    by_team = await api.sdk.crons.search(metadata={"team": "x"})
    by_thread = await api.sdk.crons.search(thread_id=thread["thread_id"], select=["cron_id"])
    by_state = await api.sdk.crons.search(enabled=True, sort_by="next_run_date", sort_order="asc")
    await api.sdk.crons.delete(first["cron_id"])

    assert [cron["cron_id"] for cron in by_team] == [first["cron_id"]]
    assert by_thread == [{"cron_id": second["cron_id"]}]
    assert [cron["cron_id"] for cron in by_state] == [first["cron_id"]]
    assert await api.sdk.crons.count() == 1
    with pytest.raises(NotFoundError):
        await api.sdk.crons.delete(first["cron_id"])


async def test_a_schedule_goes_with_its_assistant_and_its_thread(api: Any) -> None:
    assistant = await api.sdk.assistants.create("echo")
    thread = await api.sdk.threads.create()
    await api.sdk.crons.create(assistant["assistant_id"], schedule="0 9 * * *")
    await api.sdk.crons.create_for_thread(thread["thread_id"], "echo", schedule="0 9 * * *")

    await api.sdk.assistants.delete(assistant["assistant_id"])
    await api.sdk.threads.delete(thread["thread_id"])

    assert await api.sdk.crons.count() == 0


@pytest.mark.parametrize(
    "options",
    [
        {"schedule": "whenever"},
        {"schedule": "* * * * *", "timezone": "Mars/Olympus"},
        {"schedule": "* * * * *", "webhook": "http://169.254.169.254/"},
        {"schedule": "* * * * *", "input": ["not", "an", "object"]},
    ],
)
async def test_a_schedule_that_cannot_work_is_refused(api: Any, options: dict[str, Any]) -> None:
    with pytest.raises(UnprocessableEntityError):
        await api.sdk.crons.create("echo", **options)


async def test_a_schedule_of_an_unknown_assistant_or_thread_is_not_found(api: Any) -> None:
    absent = "00000000-0000-4000-8000-00000000000f"

    with pytest.raises(NotFoundError):
        await api.sdk.crons.create(absent, schedule="* * * * *")
    with pytest.raises(NotFoundError):
        await api.sdk.crons.create_for_thread(absent, "echo", schedule="* * * * *")

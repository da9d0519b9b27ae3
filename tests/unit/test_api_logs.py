import logging

from api.logs import LINE, FieldsFormatter


def line(message: str, **fields: object) -> str:
    record = logging.makeLogRecord(
        {"name": "engine", "levelname": "INFO", "msg": message, **fields}
    )
    return FieldsFormatter(LINE).format(record).partition(" INFO ")[2]


def test_the_fields_of_an_event_follow_its_name() -> None:
    assert line("swept", deleted=3, thread_id="t-1") == "engine swept deleted=3 thread_id=t-1"


def test_a_value_that_would_break_the_line_is_quoted() -> None:
    assert line("failed", error='no "x"\nhere') == 'engine failed error="no \\"x\\"\\nhere"'


def test_an_event_without_fields_is_its_name() -> None:
    assert line("started") == "engine started"

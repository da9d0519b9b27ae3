"""Log lines of a process: time, level, logger, the event's name, then its fields."""

import json
import logging

LINE = "%(asctime)s %(levelname)s %(name)s %(message)s"
# What every record has; the rest are the fields that the event was logged with.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}


class FieldsFormatter(logging.Formatter):
    """Puts an event's fields behind its name as `name=value`, values in JSON where they need it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        """Return the line without its traceback."""
        fields = {name: value for name, value in vars(record).items() if name not in _OWN}
        shown = [f"{name}={_shown(value)}" for name, value in fields.items()]
        return " ".join([super().formatMessage(record), *shown])


def set_up_logging(level: str) -> None:
    """Log to standard error from this level on."""
    handler = logging.StreamHandler()
    handler.setFormatter(FieldsFormatter(LINE))
    logging.basicConfig(level=level.upper(), handlers=[handler])


def _shown(value: object) -> str:
    text = str(value)
    plain = bool(text) and text.isprintable() and not any(sign in text for sign in ' "=')
    return text if plain else json.dumps(text, ensure_ascii=False)

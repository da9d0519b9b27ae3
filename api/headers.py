"""Headers that a project wants to see in its runs' config (`http.configurable_headers`)."""

from collections.abc import Mapping
from fnmatch import fnmatchcase

from engine.project import HeaderNames

# Credentials stay out unless they are named.
SECRET = ("authorization", "cookie", "x-api-key", "x-tenant-id", "x-service-key")


def configurable_headers(headers: Mapping[str, str], rules: HeaderNames | None) -> dict[str, str]:
    """Return the headers that go into `configurable`, by their names in lower case.

    Args:
        headers: of the request.
        rules: the project's; None lets nothing through.
    """
    if rules is None or not rules.includes:
        return {}
    excluded = rules.excludes or []
    chosen: dict[str, str] = {}
    for name, value in headers.items():
        lower = name.lower()
        named = lower in {pattern.lower() for pattern in rules.includes}
        matched = named or any(fnmatchcase(lower, pattern.lower()) for pattern in rules.includes)
        barred = any(fnmatchcase(lower, pattern.lower()) for pattern in excluded)
        if matched and not barred and (named or lower not in SECRET):
            chosen[lower] = value
    return chosen

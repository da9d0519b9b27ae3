"""Turns a policy into the parameters of the statements: who is looked at, what stays."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from checkpoint_pruner.policy import Pin, Policy

_GREGORIAN_OFFSET = 0x01B21DD213814000  # 100 ns steps from 1582-10-15 to 1970-01-01, RFC 9562
_TICKS_PER_SECOND = 10_000_000


def lowest_id(at: datetime) -> str:
    """Return the text below which every UUIDv6 made before `at` sorts."""
    since_epoch = at - datetime(1970, 1, 1, tzinfo=UTC)
    microseconds = since_epoch // timedelta(microseconds=1)
    ticks = microseconds * (_TICKS_PER_SECOND // 1_000_000) + _GREGORIAN_OFFSET
    digits = f"{max(ticks, 0):015x}"
    return f"{digits[:8]}-{digits[8:12]}-6{digits[12:]}"


def made_at(checkpoint_id: str) -> datetime | None:
    """Return when a UUIDv6 was made, or None for any other id."""
    digits = checkpoint_id.replace("-", "")
    if len(digits) != 32 or digits[12] != "6":
        return None
    try:
        ticks = int(digits[:12] + digits[13:16], 16) - _GREGORIAN_OFFSET
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ticks // 10)
    except (ValueError, OverflowError):
        return None


def plan_parameters(
    thread_ids: Sequence[str],
    policy: Policy,
    *,
    now: datetime,
    pins: Iterable[Pin] = (),
    graphs: Mapping[str, str | None] | None = None,
    guarded: bool = True,
    eligible_from: str = "",
) -> dict[str, Any]:
    """Return the parameters of `kept.sql` for one batch of threads.

    Args:
        thread_ids: Threads of the batch, each once.
        policy: Rules, overrides included.
        now: The database's clock.
        pins: Checkpoints that stay; those of other threads are ignored.
        graphs: Graph of each thread, for `Policy.by_graph`.
        guarded: False makes values wait where a run may be about to name them.
        eligible_from: Lowest checkpoint id that may go; "" sets no bound.
    """
    rules = [policy.of(thread_id, (graphs or {}).get(thread_id)) for thread_id in thread_ids]
    pinned = list(pins)
    return {
        "thread_ids": list(thread_ids),
        "keep_last": [rule.keep_last or 1 for rule in rules],
        "keep_turns": [rule.keep_turns or 0 for rule in rules],
        "keep_nested": [rule.nested for rule in rules],
        "age_floor": [_floor(now, rule.older_than) for rule in rules],
        "thin_older": [rule.thin_older for rule in rules],
        "keep_gates": [rule.keep_gates for rule in rules],
        "settle_floor": [_floor(now, rule.settle or None) for rule in rules],
        "trace_floor": [None if guarded else _floor(now, rule.settle or None) for rule in rules],
        "grace_floor": [_floor(now, rule.orphan_grace) for rule in rules],
        "eligible_from": eligible_from,
        "pin_threads": [pin[0] for pin in pinned],
        "pin_namespaces": [pin[1] for pin in pinned],
        "pin_ids": [pin[2] for pin in pinned],
    }


def _floor(now: datetime, age: timedelta | None) -> str | None:
    if age is None:
        return None
    try:
        return lowest_id(now - age)
    except OverflowError:  # an age that reaches back beyond the calendar
        return ""

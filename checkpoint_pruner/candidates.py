"""Finds the threads worth a look, and remembers when there is nothing to find."""

from datetime import timedelta
from typing import Any

from psycopg import Connection

from checkpoint_pruner.plan import lowest_id
from checkpoint_pruner.policy import Policy
from checkpoint_pruner.report import Watermark
from checkpoint_pruner.session import ServerState
from checkpoint_pruner.statements import statement

_CLOCK_SKEW = timedelta(minutes=10)  # between the machines that make checkpoint ids
_LONGEST_TRUST = timedelta(hours=1)  # in a watermark, where age alone makes garbage
_SCANNED_ROWS = 100_000  # read in 30 ms; a probe costs as much as a hundred rows
_TRUST_SHARE = 10  # of the shortest age a policy names

WAITING_REASONS = frozenset({"in flight", "caller not saved yet"})
"""Reasons to keep a checkpoint that time alone ends."""


def nothing_new(watermark: Watermark | None, policy: Policy, state: ServerState) -> bool:
    """Return whether no checkpoint was saved and no age came due since a sweep by this policy."""
    return (
        watermark is not None
        and state.inserted is not None
        and _applies(watermark, policy, state)
        and watermark.inserted == state.inserted
    )


def next_watermark(
    policy: Policy, state: ServerState, *, waiting: bool, threads: tuple[str, ...] = ()
) -> Watermark | None:
    """Return what the next sweep may rely on.

    Args:
        policy: The rules of this sweep.
        state: What the server said before it.
        waiting: Whether some rows only wait for time.
        threads: Threads the next sweep must look at, whatever it finds by itself.
    """
    if state.inserted is None:
        return None
    ages = [
        age
        for rule in policy.everywhere()
        for age in (rule.older_than, rule.expire_after)
        if age is not None
    ]
    if waiting:
        ages += [a for r in policy.everywhere() for a in (r.settle, r.orphan_grace) if a]
    trust = min((age / _TRUST_SHARE for age in ages), default=None)
    return Watermark(
        database=state.database,
        policy=policy.digest(),
        inserted=state.inserted,
        stats_reset=state.stats_reset,
        since=lowest_id(state.now - _CLOCK_SKEW),
        waiting=threads,
        expires_at=(
            None if trust is None else (state.now + min(trust, _LONGEST_TRUST)).timestamp()
        ),
    )


def find_candidates(
    connection: Connection[Any],
    policy: Policy,
    state: ServerState,
    *,
    watermark: Watermark | None,
    full: bool,
) -> list[str]:
    """Return the threads that may hold garbage, in order.

    With `full` these are all threads that any of the three tables names. Otherwise a loose index
    scan makes a few probes per thread, or one pass reads the index while it is small, or only the
    end of one that leads with the id.
    """
    if full:
        return _column(connection, "select_all_threads", {})
    found = _find(connection, policy, state, watermark)
    left = watermark.waiting if watermark and watermark.database == state.database else ()
    return sorted({*found, *left}) if left else found


def _find(
    connection: Connection[Any], policy: Policy, state: ServerState, watermark: Watermark | None
) -> list[str]:
    since = None
    if watermark is not None and _applies(watermark, policy, state):
        since = watermark.since
        if state.id_indexed:
            return _column(connection, "select_changed", {"since": since})
    ages = [rule.older_than for rule in policy.everywhere()]
    shortest = min((age for age in ages if age is not None), default=None)
    everywhere_aged = shortest is not None and None not in ages
    parameters = {
        "since": since,
        "fewest": policy.fewest,
        "fewest_nested": policy.fewest_nested,
        "age_floor": lowest_id(state.now - shortest) if shortest and everywhere_aged else None,
    }
    small = state.rows is not None and state.rows < _SCANNED_ROWS
    return _column(connection, "scan_candidates" if small else "select_candidates", parameters)


def find_idle(connection: Connection[Any], policy: Policy, state: ServerState) -> list[str]:
    """Return the threads whose newest root checkpoint is older than any rule lets a thread idle."""
    limits = [r.expire_after for r in policy.everywhere() if r.expire_after is not None]
    if not limits:
        return []
    return _column(connection, "select_idle", {"newest_before": lowest_id(state.now - min(limits))})


def _applies(watermark: Watermark, policy: Policy, state: ServerState) -> bool:
    return (
        watermark.database == state.database
        and watermark.policy == policy.digest()
        and watermark.stats_reset == state.stats_reset
        and (watermark.expires_at is None or state.now.timestamp() < watermark.expires_at)
    )


def _column(connection: Connection[Any], name: str, parameters: dict[str, Any]) -> list[str]:
    return [row[0] for row in connection.execute(statement(name), parameters)]

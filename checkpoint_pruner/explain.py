"""Why each checkpoint of a thread stays or goes."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from checkpoint_pruner.drift import check_schema
from checkpoint_pruner.plan import made_at, plan_parameters
from checkpoint_pruner.policy import Pin, Policy
from checkpoint_pruner.report import format_bytes
from checkpoint_pruner.session import Options, connect, read_state
from checkpoint_pruner.statements import planned, statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One checkpoint and its fate."""

    thread_id: str
    """Thread."""
    checkpoint_ns: str
    """Namespace; "" is the root graph."""
    checkpoint_id: str
    """Checkpoint."""
    parent_checkpoint_id: str | None
    """Checkpoint it continues."""
    source: str | None
    """What made it: input, loop, update or fork."""
    step: int | None
    """Superstep."""
    bytes: int
    """Stored bytes of the row's values, without channel values kept elsewhere."""
    reasons: tuple[str, ...]
    """Why it stays; empty when it goes."""

    @property
    def kept(self) -> bool:
        """Return whether the checkpoint stays."""
        return bool(self.reasons)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON shapes."""
        made = made_at(self.checkpoint_id)
        return asdict(self) | {"kept": self.kept, "made_at": made.isoformat() if made else None}


def explain(
    conninfo: str,
    thread_id: str,
    policy: Policy | None = None,
    pins: Iterable[Pin | tuple[str, str, str]] = (),
) -> tuple[Explained, ...]:
    """Return every checkpoint of a thread, newest first, with the reasons why it stays.

    Reads only, by the same plan that a sweep carries out.

    Raises:
        SchemaDriftError: The tables are not the ones this release knows.
    """
    chosen = policy or Policy()
    with connect(conninfo, Options()) as connection:
        check_schema(connection)
        graphs = dict(
            connection.execute(statement("select_graphs"), {"thread_ids": [thread_id]}).fetchall()
        )
        parameters = plan_parameters(
            [thread_id],
            chosen,
            now=read_state(connection).now,
            pins=[Pin(*pin) for pin in pins],
            graphs=graphs,
        )
        rows = connection.execute(planned("explain_kept"), parameters).fetchall()
    return tuple(
        Explained(
            thread_id=row[0],
            checkpoint_ns=row[1],
            checkpoint_id=row[2],
            parent_checkpoint_id=row[3],
            source=row[4],
            step=row[5],
            bytes=row[6],
            reasons=tuple(row[7]),
        )
        for row in rows
    )


def to_text(explained: Iterable[Explained]) -> str:
    """Return the list for a person, one checkpoint per line."""
    return "\n".join(
        f"{'stays' if one.kept else 'GOES ':<5} {one.checkpoint_id}"
        f" {one.source or '-':<6} step {one.step if one.step is not None else '-':>4}"
        f" {format_bytes(one.bytes):>10}  {one.checkpoint_ns or '(root)'}"
        f"  {', '.join(one.reasons) or 'nothing needs it'}"
        for one in explained
    )

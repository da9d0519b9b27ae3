"""What can stop a sweep, one class per fact."""

from collections.abc import Sequence


class PrunerError(Exception):
    """Base of everything this package raises on purpose."""


class PolicyError(PrunerError, ValueError):
    """A policy that contradicts itself or names an impossible number."""


class AlreadyRunningError(PrunerError):
    """Another pruner holds the advisory lock of this database."""

    def __init__(self, advisory_key: int) -> None:
        self.advisory_key = advisory_key
        super().__init__(
            f"another pruner holds advisory lock {advisory_key} of this database; "
            "wait for it or stop it"
        )


class SweepStoppedError(PrunerError):
    """Raised by a callback of a sweep to end it there; the sweep reports what it has done."""


class SchemaDriftError(PrunerError):
    """The checkpoint tables are not the ones this release was proven on."""

    def __init__(self, differences: Sequence[str]) -> None:
        self.differences = tuple(differences)
        super().__init__(
            "the checkpoint tables are not the ones this release knows: "
            + "; ".join(self.differences)
            + "; nothing was touched, upgrade checkpoint-pruner"
        )


class NoCheckpointTablesError(SchemaDriftError):
    """The database has no LangGraph checkpoint tables on the role's search path."""

    def __init__(self) -> None:
        self.differences = ("table checkpoints does not exist",)
        Exception.__init__(
            self,
            "table checkpoints does not exist on the search path, nor do LangGraph's others; "
            "name the database, or with options=-csearch_path=... the schema, that holds them",
        )


class ConfirmationRequiredError(PrunerError):
    """A command that locks the tables was not confirmed."""


class CompactionError(PrunerError):
    """A rewrite that was given up; the tables are as they were."""


class CheckpointPrunedError(PrunerError):
    """A writer addressed a checkpoint that no longer exists, and the guard refused it.

    Raised by `checkpoint_pruner.guard.translate` from SQLSTATE `LG409`.
    """

    def __init__(self, thread_id: str, checkpoint_ns: str, checkpoint_id: str) -> None:
        self.thread_id = thread_id
        self.checkpoint_ns = checkpoint_ns
        self.checkpoint_id = checkpoint_id
        super().__init__(
            f"checkpoint {checkpoint_id!r} of thread {thread_id!r} (namespace {checkpoint_ns!r}) "
            "no longer exists; load the thread again and retry from its head"
        )


class ThreadExistsError(PrunerError):
    """A copy onto a thread that has checkpoints of its own."""

    def __init__(self, thread_id: str) -> None:
        self.thread_id = thread_id
        super().__init__(f"thread {thread_id!r} has checkpoints already; copy to a new id")

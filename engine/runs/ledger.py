"""Everything that a caller can do with runs, in one ledger."""

from engine.runs.submission import Submission


class Runs(Submission):
    """Accepts, shows and cancels the runs of the database's tenant.

    Methods whose first parameter is `connection` join the caller's transaction. Locks are taken
    in one order: the thread's row, then its gates, then its runs.
    """

    __slots__ = ()

"""One file per noun of the HTTP API; speaks HTTP only and calls the engine."""

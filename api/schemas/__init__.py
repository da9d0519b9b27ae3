"""The shapes of requests and answers; a field that is not here is refused by its name."""

"""The review console: server-rendered pages over the same engine as the API, no build step."""

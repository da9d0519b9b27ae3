"""One file per group of `holdfast` commands; they talk to the server over HTTP."""

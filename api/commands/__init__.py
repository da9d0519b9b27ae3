"""One file per group of commands of the `holdfast` command line; they talk to the server over HTTP."""

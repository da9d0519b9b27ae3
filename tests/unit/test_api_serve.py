"""How a process serves HTTP."""

from fastapi import FastAPI

from api.serve import server_config
from api.settings import load_settings

# For which nginx and AWS's load balancers keep a connection to a server.
PROXY_SECONDS = 60


def test_an_idle_connection_outlives_the_patience_of_a_proxy() -> None:
    config = server_config(load_settings(), FastAPI())

    assert config.timeout_keep_alive > PROXY_SECONDS


def test_a_connection_stays_open_as_long_as_the_environment_says() -> None:
    config = server_config(load_settings(keep_alive_seconds=620), FastAPI())

    assert config.timeout_keep_alive == 620

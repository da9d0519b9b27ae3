import pytest

from api.settings import load_settings
from engine.errors import ConfigurationError


@pytest.mark.parametrize(
    "value",
    [
        "postgresql://me:s3cret@host/db?broken",
        "host=db password=s3cret broken",
        "me:s3cret@host",
    ],
)
def test_a_database_address_that_is_refused_is_not_repeated(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLDFAST_DATABASE_URL", value)

    with pytest.raises(ConfigurationError) as refused:
        load_settings()

    assert "HOLDFAST_DATABASE_URL" in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_names_of_the_server_are_listed_with_commas() -> None:
    assert load_settings(allowed_hosts="a.example, *.b.example").allowed_hosts == (
        "a.example",
        "*.b.example",
    )


def test_a_secret_that_can_be_guessed_is_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOLDFAST_SECRET", "changeme")

    with pytest.raises(ConfigurationError, match="HOLDFAST_SECRET") as refused:
        load_settings()

    assert "changeme" not in str(refused.value)

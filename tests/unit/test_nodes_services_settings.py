import pytest

from nodes.services.settings import ProcessSettings


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HOLDFAST_OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_the_rules_propose_when_nothing_is_set() -> None:
    assert not ProcessSettings().uses_model


def test_a_key_alone_names_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")

    assert not ProcessSettings().uses_model


@pytest.mark.parametrize(
    "name", ["OPENAI_API_KEY", "HOLDFAST_OPENAI_API_KEY", "HOLDFAST_OPENAI_BASE_URL"]
)
def test_a_model_and_a_way_to_it_are_enough(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "x")
    monkeypatch.setenv("HOLDFAST_OPENAI_MODEL", "m")

    assert ProcessSettings().uses_model


def test_the_rules_can_be_asked_for_beside_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("HOLDFAST_OPENAI_MODEL", "m")
    monkeypatch.setenv("HOLDFAST_BRAIN", "rules")

    assert not ProcessSettings().uses_model


def test_a_model_that_is_asked_for_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_BRAIN", "openai")

    with pytest.raises(ValueError, match="needs HOLDFAST_OPENAI_MODEL"):
        ProcessSettings()


def test_an_erp_over_http_must_have_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_ERP", "http")

    with pytest.raises(ValueError, match="needs HOLDFAST_ERP_URL"):
        ProcessSettings()


def test_a_key_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")

    assert "sk-secret" not in repr(ProcessSettings())

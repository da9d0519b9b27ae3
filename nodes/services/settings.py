"""The settings of the processes: one frozen class, read from the environment (`HOLDFAST_…`)."""

from typing import Literal, Self

from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

RETRY_PAUSE_SECONDS = 8.0
"""Longest pause between two calls of a model; a provider that asks for more is given up on."""


class ProcessSettings(BaseSettings):
    """What the purchase order process is told by its environment."""

    model_config = SettingsConfigDict(
        env_prefix="HOLDFAST_", frozen=True, extra="ignore", env_ignore_empty=True
    )

    database_url: str | None = Field(
        default=None,
        description="PostgreSQL of the ledger and the other services; without it stand-ins that"
        " forget everything when the process ends. The server sets it by itself.",
    )
    brain: Literal["rules", "openai"] | None = Field(
        default=None,
        description="Who proposes orders. By default a model when one is set up, else the rules.",
    )
    openai_api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("HOLDFAST_OPENAI_API_KEY", "OPENAI_API_KEY"),
        description="Key of the model's provider.",
    )
    openai_base_url: str | None = Field(
        default=None,
        validation_alias=AliasChoices("HOLDFAST_OPENAI_BASE_URL", "OPENAI_BASE_URL"),
        description="Address of an OpenAI-compatible API, for example http://127.0.0.1:11434/v1.",
    )
    openai_model: str | None = Field(
        default=None, description="Name of the model; there is no default."
    )
    openai_timeout_seconds: float = Field(
        default=60.0, gt=0, le=600, description="Longest wait for one answer of the model."
    )
    openai_max_retries: int = Field(
        default=2, ge=0, le=10, description="Repeats after 408, 409, 429, 5xx and no connection."
    )
    erp: Literal["register", "http"] = Field(
        default="register",
        description="Where orders are entered: our own register, or an ERP over HTTP.",
    )
    erp_url: str | None = Field(default=None, description="Base URL of the ERP, with erp=http.")
    erp_token: SecretStr | None = Field(default=None, description="Bearer token of the ERP.")
    erp_timeout_seconds: float = Field(
        default=30.0, gt=0, le=300, description="Longest wait for one answer of the ERP."
    )
    default_department: str | None = Field(
        default=None, description="Department of a document that speaks for none."
    )
    review_hours: float = Field(
        default=72.0,
        gt=0,
        le=24 * 366,
        description="How long an order waits for a decision before it is given up and its money"
        " released.",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.brain == "openai" and not self.uses_model:
            raise ValueError(
                "HOLDFAST_BRAIN=openai needs HOLDFAST_OPENAI_MODEL and a key or a base URL"
                " (HOLDFAST_OPENAI_API_KEY, HOLDFAST_OPENAI_BASE_URL)"
            )
        if self.erp == "http" and self.erp_url is None:
            raise ValueError("HOLDFAST_ERP=http needs HOLDFAST_ERP_URL")
        return self

    @property
    def uses_model(self) -> bool:
        """Whether a model proposes: it is named, and there is a way to reach it."""
        reachable = self.openai_api_key is not None or self.openai_base_url is not None
        return self.brain != "rules" and self.openai_model is not None and reachable

    @property
    def brain_seconds(self) -> float:
        """The longest time that a proposal may take, repeats and their pauses included."""
        return (1 + self.openai_max_retries) * (self.openai_timeout_seconds + RETRY_PAUSE_SECONDS)

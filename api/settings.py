"""What can be set from outside, by environment variables; a wrong one stops the start with a sentence."""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from api.delivery import addresses
from api.delivery.errors import BadAddress

DRIVER = "postgresql+asyncpg://"
PARAMETERS = {"host", "port", "ssl", "target_session_attrs", "prepared_statement_cache_size"}
"""What may follow the question mark of a database's address."""
SCHEMES = ("postgresql://", "postgres://", DRIVER)


class SettingsError(Exception):
    """A setting that cannot be used, in words."""


class Settings(BaseSettings):
    """The settings of one process. Without `DATABASE_URL` the embedded Postgres in `TRUELIFT_DATA_DIR` is used."""

    model_config = SettingsConfigDict(env_prefix="TRUELIFT_", extra="ignore", hide_input_in_errors=True)

    database_url: str | None = Field(default=None, validation_alias="DATABASE_URL")
    data_dir: Path | None = None
    secret: Annotated[str, Field(min_length=32)] | None = None
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    pool_size: Annotated[int, Field(ge=4, le=100)] = 10
    max_body_bytes: Annotated[int, Field(ge=1_000, le=100_000_000)] = 2_000_000
    max_upload_bytes: Annotated[int, Field(ge=1_000, le=2_000_000_000)] = 200_000_000
    max_uploads: Annotated[int, Field(ge=1, le=1_000)] = 5
    max_subscriptions: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    max_workspace_subscriptions: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    cost_per_second: Annotated[float, Field(gt=0, le=1e9)] = 5_000.0
    cost_at_once: Annotated[float, Field(gt=0, le=1e9)] = 100_000.0
    key_cost_per_second: Annotated[float, Field(gt=0, le=1e9)] | None = None
    key_cost_at_once: Annotated[float, Field(gt=0, le=1e9)] | None = None
    trusted_only: bool = False
    evaluations_per_second: Annotated[float, Field(gt=0, le=1e9)] = 1_000.0
    evaluations_at_once: Annotated[float, Field(gt=0, le=1e9)] = 10_000.0
    wrong_keys_at_once: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    refresh_seconds: Annotated[float, Field(ge=0.1, le=3_600)] = 2.0
    base_url: str | None = None
    allowed_receivers: Annotated[tuple[str, ...], NoDecode] = ()
    smtp_host: str | None = None
    smtp_port: Annotated[int, Field(ge=1, le=65535)] = 587
    smtp_user: str | None = None
    smtp_password: str | None = None
    smtp_from: Annotated[str | None, Field(validate_default=True)] = None
    smtp_starttls: bool = True
    log: Literal["json", "text"] | None = None
    deadline_seconds: Annotated[float, Field(ge=0.1, le=30)] = 10.0
    slow_seconds: Annotated[float, Field(ge=0, le=3_600)] = 1.0
    metrics_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    metrics_token: Annotated[str, Field(min_length=16)] | None = None
    metrics_host: str = "127.0.0.1"
    oidc_allows_http: bool = False
    oidc_issuer: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: Annotated[str | None, Field(validate_default=True)] = None
    oidc_name: Annotated[str, Field(min_length=1, max_length=100)] = "your identity provider"

    @field_validator("database_url")
    @classmethod
    def _is_postgres(cls, url: str | None) -> str | None:
        if not url:
            return None
        if not url.startswith(SCHEMES):
            raise ValueError("it must begin with postgresql://")
        return _for_driver(DRIVER + url.split("://", 1)[1])

    @field_validator("base_url")
    @classmethod
    def _is_address(cls, url: str | None) -> str | None:
        if not url:
            return None
        _origin(url)
        return url.rstrip("/")

    @field_validator("allowed_receivers", mode="before")
    @classmethod
    def _are_origins(cls, text: object) -> object:
        return tuple(map(_origin, text.replace(",", " ").split())) if isinstance(text, str) else text

    @field_validator("metrics_host")
    @classmethod
    def _is_ours_or_guarded(cls, host: str, info: ValidationInfo) -> str:
        if info.data.get("metrics_token") is None and not is_loopback(host):
            raise ValueError("whoever is to ask from elsewhere needs a token: set TRUELIFT_METRICS_TOKEN as well")
        return host

    @field_validator("smtp_from")
    @classmethod
    def _is_mailbox(cls, sender: str | None, info: ValidationInfo) -> str | None:
        if not info.data.get("smtp_host"):
            return sender
        try:
            return addresses.mailbox(sender or "")
        except BadAddress:
            raise ValueError("with TRUELIFT_SMTP_HOST it is the mailbox that e-mails are from") from None

    @field_validator("oidc_issuer")
    @classmethod
    def _is_issuer(cls, issuer: str | None, info: ValidationInfo) -> str | None:
        if not issuer:
            return None
        found = urlsplit(issuer)
        is_here = info.data.get("oidc_allows_http") and found.scheme == "http" and is_loopback(found.hostname or "")
        if not (found.scheme == "https" or is_here) or not found.hostname or found.query or found.fragment:
            raise ValueError("an issuer begins with https://, as its discovery document writes it")
        return issuer

    @field_validator("oidc_client_secret")
    @classmethod
    def _is_whole(cls, secret: str | None, info: ValidationInfo) -> str | None:
        given = (info.data.get("oidc_issuer"), info.data.get("oidc_client_id"), secret)
        if any(given) and not all(given):
            raise ValueError("TRUELIFT_OIDC_ISSUER, _CLIENT_ID and _CLIENT_SECRET are set together or not at all")
        return secret


def _origin(text: str) -> str:
    try:
        return addresses.origin_of(text.rstrip("/"))
    except BadAddress:
        raise ValueError("an address there is scheme, host and port alone, such as https://example.org:8443") from None


def is_loopback(host: str) -> bool:
    """Whether a host is this very machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _for_driver(text: str) -> str:
    """The address as our driver reads it: what other clients of Postgres call sslmode is its ssl."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError("it is not an address like postgresql://user:password@host:5432/database") from None
    parameters = {"ssl" if name == "sslmode" else name: value for name, value in url.query.items()}
    if unknown := sorted(parameters.keys() - PARAMETERS):
        raise ValueError(f"its parameter {unknown[0]} is not known here; remove it")
    return url.set(query=parameters).render_as_string(hide_password=False)


def load() -> Settings:
    """The settings from the environment; raises `SettingsError` with a sentence for each wrong one."""
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError(" ".join(_sentence(fault) for fault in error.errors())) from None


def _sentence(fault: object) -> str:
    place = fault["loc"][0] if isinstance(fault, dict) else ""
    name = place if place == "DATABASE_URL" else f"TRUELIFT_{str(place).upper()}"
    message = str(fault["msg"] if isinstance(fault, dict) else fault).removeprefix("Value error, ")
    return f"{name} is wrong: {message}."

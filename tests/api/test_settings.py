"""Settings come from the environment; a wrong one is told in words before anything starts."""

import pytest

from api.delivery.outside import Outside
from api.settings import SettingsError, load

SECRET = "x" * 32
GIVEN = ("DATABASE_URL", "TRUELIFT_SECRET", "TRUELIFT_PORT", "TRUELIFT_POOL_SIZE", "TRUELIFT_DATA_DIR")
OUTWARD = ("TRUELIFT_BASE_URL", "TRUELIFT_ALLOWED_RECEIVERS", "TRUELIFT_SMTP_HOST", "TRUELIFT_SMTP_FROM")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the surroundings of the tests may have set."""
    for name in (*GIVEN, *OUTWARD):
        monkeypatch.delenv(name, raising=False)


def test_nothing_set_means_the_embedded_database_on_this_machine_alone() -> None:
    settings = load()
    assert (settings.database_url, settings.host, settings.port) == (None, "127.0.0.1", 8000)


@pytest.mark.parametrize(
    ("given", "driven"),
    [
        ("postgres://u:p%40ss@h/d", "postgresql+asyncpg://u:p%40ss@h/d"),
        ("postgresql://u@h:6543/d", "postgresql+asyncpg://u@h:6543/d"),
        ("postgresql+asyncpg://u@/d?host=/run", "postgresql+asyncpg://u@/d?host=%2Frun"),
        ("postgresql://u@h/d?sslmode=require", "postgresql+asyncpg://u@h/d?ssl=require"),
    ],
)
def test_address_of_a_database_is_read_for_the_driver(monkeypatch: pytest.MonkeyPatch, given: str, driven: str) -> None:
    monkeypatch.setenv("DATABASE_URL", given)
    assert load().database_url == driven


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ("mysql://u@h/d", "it must begin with postgresql://"),
        ("h/d", "it must begin with postgresql://"),
        ("postgresql://u@h:port/d", "it is not an address"),
        ("postgresql://u@h/d?channel_binding=require", "channel_binding"),
    ],
)
def test_address_that_is_none_is_told_without_its_password(
    monkeypatch: pytest.MonkeyPatch, given: str, word: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", given.replace("u@", "u:hunter2@"))
    with pytest.raises(SettingsError, match=r"^DATABASE_URL is wrong: .+\.$") as refused:
        load()
    assert word in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_every_wrong_setting_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUELIFT_PORT", "many")
    monkeypatch.setenv("TRUELIFT_POOL_SIZE", "1")
    monkeypatch.setenv("TRUELIFT_SECRET", SECRET[1:])
    with pytest.raises(SettingsError) as refused:
        load()
    for name in ("TRUELIFT_PORT is wrong", "TRUELIFT_POOL_SIZE is wrong", "TRUELIFT_SECRET is wrong"):
        assert name in str(refused.value)
    assert SECRET[1:] not in str(refused.value)


def test_way_to_the_outside_is_what_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = Outside.of(load(), b"s")
    assert (usual.base_url, usual.allowed, usual.mail) == ("http://127.0.0.1:8000", frozenset(), None)
    monkeypatch.setenv("TRUELIFT_BASE_URL", "https://truelift.example/")
    monkeypatch.setenv("TRUELIFT_ALLOWED_RECEIVERS", "http://Hooks.inside:9000, https://chat.inside/")
    monkeypatch.setenv("TRUELIFT_SMTP_HOST", "mail.inside")
    monkeypatch.setenv("TRUELIFT_SMTP_FROM", "truelift@example.org")
    said = Outside.of(load(), b"s")
    assert said.base_url == "https://truelift.example"
    assert said.allowed == {"http://hooks.inside:9000", "https://chat.inside:443"}
    assert said.mail is not None
    assert (said.mail.host, said.mail.port, said.mail.has_starttls) == ("mail.inside", 587, True)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("TRUELIFT_BASE_URL", "truelift.example"),
        ("TRUELIFT_BASE_URL", "https://truelift.example/below"),
        ("TRUELIFT_ALLOWED_RECEIVERS", "hooks.inside:9000"),
        ("TRUELIFT_ALLOWED_RECEIVERS", "https://hooks.inside/only-here"),
        ("TRUELIFT_SMTP_FROM", "Truelift"),
        ("TRUELIFT_SMTP_FROM", ""),
    ],
)
def test_wrong_way_to_the_outside_is_told(monkeypatch: pytest.MonkeyPatch, name: str, given: str) -> None:
    monkeypatch.setenv("TRUELIFT_SMTP_HOST", "mail.inside")
    monkeypatch.setenv("TRUELIFT_SMTP_FROM", "truelift@example.org")
    monkeypatch.setenv(name, given)
    with pytest.raises(SettingsError, match=rf"^{name} is wrong: .+\.$"):
        load()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_metrics_are_heard_on_this_machine_without_a_token(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("TRUELIFT_METRICS_HOST", host)
    assert (load().metrics_host, load().metrics_port) == (host, None)


@pytest.mark.parametrize(
    ("name", "given", "wrong"),
    [
        ("TRUELIFT_METRICS_HOST", "10.0.0.7", "TRUELIFT_METRICS_HOST"),
        ("TRUELIFT_METRICS_HOST", "metrics.inside", "TRUELIFT_METRICS_HOST"),
        ("TRUELIFT_METRICS_TOKEN", "short", "TRUELIFT_METRICS_TOKEN"),
        ("TRUELIFT_METRICS_TOKEN", "", "TRUELIFT_METRICS_TOKEN"),
        ("TRUELIFT_LOG", "xml", "TRUELIFT_LOG"),
        ("TRUELIFT_SLOW_SECONDS", "-1", "TRUELIFT_SLOW_SECONDS"),
    ],
)
def test_wrong_way_to_be_observed_is_told(monkeypatch: pytest.MonkeyPatch, name: str, given: str, wrong: str) -> None:
    monkeypatch.setenv(name, given)
    with pytest.raises(SettingsError, match=rf"^{wrong} is wrong: .+\.$"):
        load()


def test_metrics_are_heard_elsewhere_with_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUELIFT_METRICS_HOST", "10.0.0.7")
    monkeypatch.setenv("TRUELIFT_METRICS_TOKEN", "x" * 16)
    assert load().metrics_host == "10.0.0.7"

"""How this process reaches the outside: what the operator set, and the secret that keys are derived under."""

from dataclasses import dataclass, field

from api.delivery.network import Resolve, lookup
from api.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """The server that takes e-mails, and whom they are from."""

    host: str
    port: int
    user: str | None
    password: str | None = field(repr=False)
    sender: str
    has_starttls: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """How this process reaches the outside; `allowed` are the origins inside that it may call.

    `has_provider` says that people sign in at an identity provider, and need no links.
    """

    secret: bytes = field(repr=False)
    base_url: str
    allowed: frozenset[str] = frozenset()
    mail: MailServer | None = None
    has_provider: bool = False
    resolve: Resolve = lookup

    @classmethod
    def of(cls, settings: Settings, secret: bytes) -> "Outside":
        """What the settings say."""
        mail = None
        if settings.smtp_host and settings.smtp_from:
            mail = MailServer(
                host=settings.smtp_host,
                port=settings.smtp_port,
                user=settings.smtp_user,
                password=settings.smtp_password,
                sender=settings.smtp_from,
                has_starttls=settings.smtp_starttls,
            )
        base = settings.base_url or f"http://{settings.host}:{settings.port}"
        return cls(
            secret=secret,
            base_url=base.rstrip("/"),
            allowed=frozenset(settings.allowed_receivers),
            mail=mail,
            has_provider=settings.oidc_issuer is not None,
        )

"""A notice on its way to an endpoint, and what it looks like there: a webhook's body, a Slack message, an e-mail."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

import msgspec

from api.delivery.tables import EndpointKind
from kpi import notices
from kpi.enums import NoticeType

PAGES = {
    "experiment": "/experiments/{}",
    "kpi": "/kpis/{}",
    "reviewId": "/reviews/{}.html",
    "review": "/reviews",
}
"""By a name of a notice's data, the page of what it names, or its list, the first that fits; what has none is found on
the first page. Reviews that were closed before their notices had an id are found in their list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One attempt at a delivery: what is sent, where to, and by the database's clock when."""

    delivery_id: int
    endpoint_id: int
    attempt: int
    kind: EndpointKind
    address: str
    salts: tuple[bytes, ...]
    key: UUID
    type: NoticeType
    data: Mapping[str, Any]
    created_at: datetime
    sent_at: datetime

    @property
    def identity(self) -> str:
        """What the receiver knows the notice by; the same in every attempt, so that it can leave out what it has."""
        return identity(self.key)

    @property
    def sentence(self) -> str:
        """The notice in one line."""
        return notices.sentence(self.type, self.data)


def identity(key: UUID) -> str:
    """What a receiver knows a notice by."""
    return f"notice_{key.hex}"


def link(parcel: Parcel, base_url: str) -> str:
    """The page that a notice is about."""
    for name, page in PAGES.items():
        if name in parcel.data:
            return base_url + page.format(quote(str(parcel.data[name]), safe=""))
    return base_url + "/"


def webhook(parcel: Parcel) -> bytes:
    """The body of a webhook: the same bytes in every attempt."""
    said = {"type": parcel.type.value, "timestamp": parcel.created_at, "data": parcel.data}
    return msgspec.json.encode(said, order="deterministic")


def slack(parcel: Parcel, base_url: str) -> bytes:
    """A message for an incoming webhook of Slack, or of a chat that takes the same."""
    shown = f"{_escaped(parcel.sentence)}\n<{link(parcel, base_url)}|Open in Truelift>"
    block = {"type": "section", "text": {"type": "mrkdwn", "text": shown}}
    return msgspec.json.encode({"text": _escaped(parcel.sentence), "blocks": [block]})


def mail(parcel: Parcel, base_url: str, sender: str) -> EmailMessage:
    """An e-mail in plain text: there is no markup that a name in it could close.

    Its id is the same in every attempt. What would begin a header of its own is refused by the policy.
    """
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"] = sender, parcel.address
    message["Subject"] = _one_line(parcel.sentence)
    message["Date"] = format_datetime(parcel.created_at)
    message["Message-ID"] = f"<{parcel.identity}.{parcel.endpoint_id}@{sender.rpartition('@')[2].rstrip('>')}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(f"{parcel.sentence}\n\n{link(parcel, base_url)}\n")
    return message


def _escaped(text: str) -> str:
    """Text in which Slack finds no link and no mention."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _one_line(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())[:200]

"""E-mails through a real SMTP server: plain text, one recipient, no header of anybody else's."""

from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from api.database import Database
from api.delivery.outside import Outside
from api.jobs.deliveries import deliver_due
from kpi.enums import NoticeType
from tests.api.delivery.conftest import SENDER, Mailbox, Register, Tell, log, pass_time
from tests.conftest import Ask

TO = "team@example.org"
A_WHILE = timedelta(hours=1)


def read(mailbox: Mailbox, place: int = 0) -> EmailMessage:
    """A message as a mail program reads it."""
    content = mailbox.taken[place].content
    assert isinstance(content, bytes)
    found = message_from_bytes(content, policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


async def test_notice_is_handed_to_the_mail_server_as_plain_text_with_a_link(
    database: Database, outside: Outside, mailbox: Mailbox, register: Register, tell: Tell, ask: Ask
) -> None:
    endpoint = await register(kind="EMAIL", address=TO)
    assert endpoint["secret"] is None
    await tell(NoticeType.EXPERIMENT_STOPPED, experiment="guided-tour")
    await deliver_due(database, outside)
    (taken,) = mailbox.taken
    assert (taken.mail_from, taken.rcpt_tos) == (SENDER, [TO])
    message = read(mailbox)
    assert (message["From"], message["To"]) == (SENDER, TO)
    assert message["Subject"] == "The experiment “guided-tour” was stopped."
    assert (message["Auto-Submitted"], message.get_content_type()) == ("auto-generated", "text/plain")
    assert message.get_content().splitlines() == [
        "The experiment “guided-tour” was stopped.",
        "",
        "https://truelift.test/experiments/guided-tour",
    ]
    (delivery,) = await log(ask)
    assert (delivery["state"], delivery["status"]) == ("DELIVERED", 250)
    assert delivery["notice"]["key"] in message["Message-ID"]


async def test_name_that_would_begin_a_header_or_markup_stays_text(
    database: Database, outside: Outside, mailbox: Mailbox, register: Register, tell: Tell
) -> None:
    await register(kind="EMAIL", address=TO)
    await tell(NoticeType.REVIEW_CLOSED, review="x\x1b[2J\r\nBcc: all@example.org\r\n\r\n<script>alert(1)</script>")
    await deliver_due(database, outside)
    (taken,) = mailbox.taken
    assert taken.rcpt_tos == [TO]
    message = read(mailbox)
    assert message["Bcc"] is None
    assert message["Subject"].isprintable()
    assert [part.get_content_type() for part in message.walk()] == ["text/plain"]
    assert "<script>" in message.get_content()


async def test_refused_mailbox_is_tried_again_with_what_the_server_said(
    database: Database, outside: Outside, mailbox: Mailbox, register: Register, tell: Tell, ask: Ask
) -> None:
    mailbox.refused[TO] = "450 come back later"
    await register(kind="EMAIL", address=TO)
    await tell()
    await deliver_due(database, outside)
    (delivery,) = await log(ask)
    assert (delivery["state"], delivery["status"], delivery["answer"]) == ("WAITING", 450, "come back later")
    mailbox.refused.clear()
    await pass_time(database, A_WHILE)
    await deliver_due(database, outside)
    (delivery,) = await log(ask)
    assert (delivery["state"], delivery["attempts"], len(mailbox.taken)) == ("DELIVERED", 2, 1)


async def test_mail_server_without_the_tls_that_is_asked_for_gets_nothing(
    database: Database, outside: Outside, mailbox: Mailbox, register: Register, tell: Tell, ask: Ask
) -> None:
    assert outside.mail is not None
    await register(kind="EMAIL", address=TO)
    await tell()
    await deliver_due(database, replace(outside, mail=replace(outside.mail, has_starttls=True)))
    (delivery,) = await log(ask)
    assert delivery["state"] == "WAITING"
    assert delivery["fault"].startswith("The mail server cannot be used (SMTP")
    assert mailbox.taken == []


async def test_mail_server_that_is_away_or_not_set_is_a_fault_of_the_delivery(
    database: Database, outside: Outside, register: Register, tell: Tell, ask: Ask
) -> None:
    assert outside.mail is not None
    await register(kind="EMAIL", address=TO)
    await tell()
    await deliver_due(database, replace(outside, mail=None))
    (delivery,) = await log(ask)
    assert "TRUELIFT_SMTP_HOST" in delivery["fault"]
    await pass_time(database, A_WHILE)
    await deliver_due(database, replace(outside, mail=replace(outside.mail, port=1)))
    (delivery,) = await log(ask)
    assert delivery["fault"].startswith("The mail server cannot be used (SMTPConnect")


@pytest.mark.parametrize("secret", ["password", "secret"])
def test_what_is_secret_is_not_in_what_a_log_would_show(outside: Outside, secret: str) -> None:
    assert outside.mail is not None
    shown = repr(replace(outside, secret=b"hidden-away", mail=replace(outside.mail, password="hidden-away")))
    assert "hidden-away" not in shown
    assert secret not in shown

"""Handing an e-mail to the operator's mail server."""

import asyncio
from email.message import EmailMessage

import aiosmtplib

from api.delivery.outside import MailServer
from api.delivery.schedule import Answer

SECONDS = 20.0
"""Mail servers take their time to greet."""
TLS_PORT = 465
"""Where a mail server speaks TLS from the first byte."""
TAKEN = 250
LATE = f"The mail server did not answer within {SECONDS:.0f} seconds."


async def send(server: MailServer, message: EmailMessage) -> Answer:
    """Hand a message over and return what came of it."""
    is_tls = server.port == TLS_PORT
    try:
        async with asyncio.timeout(SECONDS):
            _, said = await aiosmtplib.send(
                message,
                hostname=server.host,
                port=server.port,
                username=server.user,
                password=server.password,
                use_tls=is_tls,
                start_tls=server.has_starttls and not is_tls,
                timeout=SECONDS,
            )
    except TimeoutError:
        return Answer(fault=LATE)
    except aiosmtplib.SMTPResponseException as refused:
        return Answer(status=refused.code, text=str(refused.message)[:1_000])
    except aiosmtplib.SMTPRecipientsRefused as refused:
        return Answer(status=refused.recipients[0].code, text=str(refused.recipients[0].message)[:1_000])
    except (aiosmtplib.SMTPException, OSError) as error:
        return Answer(fault=f"The mail server cannot be used ({type(error).__name__}).")
    return Answer(status=TAKEN, text=said[:1_000])

"""Links to sign in with, by mail.

Who asks for one is told the same whoever they are, and as fast: nothing is looked up before the answer has left.

Each process counts for itself how often it is asked; a link is that of `sign_ins`, and a member's last one alone works.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from time import monotonic

import asyncpg

from api.auth import members, sign_ins
from api.auth.budgets import Budgets
from api.auth.entries import entry
from api.auth.tables import MemberState
from api.database import CLIENT_FAULTS, Database, driver
from api.delivery import mailing
from api.delivery.outside import MailServer, Outside
from api.trail import chain
from kpi.queries import workspace_by_id

log = logging.getLogger("truelift.letters")
MAILBOX_A_SECOND, MAILBOX_AT_ONCE = 1 / 300, 3
"""Letters to a mailbox: three, then one every five minutes. Who asks more often is told the same, and gets none."""
SENDER_A_SECOND, SENDER_AT_ONCE = 1 / 30, 10
"""Letters that may be asked for from one address of the network."""
MOST_WAITING = 100
"""Letters of a process that are under way; those beyond are not sent."""
AT_ONCE = 2
PAUSE = 0.2
"""Seconds before anything is looked up: the answer has left by then."""
SUBJECT = "Your link to sign in to Truelift"
BEFORE = "Somebody, we hope you, asked to sign in to Truelift with this address."
AFTER = "A link works once, for 15 minutes, and only the last one that was asked for. If it was not you, do nothing."


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way in: the name of a workspace, and where the link to it leads."""

    workspace: str
    address: str


class Letters:
    """Sends links to the mailboxes of members."""

    def __init__(self, database: Database, outside: Outside, server: MailServer) -> None:
        self._database, self._outside, self._server = database, outside, server
        self._mailboxes = Budgets(per_second=MAILBOX_A_SECOND, at_once=MAILBOX_AT_ONCE)
        self._senders = Budgets(per_second=SENDER_A_SECOND, at_once=SENDER_AT_ONCE)
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, mailbox: str, sender: str, request_id: str | None) -> float:
        """Have a mailbox sent its links, if it is a member's; returns the seconds a sender has to wait first, or 0."""
        wait = self._senders.take(sender, 1, monotonic())
        if wait > 0:
            return wait
        if self._mailboxes.take(mailbox, 1, monotonic()) == 0 and len(self._tasks) < MOST_WAITING:
            task = asyncio.create_task(self._send(mailbox, request_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return 0.0

    async def end(self) -> None:
        """Send nothing more; who waits for a letter asks again."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, mailbox: str, request_id: str | None) -> None:
        await asyncio.sleep(PAUSE)
        async with self._turn:
            try:
                ways = await self._ways(mailbox, request_id)
            except (*CLIENT_FAULTS, asyncpg.PostgresError) as fault:
                log.warning("A link was not mailed: the database does not answer (%s).", type(fault).__name__)
                return
            if ways:
                said = await mailing.send(self._server, letter(mailbox, ways, self._server.sender, datetime.now(UTC)))
                if said.status != mailing.TAKEN:
                    log.warning("A link was not mailed: %s", said.fault or f"the mail server answered {said.status}.")

    async def _ways(self, mailbox: str, request_id: str | None) -> list[Way]:
        async with self._database.read() as session:
            found = await members.of_mailbox(session, mailbox)
        return [way for place in found if (way := await self._way(*place, request_id)) is not None]

    async def _way(self, workspace_id: int, member_id: int, request_id: str | None) -> Way | None:
        """A new link of a member, who is still one; and that it was asked for, in the audit trail."""
        now, outside = datetime.now(UTC), self._outside
        async with self._database.of(workspace_id).write() as session:
            member = await members.lock(session, workspace_id, member_id)
            if member is None or member.state is MemberState.REMOVED:
                return None
            token = await sign_ins.link(session, member, secret=outside.secret, now=now)
            asked = entry(member, "/sign-in/mail", {}, now=now, request_id=request_id)
            await chain.append(await driver(session), asked)
            workspace = await workspace_by_id(session, workspace_id)
        return Way(workspace=workspace.name, address=sign_ins.address(outside.base_url, token))


def letter(mailbox: str, ways: list[Way], sender: str, now: datetime) -> EmailMessage:
    """The letter: in plain text, so that no name in it can be markup."""
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = sender, mailbox, SUBJECT
    message["Date"] = format_datetime(now)
    message["Auto-Submitted"] = "auto-generated"
    links = "\n\n".join(f"{way.workspace}:\n{way.address}" for way in ways)
    message.set_content(f"{BEFORE}\n\n{links}\n\n{AFTER}\n")
    return message

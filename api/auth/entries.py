"""What people do at the door, as entries of the audit trail: no mutation is run there, so nothing else leaves one."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from api.auth import members
from api.auth.tables import Member
from api.trail.entry import Deed


def entry(
    member: Member, action: str, details: Mapping[str, Any], *, now: datetime, request_id: str | None = None
) -> Deed:
    """What a member did, or somebody who types their mailbox."""
    return Deed(
        workspace_id=member.workspace_id,
        done_at=now,
        actor=member.name,
        key=members.public_id(member),
        action=action,
        node_type="Member",
        node_id=str(member.id),
        details=dict(details),
        request_id=request_id,
    )

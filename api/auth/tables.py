"""Stored nouns of the edge: keys, members, and how a browser is signed in."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Identity, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlmodel import Field, SQLModel

from kpi.tables import AWARE, words


class Role(StrEnum):
    """What a member may do; which scopes that are is in `roles`."""

    VIEWER = "VIEWER"
    EDITOR = "EDITOR"
    REVIEWER = "REVIEWER"
    ADMIN = "ADMIN"


class MemberState(StrEnum):
    """Where a member stands: asked to come, here, or gone. Who is gone is kept, for what they did names them."""

    INVITED = "INVITED"
    ACTIVE = "ACTIVE"
    REMOVED = "REMOVED"


class ApiKey(SQLModel, table=True):
    """A key: what it may do, and a keyed hash of its secret. The secret itself is shown once and never stored.

    `rotation` counts the secrets it has had. The one before works as well until `old_ends_at`, if it is given time.
    `created_by` is unknown of the oldest keys, and `last_used_at` is written once an hour at most.
    """

    __tablename__ = "api_keys"
    __table_args__ = (
        CheckConstraint("(old_secret_hash IS NULL) = (old_ends_at IS NULL)", name="old"),
        CheckConstraint("(rotation = 0) = (rotated_at IS NULL)", name="rotated"),
    )
    id: int = Field(default=None, primary_key=True, sa_column_args=[Identity(always=True)])
    workspace_id: int = Field(foreign_key="workspaces.id")
    public_id: str = Field(unique=True)
    name: str
    scopes: list[str] = Field(sa_type=ARRAY(TEXT))
    secret_hash: bytes
    old_secret_hash: bytes | None = None
    old_ends_at: datetime | None = Field(default=None, sa_type=AWARE)
    rotation: int = 0
    rotated_at: datetime | None = Field(default=None, sa_type=AWARE)
    created_by: str | None = None
    created_at: datetime = Field(sa_type=AWARE)
    expires_at: datetime | None = Field(default=None, sa_type=AWARE)
    last_used_at: datetime | None = Field(default=None, sa_type=AWARE)
    revoked_at: datetime | None = Field(sa_type=AWARE)


class Budget(SQLModel, table=True):
    """A budget that processes share: a workspace's own, with an empty key, or that of one of its keys."""

    __tablename__ = "budgets"
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)
    workspace_id: int = Field(foreign_key="workspaces.id", primary_key=True)
    key: str = Field(primary_key=True)
    full_at: datetime = Field(sa_type=AWARE)  # when all that was taken will have been given back
    taken: float  # seconds' worth, by who asked last


class Member(SQLModel, table=True):
    """A person of a workspace, known by a mailbox in lower case.

    `subject` is who that is at the identity provider, once they have come from there: its issuer, a space, its `sub`.
    """

    __tablename__ = "members"
    __table_args__ = (
        UniqueConstraint("workspace_id", "email"),
        Index("ix_members_email", "email"),
        Index("ix_members_subject", "subject"),
    )
    id: int = Field(default=None, primary_key=True, sa_column_args=[Identity(always=True)])
    workspace_id: int = Field(foreign_key="workspaces.id")
    email: str
    name: str
    role: Role = Field(sa_type=words(Role))
    state: MemberState = Field(sa_type=words(MemberState))
    subject: str | None = None
    invited_by: str
    created_at: datetime = Field(sa_type=AWARE)
    last_seen_at: datetime | None = Field(default=None, sa_type=AWARE)


class SignIn(SQLModel, table=True):
    """A browser that is signed in, as a member or with a key; its cookie is kept as a keyed hash.

    `rotation` is that of the key's secret it signed in with. `proof` is the hash of what a provider sent the browser
    back with, which signs in once.
    """

    __tablename__ = "sign_ins"
    __table_args__ = (
        CheckConstraint("(member_id IS NULL) = (api_key_id IS NOT NULL)", name="who"),
        CheckConstraint("(rotation IS NULL) = (api_key_id IS NULL)", name="rotation"),
        Index("ix_sign_ins_over", "workspace_id", "ends_at"),
    )
    id: int = Field(default=None, primary_key=True, sa_column_args=[Identity(always=True)])
    workspace_id: int = Field(foreign_key="workspaces.id")
    public_id: str = Field(unique=True)
    token_hash: bytes
    member_id: int | None = Field(default=None, foreign_key="members.id")
    api_key_id: int | None = Field(default=None, foreign_key="api_keys.id")
    rotation: int | None = None
    proof: bytes | None = Field(default=None, unique=True)
    created_at: datetime = Field(sa_type=AWARE)
    ends_at: datetime = Field(sa_type=AWARE)
    ended_at: datetime | None = Field(default=None, sa_type=AWARE)


class SignInLink(SQLModel, table=True):
    """A link that signs a member in once; its secret is kept as a keyed hash. A member has one that works at most."""

    __tablename__ = "sign_in_links"
    id: int = Field(default=None, primary_key=True, sa_column_args=[Identity(always=True)])
    workspace_id: int = Field(foreign_key="workspaces.id")
    member_id: int = Field(foreign_key="members.id", unique=True)
    public_id: str = Field(unique=True)
    token_hash: bytes
    created_at: datetime = Field(sa_type=AWARE)
    ends_at: datetime = Field(sa_type=AWARE)

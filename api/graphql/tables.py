"""What GraphQL itself keeps."""

from datetime import datetime

from sqlalchemy import CheckConstraint
from sqlmodel import Field, SQLModel

from kpi.tables import AWARE


class TrustedDocument(SQLModel, table=True):
    """A document that a workspace has registered, by the SHA-256 of its text."""

    __tablename__ = "trusted_documents"
    __table_args__ = (CheckConstraint("hash = sha256(convert_to(body, 'UTF8'))", name="hash"),)
    workspace_id: int = Field(foreign_key="workspaces.id", primary_key=True)
    hash: bytes = Field(primary_key=True)
    body: str
    registered_at: datetime = Field(sa_type=AWARE)

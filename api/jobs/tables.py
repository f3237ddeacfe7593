"""Work that takes long, as it is stored."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from kpi.tables import AWARE, words


class Noun(StrEnum):
    """What the rows of a file are."""

    EXPOSURES = "exposures"
    OUTCOMES = "outcomes"
    AGGREGATES = "aggregates"
    MEMBERSHIPS = "memberships"
    TRAITS = "traits"


class JobState(StrEnum):
    """Where a job is in its life; the last three are for good."""

    RECEIVING = "RECEIVING"
    WAITING = "WAITING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class Job(SQLModel, table=True):
    """An uploaded file that is taken in, or a draft that is rehearsed, and how far that has come.

    One has a `noun`, the other an `experiment_id`: its `line` counts the splits, of which it has `replays` in all.
    Rows up to `line` of the file are in and counted: taken again after a crash, a job goes on from there. It has a
    `secret` once a unit was forgotten while it was open: the key that the unit's name is hashed under.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_open", "id", postgresql_where="ended_at IS NULL"),
        CheckConstraint("(noun IS NULL) = (experiment_id IS NOT NULL)", name="work"),
        CheckConstraint("(state IN ('SUCCEEDED', 'FAILED', 'CANCELLED')) = (ended_at IS NOT NULL)", name="ended"),
    )
    id: int = Field(default=None, primary_key=True, sa_column_args=[Identity(always=True)])
    workspace_id: int = Field(foreign_key="workspaces.id", index=True)
    noun: Noun | None = Field(default=None, sa_type=words(Noun))
    experiment_id: int | None = Field(default=None, foreign_key="experiments.id")
    state: JobState = Field(sa_type=words(JobState))
    parameters: dict[str, Any] = Field(sa_type=JSONB)
    bytes_total: int = Field(default=0, sa_type=BigInteger)
    bytes_read: int = Field(default=0, sa_type=BigInteger)
    line: int = Field(default=0, sa_type=BigInteger)
    accepted: int = Field(default=0, sa_type=BigInteger)
    duplicates: int = Field(default=0, sa_type=BigInteger)
    rejected: int = Field(default=0, sa_type=BigInteger)
    attempts: int = 0
    secret: bytes | None = None
    message: str | None = None
    created_at: datetime = Field(sa_type=AWARE)
    touched_at: datetime = Field(sa_type=AWARE)
    started_at: datetime | None = Field(default=None, sa_type=AWARE)
    ended_at: datetime | None = Field(default=None, sa_type=AWARE)

    @property
    def rows(self) -> Noun:
        """What the rows of its file are. Raises ValueError for a job without a file."""
        if self.noun is None:
            raise ValueError("this job has no file")
        return self.noun


class JobChunk(SQLModel, table=True):
    """A piece of an uploaded file; gone when its job has ended."""

    __tablename__ = "job_chunks"
    job_id: int = Field(primary_key=True, foreign_key="jobs.id")
    place: int = Field(primary_key=True)
    data: bytes


class JobOmission(SQLModel, table=True):
    """A unit that was forgotten while a job was open, as a keyed hash: the job must not bring it back."""

    __tablename__ = "job_omissions"
    job_id: int = Field(primary_key=True, foreign_key="jobs.id")
    unit: str = Field(primary_key=True)

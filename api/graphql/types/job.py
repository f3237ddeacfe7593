"""Jobs, as the API shows them."""

from datetime import datetime
from typing import Any

import strawberry
from strawberry import Parent

from api.graphql.context import Info
from api.graphql.nodes import Node, PageInfo
from api.graphql.types.experiment import Experiment
from api.jobs import tables
from experiments.tables import Experiment as Row


@strawberry.type(description="How far a job has come. It moves batch by batch, with what is stored.")
class JobProgress:
    """How far a job has come."""

    bytes_total: float = strawberry.field(description="The size of the file in bytes, as it was sent.")
    bytes_read: float = strawberry.field(description="The bytes of the file that have been read.")
    accepted: float = strawberry.field(description="The rows that were new.")
    duplicates: float = strawberry.field(description="The rows that were there already; they do not count again.")
    rejected: float = strawberry.field(description="The rows that were rejected; they are among the rejections.")
    replays: float | None = strawberry.field(description="The splits that were judged; null for a file.")
    replays_total: float | None = strawberry.field(description="The splits there are to judge; null for a file.")


@strawberry.type(description="Work that takes long: an uploaded file that is taken in, or a draft that is rehearsed.")
class Job(Node):
    """An uploaded file that is taken in, or a draft that is rehearsed."""

    noun: tables.Noun | None = strawberry.field(
        description="The noun that the rows of the file are; null without a file."
    )
    state: tables.JobState = strawberry.field(description="The state of the job.")
    message: str | None = strawberry.field(description="The end of the job in a sentence; null before it has ended.")
    created_at: datetime = strawberry.field(description="The time the upload began, or the rehearsal was asked for.")
    started_at: datetime | None = strawberry.field(description="The time the job first ran.")
    ended_at: datetime | None = strawberry.field(description="The time the job ended.")

    @strawberry.field(description="The draft that is rehearsed; null for a file.", graphql_type=Experiment | None)
    async def experiment(parent: Parent[tables.Job], info: Info) -> Row | None:
        """The draft that is rehearsed."""
        return (
            None if parent.experiment_id is None else await info.context.loaders.experiments.load(parent.experiment_id)
        )

    @strawberry.field(description="The progress of the job.")
    def progress(parent: Parent[tables.Job]) -> JobProgress:
        """The progress of the job."""
        replays = None if parent.experiment_id is None else parent.line
        return JobProgress(
            bytes_total=parent.bytes_total,
            bytes_read=parent.bytes_read,
            accepted=parent.accepted,
            duplicates=parent.duplicates,
            rejected=parent.rejected,
            replays=replays,
            replays_total=parent.parameters.get("replays"),
        )

    @classmethod
    def is_type_of(cls, obj: object, _info: Any) -> bool:
        """Rows stand for themselves."""
        return isinstance(obj, tables.Job)


@strawberry.type(description="A job in a list.")
class JobEdge:
    """A job in a list."""

    cursor: str = strawberry.field(description="The cursor of the job.")
    node: Job = strawberry.field(description="The job.")


@strawberry.type(description="A page of jobs.")
class JobConnection:
    """A page of jobs."""

    edges: list[JobEdge] = strawberry.field(description="The jobs of the page with their cursors.")
    nodes: list[Job] = strawberry.field(description="The jobs of the page.")
    page_info: PageInfo = strawberry.field(description="The place of the page in the list.")
    total_count: int = strawberry.field(description="The number of jobs in the list.")

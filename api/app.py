"""The wiring: the only place where the parts of the service are put together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

import web
from api.auth.budgets import Budgets
from api.auth.letters import Letters
from api.auth.oidc.provider import CALLBACK, Client, Provider
from api.auth.shares import Allowance, SharedBudgets
from api.database import Database, Role
from api.delivery.outside import Outside
from api.doors import (
    actions,
    audit,
    export,
    faults,
    health,
    ingest,
    ofrep,
    pages,
    reviews,
    risk,
    segment,
    sign_in,
    uploads,
)
from api.doors.board import Board
from api.doors.limits import Limits
from api.doors.strangers import Strangers
from api.graphql.editions import Editions
from api.graphql.endpoint import Endpoint
from api.graphql.memory import Memory
from api.graphql.moments import Moments
from api.graphql.news import Desk, listen
from api.graphql.trusted import Trusted
from api.jobs.sweep import keep_sweeping
from api.jobs.worker import APPLICATION, FAULTS, work
from api.settings import Settings
from api.telemetry.exposition import exposed
from api.telemetry.requests import Observed
from api.telemetry.state import State


def build(database: Database, *, settings: Settings, secret: bytes, with_worker: bool) -> Starlette:
    """The application. With a worker, it refreshes aggregates in this process as well; else it only sweeps."""
    database, duties = database.acting(Role.APP), database.acting(Role.WORKER)
    outside = Outside.of(settings, secret)
    worker = partial(work, duties, seconds=settings.refresh_seconds, outside=outside)
    moments = Moments(database)
    editions = Editions(moments)
    desk, streams = (
        Desk(most=settings.max_subscriptions, most_each=settings.max_workspace_subscriptions, editions=editions)
        for _ in range(2)
    )
    graphql = Endpoint(
        database=database,
        secret=secret,
        desk=desk,
        outside=outside,
        allowance=_allowance(database, settings),
        trusted=Trusted(database, [*web.documents.values(), *web.actions.values()], only=settings.trusted_only),
        memory=Memory(moments),
        most_sockets=settings.max_subscriptions,
        slow_seconds=settings.slow_seconds,
        deadline=settings.deadline_seconds,
    )
    places = ingest.Places(connections=max(settings.pool_size // 2, 1))
    state = State(
        database=duties,
        worker_name=APPLICATION,
        open={
            "truelift_subscriptions_open": ("Subscriptions that are open.", lambda: desk.open),
            "truelift_flag_streams_open": ("Streams of changes of flags that are open.", lambda: streams.open),
            "truelift_websockets_open": ("Websockets that are open.", lambda: graphql.sockets),
            "truelift_ingest_streams_open": ("Bodies of rows that are coming in.", lambda: places.taken),
        },
    )

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        background = worker() if with_worker else keep_sweeping(duties)
        tasks = [asyncio.create_task(listen(database, desk)), asyncio.create_task(background)]
        async with exposed(settings, state), moments.open():
            yield
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        if app.state.letters is not None:
            await app.state.letters.end()
        await database.close()

    app = Starlette(
        lifespan=lifespan,
        exception_handlers=dict.fromkeys(FAULTS, faults.away)
        | {HTTPException: pages.nowhere, Exception: faults.unexpected},
        middleware=[
            Middleware(Observed),
            Middleware(Strangers, wrong_at_once=settings.wrong_keys_at_once),
            Middleware(
                Limits,
                max_body_bytes=settings.max_body_bytes,
                caps=ingest.CAPS | {uploads.PATH: settings.max_upload_bytes},
            ),
        ],
        routes=[
            Route("/healthz", health.healthz),
            Route("/readyz", health.readyz),
            Route("/graphql", graphql),
            WebSocketRoute("/graphql", graphql),
            *(Route(path, partial(ingest.take_in, noun=noun), methods=["POST"]) for path, noun in ingest.PATHS.items()),
            *(Route(path, segment.take_in, methods=["POST"]) for path in segment.PATHS),
            Route(uploads.PATH, uploads.upload, methods=["POST"]),
            Route(risk.PATH, risk.at_risk, methods=["GET"]),
            Route(export.PATH, export.export, methods=["GET"]),
            Route(audit.PATH, audit.audit, methods=["GET"]),
            Route("/", pages.experiments),
            Route("/experiments/{key}", pages.experiment, methods=["GET"]),
            Route("/experiments/{key}", actions.posted(pages.experiment), methods=["POST"]),
            Route("/kpis", pages.kpis),
            Route("/kpis/{key}", pages.kpi),
            Route("/kpis/{key}/at-risk", pages.at_risk),
            Route("/ladder", pages.ladder),
            Route("/alerts", pages.alerts, methods=["GET"]),
            Route("/alerts", actions.posted(pages.alerts), methods=["POST"]),
            Route("/reviews", pages.reviews),
            Route(reviews.PATH, reviews.review, methods=["GET"]),
            ofrep.ROUTES,
            Route("/settings", pages.settings, methods=["GET"]),
            Route("/settings", actions.posted(pages.settings), methods=["POST"]),
            Route("/sign-in", sign_in.form, methods=["GET"]),
            Route("/sign-in", sign_in.sent, methods=["POST"]),
            Route("/sign-in/link", sign_in.link, methods=["GET"]),
            Route("/sign-in/link", sign_in.with_link, methods=["POST"]),
            Route("/sign-in/oidc", sign_in.to_provider, methods=["GET"]),
            Route(CALLBACK, sign_in.from_provider, methods=["GET"]),
            Route("/sign-out", sign_in.sign_out, methods=["POST"]),
            Mount("/static", StaticFiles(directory=web.static_dir)),
        ],
    )
    app.state.database, app.state.secret, app.state.max_uploads = database, secret, settings.max_uploads
    app.state.places, app.state.deadline = places, settings.deadline_seconds
    app.state.context = graphql.context
    app.state.board = Board(database, desk, secret)
    # Streams of flags have places of their own: a key in a page must not take those of the people at work.
    app.state.desk, app.state.streams = desk, streams
    app.state.evaluations = Budgets(per_second=settings.evaluations_per_second, at_once=settings.evaluations_at_once)
    client = Client.of(settings, outside.base_url)
    app.state.provider = None if client is None else Provider(client)
    # A provider decides who comes in where there is one: no letter leads past it.
    server = outside.mail if client is None else None
    app.state.letters = None if server is None else Letters(database, outside, server)
    return app


def _allowance(database: Database, settings: Settings) -> Allowance:
    """What callers may spend."""
    own = None
    if settings.key_cost_at_once is not None:
        per_second = settings.key_cost_per_second or settings.cost_per_second
        own = SharedBudgets(database, per_second=per_second, at_once=settings.key_cost_at_once)
    all_keys = SharedBudgets(database, per_second=settings.cost_per_second, at_once=settings.cost_at_once)
    return Allowance(workspace=all_keys, key=own)

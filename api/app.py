"""The wiring: the only place where the parts of the service are put together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

import web
from api.auth.budgets import Budgets
from api.database import Database
from api.delivery.outside import Outside
from api.doors import audit, export, faults, health, ingest, ofrep, pages, reviews, risk, segment, uploads
from api.doors.board import Board
from api.doors.limits import Limits
from api.doors.strangers import Strangers
from api.graphql.endpoint import Endpoint
from api.graphql.news import Desk, listen
from api.jobs.sweep import keep_sweeping
from api.jobs.worker import APPLICATION, FAULTS, work
from api.settings import Settings
from api.telemetry.exposition import exposed
from api.telemetry.requests import Observed
from api.telemetry.state import State


def build(database: Database, *, settings: Settings, secret: bytes, with_worker: bool) -> Starlette:
    """The application. With a worker, it refreshes aggregates in this process as well; else it only sweeps."""
    outside = Outside.of(settings, secret)
    worker = partial(work, database, seconds=settings.refresh_seconds, outside=outside)
    desk = Desk(most=settings.max_subscriptions, most_each=settings.max_workspace_subscriptions)
    graphql = Endpoint(
        database=database,
        secret=secret,
        desk=desk,
        outside=outside,
        budgets=Budgets(per_second=settings.cost_per_second, at_once=settings.cost_at_once),
        most_sockets=settings.max_subscriptions,
        slow_seconds=settings.slow_seconds,
    )
    streams = Desk(most=settings.max_subscriptions, most_each=settings.max_workspace_subscriptions)
    places = ingest.Places(connections=max(settings.pool_size // 2, 1))
    state = State(
        database=database,
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
        background = worker() if with_worker else keep_sweeping(database)
        duties = [asyncio.create_task(listen(database, desk)), asyncio.create_task(background)]
        async with exposed(settings, state):
            yield
        for duty in duties:
            duty.cancel()
            with suppress(asyncio.CancelledError):
                await duty
        await database.close()

    app = Starlette(
        lifespan=lifespan,
        exception_handlers=dict.fromkeys(FAULTS, faults.away) | {Exception: faults.unexpected},
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
            Route("/experiments/{key}", pages.experiment),
            Route("/kpis", pages.kpis),
            Route("/kpis/{key}", pages.kpi),
            Route("/reviews", pages.reviews),
            Route(reviews.PATH, reviews.review, methods=["GET"]),
            Route("/sign-in", pages.sign_in_form, methods=["GET"]),
            Route("/sign-in", pages.sign_in_with_key, methods=["POST"]),
            Route("/sign-out", pages.sign_out, methods=["POST"]),
            ofrep.ROUTES,
            Mount("/static", StaticFiles(directory=web.static_dir)),
        ],
    )
    app.state.database, app.state.secret, app.state.max_uploads = database, secret, settings.max_uploads
    app.state.places, app.state.board = places, Board(database, desk, secret)
    # Streams of flags have places of their own: a key in a page must not take those of the people at work.
    app.state.desk, app.state.streams = desk, streams
    app.state.evaluations = Budgets(per_second=settings.evaluations_per_second, at_once=settings.evaluations_at_once)
    return app

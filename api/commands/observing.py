"""How a process that serves or works is observed: its log, its traces, and the port of its metrics."""

from api.commands.process import Surroundings, check_port, fail
from api.telemetry import logs, tracing
from api.telemetry.errors import NoTracing


def observe(around: Surroundings) -> None:
    """Set up the log and traces as the settings say, and see that the port of the metrics is free."""
    settings = around.settings
    logs.configure(settings.log)
    try:
        tracing.configure()
    except NoTracing as error:
        fail(str(error))
    if settings.metrics_port is not None:
        check_port(settings.metrics_host, settings.metrics_port, by="TRUELIFT_METRICS_PORT")

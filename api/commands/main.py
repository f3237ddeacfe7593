"""The `truelift` command."""

from typing import Annotated

import typer

from api.commands import demo as demonstration
from api.commands import doctor as examination
from api.commands import key, serving
from api.commands.calibrate import calibrate
from api.commands.export import export
from api.commands.forgetting import forget
from api.commands.importing import import_
from api.commands.process import DataDir, check_port, console, run, surroundings
from api.schema import newest, upgrade

app = typer.Typer(
    help="Truelift tests KPIs as hypotheses.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(key.app, name="key")
app.command("import")(import_)
app.command()(export)
app.command()(forget)
app.command()(calibrate)

Host = Annotated[str | None, typer.Option(help="The address to listen on; 127.0.0.1 unless set.")]
Port = Annotated[int | None, typer.Option(help="The port to listen on; 8000 unless set.", min=1, max=65535)]


@app.command()
def serve(
    data_dir: DataDir = None,
    host: Host = None,
    port: Port = None,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Leave the refreshing to `truelift work`.")] = False,
) -> None:
    """Serve the API and the pages, with the worker in the same process."""
    with surroundings(data_dir) as around:
        address, number = host or around.settings.host, port or around.settings.port
        check_port(address, number)
        serving.serve(
            around,
            host=address,
            port=number,
            with_worker=not no_worker,
            ready=lambda: console.print(f"Truelift serves on http://{address}:{number}/"),
        )


@app.command()
def work(data_dir: DataDir = None) -> None:
    """Run the worker alone, beside `truelift serve --no-worker`."""
    with surroundings(data_dir) as around:
        console.print("The worker runs.")
        serving.work_alone(around)


@app.command()
def migrate(data_dir: DataDir = None) -> None:
    """Bring the database to the schema of this version."""
    with surroundings(data_dir) as around:
        run(around, lambda database: upgrade(database.engine), is_migration=True)
    console.print(f"The database is at revision {newest()}.")


@app.command()
def demo(
    data_dir: DataDir = None,
    port: Port = None,
    truth: Annotated[bool, typer.Option("--truth", help="Print the true effects and end.")] = False,
) -> None:
    """Load the sample company, once, and serve it."""
    if truth:
        demonstration.show_truths()
        return
    with surroundings(data_dir or demonstration.default_data_dir()) as around:
        number = port or around.settings.port
        check_port(around.settings.host, number)
        demonstration.serve(around, port=number)


@app.command()
def doctor(
    data_dir: DataDir = None,
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Derive all aggregates anew and compare; changes nothing.")
    ] = False,
    mend: Annotated[bool, typer.Option("--mend", help="With --recompute: keep what was derived anew.")] = False,
) -> None:
    """Look at Postgres, migrations, clock, worker and disk, and say in words what is wrong."""
    with surroundings(data_dir) as around:
        checks = run(around, lambda database: examination.examine(around, database), is_migration=True)
        if recompute or mend:
            checks += run(around, lambda database: examination.recompute(database, is_mending=mend))
    for check in checks:
        console.print(f"{'[green]ok[/]   ' if check.is_ok else '[bold red]wrong[/]'} {check.name}: {check.sentence}")
    if not all(check.is_ok for check in checks):
        raise typer.Exit(1)

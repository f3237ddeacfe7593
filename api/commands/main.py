"""The `truelift` command. Each command is imported when it is called: nobody waits for what another one needs."""

from pkgutil import resolve_name
from typing import Any

import typer
from typer.core import TyperGroup

from api.commands.loading import to_stay

COMMANDS = {
    "import": ("importing", "Take in a file: exposures, outcomes, aggregates, memberships or traits."),
    "export": ("export", "Write exposures, outcomes or aggregates to a file."),
    "forget": ("forgetting", "Remove all rows of a unit; the worker derives the results anew without it."),
    "kpi": ("kpi", "Keep KPIs in a file: what it would change, apply it, write one."),
    "calibrate": ("calibrate", "Measure how often the shipped methods err, how often one plan does, or on your data."),
    "serve": ("serve", "Serve the API and the pages, with the worker in the same process."),
    "work": ("work", "Run the worker alone, beside `truelift serve --no-worker`."),
    "migrate": ("migrate", "Bring the database to the schema of this version."),
    "demo": ("demo", "Load the sample company, once, and serve it."),
    "doctor": ("doctor", "Look at Postgres, migrations, clock, worker and disk, and say in words what is wrong."),
    "mcp": ("mcp", "Offer what a language model may ask of a server, over standard input and output."),
    "audit": ("audit", "Walk the audit trail and say what does not hold, export it, retire what is old."),
    "key": ("key", "Make, list, rotate and revoke API keys."),
    "member": ("member", "Invite people, let them sign in, and remove them."),
}
"""The module of each command, whose `app` it is, and what it is for in a line."""


class Later(TyperGroup):
    """Commands that stand in the list with their line, and are imported when they are called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that is called, instead of its line in the list."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, called(name) if name else found, rest


def called(name: str) -> Any:
    """A command as the program that it is."""
    module, _ = COMMANDS[name]
    with to_stay():
        return typer.main.get_command(resolve_name(f"api.commands.{module}:app"))


app = typer.Typer(
    cls=Later,
    help="Truelift tests KPIs as hypotheses.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for name, (_, line) in COMMANDS.items():
    app.command(name, help=line)(lambda: None)

"""`truelift kpi` as a build runs it: what it prints, and its exit codes; once as the real program."""

from collections.abc import Callable
from pathlib import Path

import pytest

from api.commands import kpi as command
from tests.api.test_commands import SECRET, Finished, first, here, migrated, truelift

__all__ = ["migrated"]

FILE = """kpis:
  - fromCatalogue: nrr
    owner: Ada
  - key: activation
    name: Activation
    direction: HIGHER
    owner: Ada
    definition: {activation: {event: activated, windowDays: 7}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of two KPIs."""
    path = tmp_path / "kpis.yaml"
    path.write_text(FILE, encoding="utf-8")
    return path


def kpi(url: str, *words: str | Path, run: Callable[..., Finished] = here) -> Finished:
    return run("kpi", *words, "--workspace", "acme", DATABASE_URL=url, TRUELIFT_SECRET=SECRET)


def test_plan_apply_plan_export_and_plan_again_agree_on_what_there_is(migrated: str, file: Path) -> None:
    planned = kpi(migrated, "plan", file, run=truelift)
    assert planned.returncode == 2, planned.stderr
    assert "+ nrr\n" in planned.stdout
    assert "    definition.activation.windowDays: 7\n" in planned.stdout
    assert planned.stdout.endswith("2 new, 0 changed, 0 unchanged, 0 only in the workspace.\n")
    assert first(migrated, "SELECT count(*) FROM kpis") == 0

    applied = kpi(migrated, "apply", file, "--reason", "Agreed in May", "--as", "Ada")
    assert (applied.returncode, applied.stdout) == (0, planned.stdout)
    told = "SELECT count(*) FROM kpi_changes WHERE by = 'Ada' AND by_id = 'command' AND reason = 'Agreed in May'"
    assert first(migrated, told) == 2

    file.write_text(kpi(migrated, "export").stdout, encoding="utf-8")
    again = kpi(migrated, "plan", file)
    assert (again.returncode, again.stdout) == (0, "0 new, 0 changed, 2 unchanged, 0 only in the workspace.\n")

    file.write_text(
        "".join(FILE.splitlines(keepends=True)[:1] + FILE.splitlines(keepends=True)[3:]).replace("7}", "9}")
    )
    changed = kpi(migrated, "plan", file)
    assert changed.returncode == 2
    assert changed.stdout == (
        "~ activation\n    definition.activation.windowDays: 7 -> 9\n"
        "? nrr stands in the workspace, not in the file; it stays\n"
        "0 new, 1 changed, 0 unchanged, 1 only in the workspace.\n"
    )


def test_a_fault_that_only_the_workspace_knows_fails_the_plan_as_it_would_fail_apply(migrated: str, file: Path) -> None:
    parts = "composite: {components: [{kpi: nobody, weight: 1}, {kpi: nrr, weight: 1}]}"
    file.write_text(FILE.replace("activation: {event: activated, windowDays: 7}", parts))
    planned = kpi(migrated, "plan", file)
    assert (planned.returncode, planned.stdout) == (1, "")
    at = f"{file}:8: kpis.1.definition.composite.components"
    assert planned.stderr.splitlines()[:2] == [
        f"{at}.0.kpi: There is no KPI “nobody”.",
        f"{at}.1.kpi: “nrr” has not one number a unit: a share, a mean, a total or a composite does.",
    ]


def refused(capsys: pytest.CaptureFixture[str], file: Path, reason: str = "Agreed") -> list[str]:
    """What `apply` says of a file that it does not even ask a database about."""
    with pytest.raises(SystemExit) as ended:
        command.apply(file, reason)
    assert ended.value.code == 1
    told = capsys.readouterr()
    assert told.out == ""
    return told.err.splitlines()


def test_a_file_with_faults_is_refused_with_the_line_and_path_of_each(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(FILE.replace("fromCatalogue: nrr", "fromCatalogue: nr").replace("windowDays: 7", "windowDays: 0"))
    assert refused(capsys, file) == [
        f"{file}:2: kpis.0.fromCatalogue: The catalogue has no KPI “nr”. Did you mean “nrr”?",
        f"{file}:8: kpis.1.definition.activation.windowDays: A window is between 1 and 365 days; 0 is not.",
        "truelift: Nothing was changed.",
    ]
    file.write_text("kpis:\n  - key: [\n")
    assert refused(capsys, file)[0].startswith(f"{file}: This is not YAML: ")


def test_a_file_that_cannot_be_read_and_a_change_without_a_reason_are_refused(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    none = file.with_name("none.yaml")
    assert refused(capsys, none) == [f"truelift: {none} cannot be read: No such file or directory."]
    assert refused(capsys, file, " ") == ["truelift: A change needs a reason: say it with --reason."]
    file.write_bytes(b"kpis: \xff")
    assert refused(capsys, file) == [f"truelift: {file} is not UTF-8 text."]

"""Mappings: from the command line, from a file, and both."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from api.files.errors import MappingError
from api.files.mapping import Attribute, Column, Constant, Event, Mapping

DOCUMENT = """
timezone = "Europe/Berlin"
[map]
unit = "userid"
[set]
exposed_at = 2026-06-01
[attributes]
device = "device_col"
age = { column = "age_col", type = "number" }
[[events]]
column = "retention_7"
event = "session_started"
offset = "7d"
"""


def document(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mapping.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_load_command_line_gives_columns_constants_and_attributes() -> None:
    mapping = Mapping.load(
        kind="exposures",
        maps=["unit=user_id", "exposed_at=seen=at"],
        sets=["experiment=gate-40"],
        attributes=["device=device_col", "age=age_col:number", "odd=a:b"],
    )
    assert mapping.fields == {
        "unit": Column(name="user_id"),
        "exposedAt": Column(name="seen=at"),
        "experiment": Constant(value="gate-40"),
    }
    assert mapping.attributes == (
        Attribute(name="device", column="device_col", type="typed"),
        Attribute(name="age", column="age_col", type="number"),
        Attribute(name="odd", column="a:b", type="typed"),
    )


def test_load_file_gives_all_its_sections(tmp_path: Path) -> None:
    mapping = Mapping.load(kind="outcomes", path=document(tmp_path, DOCUMENT))
    assert mapping.fields["unit"] == Column(name="userid")
    assert mapping.fields["exposedAt"] == Constant(value=datetime(2026, 5, 31, 22, tzinfo=UTC))
    assert mapping.attributes[1] == Attribute(name="age", column="age_col", type="number")
    assert mapping.events == (
        Event(
            column="retention_7", event="session_started", offset=timedelta(days=7), is_value=False, keeps_zero=False
        ),
    )


def test_load_command_line_wins_over_the_file(tmp_path: Path) -> None:
    mapping = Mapping.load(
        kind="exposures",
        path=document(tmp_path, DOCUMENT),
        maps=["exposedAt=at"],
        sets=["unit=everyone"],
        attributes=["device=other"],
        timezone="UTC",
    )
    assert mapping.fields == {"exposedAt": Column(name="at"), "unit": Constant(value="everyone")}
    assert mapping.attributes[0].column == "other"
    assert mapping.clock.timezone is UTC


def test_load_constant_time_is_iso_whatever_the_format_of_the_cells() -> None:
    mapping = Mapping.load(kind="exposures", sets=["exposed_at=2026-06-01"], time_format="epoch")
    assert mapping.fields["exposedAt"] == Constant(value=datetime(2026, 6, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"maps": ["varient=v"]}, "no field 'varient'.*Did you mean 'variant'"),
        ({"maps": ["unit"]}, "--map 'unit': write it as name=value"),
        ({"sets": ["=x"]}, "--set '=x'"),
        ({"maps": ["unit=a", "unit=b"]}, "names 'unit' twice"),
        ({"maps": ["unit=a"], "sets": ["unit=b"]}, "unit is given twice"),
        ({"maps": ["exposed_at=a", "exposedAt=b"]}, "given twice"),
        ({"maps": ["variant=#line"]}, "only the unit"),
        ({"sets": ["exposed_at=soon"]}, "The value set for exposedAt: 'soon' is not a time"),
        ({"sets": ["value=much"]}, "The value set for value: 'much' is not a number"),
        ({"timezone": "Europe/Berlinn"}, "no time zone"),
        ({"time_format": "unix"}, "no time format"),
        ({"delimiter": "::"}, "not one character"),
    ],
)
def test_load_wrong_option_is_refused_with_a_sentence(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(MappingError, match=sentence):
        Mapping.load(kind="exposures", **options)  # type: ignore[arg-type]  # one options dict for all cases


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[map", "is not TOML"),
        ("[maps]\nunit = 'a'", "unknown field `maps`"),
        ("[map]\nunit = 3", "Expected `str`"),
        ("[[events]]\ncolumn = 'a'", "missing required field `event`"),
        ("[[events]]\ncolumn = 'a'\nevent = 'b'\noffset = 'soon'", "'soon' is not a span of time"),
        ("[[events]]\ncolumn = 'a'\nevent = 'b'\noffset = '1d'\nas = 'count'", "Invalid enum value 'count'"),
        ("[attributes]\na = { column = 'b', type = 'date' }", "Invalid enum value 'date'"),
        ("[set]\nunit = ['a']", "is no text"),
    ],
)
def test_load_wrong_file_is_refused_with_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(MappingError, match=sentence):
        Mapping.load(kind="outcomes", path=document(tmp_path, text))


def test_load_absent_file_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="cannot be read: No such file"):
        Mapping.load(kind="outcomes", path=tmp_path / "none.toml")


def test_load_file_that_is_not_utf8_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_bytes(b"# M\xfcller")
    with pytest.raises(MappingError, match="is not UTF-8"):
        Mapping.load(kind="outcomes", path=tmp_path / "m.toml")

"""Tables of memberships: who belongs to which account from when on."""

from datetime import UTC, datetime
from pathlib import Path

from api.files.mapping import Mapping
from api.files.reading import read


def test_csv_columns_are_fields_and_an_empty_account_is_none(tmp_path: Path) -> None:
    path = tmp_path / "members.csv"
    path.write_text("member,since_at,account\nada,2026-06-01T00:00:00Z,acme\nada,2026-06-09T00:00:00Z,\n")
    (batch,) = read(path, Mapping.load(kind="memberships"))
    assert batch.rejects == []
    assert list(batch.rows) == [
        {"member": "ada", "sinceAt": datetime(2026, 6, 1, tzinfo=UTC), "account": "acme"},
        {"member": "ada", "sinceAt": datetime(2026, 6, 9, tzinfo=UTC), "account": None},
    ]


def test_file_without_accounts_says_who_left_where_a_mapping_names_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "left.csv"
    path.write_text("user,left_at\nada,2026-06-09T00:00:00Z\n")
    mapping = Mapping.load(kind="memberships", maps=["member=user", "since_at=left_at"])
    (batch,) = read(path, mapping)
    assert list(batch.rows) == [{"member": "ada", "sinceAt": datetime(2026, 6, 9, tzinfo=UTC), "account": None}]

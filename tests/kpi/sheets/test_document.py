"""A YAML document, with the line of what stands in it."""

import pytest

from kpi.errors import Invalid
from kpi.sheets.document import parse

TEXT = """kpis:
  - key: ttfv
    owner: Ada
  - key: nrr
    definition:
      ratio:
        windowDays: 365
"""


def test_a_document_says_the_line_of_a_path() -> None:
    document = parse(TEXT)
    assert document.value["kpis"][1]["definition"] == {"ratio": {"windowDays": 365}}
    assert [document.line(path) for path in [("kpis", "0", "owner"), ("kpis", "1", "definition", "ratio")]] == [3, 7]


def test_what_is_missing_has_the_line_of_what_it_is_missing_in() -> None:
    assert parse(TEXT).line(("kpis", "1", "owner")) == 4


def test_an_empty_document_says_nothing_and_has_no_line() -> None:
    document = parse("# nothing yet\n")
    assert (document.value, document.line(("kpis",))) == (None, None)


@pytest.mark.parametrize(
    ("text", "line"),
    [("kpis: [", 1), ("kpis:\n\t- key: a\n", 2), ("a: 1\nb: *unknown\n", 2), ("- !!python/name:os.system\n", 1)],
)
def test_what_is_no_yaml_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(Invalid, match=rf"This is not YAML: .* in line {line}\.|line {line + 1}\."):
        parse(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("kpis: " + "[" * 5_000, "nested more deeply"),
        ("dueOn: 2027-02-30\n", "A value cannot be read: day"),
        ("limit: " + "9" * 5_000, "A value cannot be read: Exceeds the limit"),
    ],
)
def test_values_that_yaml_has_and_no_file_can_mean_are_refused_in_words(text: str, sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence):
        parse(text)


def test_a_field_that_is_given_twice_is_refused_where_the_last_would_win() -> None:
    with pytest.raises(Invalid) as invalid:
        parse("kpis:\n  - key: a\n    owner: Ada\n    owner: Bob\n")
    (problem,) = invalid.value.problems
    assert (problem.path, problem.message) == (("kpis", "0", "owner"), "“owner” is given twice, again in line 4.")


def test_what_is_merged_from_elsewhere_may_be_overridden_and_has_its_own_line() -> None:
    document = parse("base: &base\n  owner: Ada\n  tier: LATE\nkpis:\n  - <<: *base\n    owner: Bob\n  - *base\n")
    assert document.value["kpis"] == [{"owner": "Bob", "tier": "LATE"}, {"owner": "Ada", "tier": "LATE"}]
    assert document.line(("kpis", "0", "owner")) == 6


def test_a_document_that_holds_itself_is_read_to_its_end() -> None:
    value = parse("kpis: &all\n  - *all\n").value
    assert value["kpis"][0] is value["kpis"]

"""CSV text to records: round trips through the csv module's writer, and each way a row can be broken."""

import csv
import io
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from api.files.errors import Code
from api.files.lines import LONGEST, physical_lines
from api.files.records import Records, guess_delimiter, records

CELL = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8) | st.text(
    '",\r\n ab', max_size=6
)
TABLE = st.integers(2, 4).flatmap(lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), max_size=12))


def chunked(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def parse(data: bytes, size: int = 1 << 16, delimiter: str = ",") -> Records:
    """All records of a text that arrives in chunks of a size."""
    whole = Records()
    for found in (some.by_row() for some in records(physical_lines(chunked(data, size)), delimiter)):
        whole.lines.extend(found.lines)
        whole.cells.extend(found.cells)
        whole.faults.extend(found.faults)
    return whole


def faults(data: bytes, size: int = 1 << 16) -> list[tuple[int, str]]:
    return [(fault.line, fault.code) for fault in parse(data, size).faults]


@given(
    table=TABLE,
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    delimiter=st.sampled_from([",", ";", "\t"]),
    size=st.integers(1, 60),
)
@example(table=[["", ""]], quoting=csv.QUOTE_ALL, delimiter=",", size=15)  # the first chunk ends between CR and LF
def test_records_of_a_written_table_are_its_cells_on_their_lines(
    table: list[list[str]], quoting: int, delimiter: str, size: int
) -> None:
    text, starts = io.StringIO(), []
    writer = csv.writer(text, quoting=quoting, delimiter=delimiter)  # type: ignore[arg-type]  # an int is what it is
    writer.writerow(["first", "line"])
    for row in table:
        starts.append(text.getvalue().count("\n") + 1)
        writer.writerow(row)
    found = parse(text.getvalue().encode(), size, delimiter)
    assert (found.cells[1:], found.lines[1:], found.faults) == (table, starts, [])


@given(rows=st.lists(st.text("abc ", min_size=1, max_size=5), min_size=1, max_size=30), data=st.data())
def test_records_unclosed_quote_rejects_its_line_and_no_neighbour(rows: list[str], data: st.DataObject) -> None:
    at, size = data.draw(st.integers(0, len(rows))), data.draw(st.integers(5, 50))
    lines = [f"{row},1\n" for row in rows]
    found = parse("".join([*lines[:at], 'x,"y\n', *lines[at:]]).encode(), size)
    assert found.cells == [[row, "1"] for row in rows]
    assert found.lines == [index + 1 + (index >= at) for index in range(len(rows))]
    assert [(fault.line, fault.code, fault.raw) for fault in found.faults] == [(at + 1, Code.BAD_QUOTE, 'x,"y')]


@given(data=st.binary(max_size=200) | st.text('a,"\n\r', max_size=60).map(str.encode), size=st.integers(1, 40))
def test_records_of_any_bytes_never_fail_and_tell_of_each_line_once(data: bytes, size: int) -> None:
    found = parse(data, size)
    assert found.lines == sorted(set(found.lines))
    assert not set(found.lines) & {fault.line for fault in found.faults}


def test_records_quote_that_a_later_quoted_cell_ends_rejects_only_its_line() -> None:
    found = parse(b'a,"b\nc,d\ne,"f",g\nh,"i\nj"\n')
    assert found.cells == [["c", "d"], ["e", "f", "g"], ["h", "i\nj"]]
    assert [(fault.line, fault.code) for fault in found.faults] == [(1, Code.BAD_QUOTE)]


def test_records_quote_that_shows_broken_where_a_cell_of_two_lines_begins_keeps_that_cell_whole() -> None:
    found = parse(b'a,"b\nc,d\ne,"f\ng"\nh,i\n')
    assert found.cells == [["c", "d"], ["e", "f\ng"], ["h", "i"]]
    assert [(fault.line, fault.code) for fault in found.faults] == [(1, Code.BAD_QUOTE)]


def test_records_two_unclosed_quotes_reject_two_lines() -> None:
    assert faults(b'a,b\nc,"d\ne,f\ng,"h\ni,j\n') == [(2, Code.BAD_QUOTE), (4, Code.BAD_QUOTE)]


def test_records_unclosed_quote_far_from_the_end_reads_what_follows_in_bounded_memory() -> None:
    body = b"".join(b"u%d,x\n" % number for number in range(100_000))
    found = parse(b'a,"b\n' + body)
    assert len(found.cells) == 100_000
    assert [(fault.line, fault.code) for fault in found.faults] == [(1, Code.BAD_QUOTE)]


def test_records_lines_that_open_and_close_across_each_other_are_read_in_linear_time() -> None:
    found = parse(b'z","w\n' * 200_000)  # each line leaves a quote open; seconds, were each to read on to the end
    assert len(found.cells) + len(found.faults) == 200_000


@pytest.mark.parametrize(
    ("line", "code", "sentence"),
    [
        (b'a,"b" c', Code.BAD_QUOTE, "goes on after its closing quote"),
        (b"a,b\rc", Code.BAD_QUOTE, "carriage return"),
        (b"a,\xff\xfe", Code.BAD_TEXT, "byte 0xff after 2 characters"),
        (b"M\xfcller,b", Code.BAD_TEXT, "save the file as UTF-8"),
        (b"a,\0", Code.BAD_TEXT, "NUL"),
        (b"a," + b"x" * 140_000, Code.BAD_QUOTE, "longer than 131,072"),
        (b"a," + b"x," * 140_000, Code.TOO_LONG, "longer than 262,144"),
        (b"a," + b"x," * 1_400_000, Code.TOO_LONG, "longer than 262,144"),
    ],
)
def test_records_broken_line_is_rejected_with_a_sentence_and_its_neighbours_are_read(
    line: bytes, code: Code, sentence: str
) -> None:
    found = parse(b"h,i\n" + line + b"\nc,d\n")
    assert found.cells == [["h", "i"], ["c", "d"]]
    assert [(fault.line, fault.code) for fault in found.faults] == [(2, code)]
    assert sentence in found.faults[0].message


def test_records_bad_byte_in_a_cell_of_two_lines_is_told_at_its_first_line() -> None:
    assert faults(b'a,b\n"c\n\xff",d\ne,f\n') == [(2, Code.BAD_TEXT)]


def test_records_bad_byte_in_a_cell_that_goes_on_in_the_next_chunk_is_not_forgotten() -> None:
    assert faults(b'a,b\n"\xff\nc",d\n', size=7) == [(2, Code.BAD_TEXT)]


def test_records_quote_inside_a_bare_cell_is_a_character() -> None:
    assert parse(b'5" pipe,b\n').cells == [['5" pipe', "b"]]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 1 << 16])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_records_any_line_end_is_understood_wherever_a_chunk_ends(end: bytes, size: int) -> None:
    found = parse(end.join([b"a,b", b"c,d", b"", b"e,f"]) + end, size)
    assert (found.cells, found.lines) == ([["a", "b"], ["c", "d"], ["e", "f"]], [1, 2, 4])


def test_records_line_ends_of_unicode_stay_inside_cells() -> None:
    assert parse("a\u2028b,c\x0cd\n".encode()).cells == [["a\u2028b", "c\x0cd"]]


@pytest.mark.parametrize("size", [1, 5, 1 << 16])
def test_records_byte_order_mark_is_no_part_of_the_first_cell(size: int) -> None:
    assert parse(b"\xef\xbb\xbfunit,b\n", size).cells == [["unit", "b"]]


def test_records_last_line_without_an_end_is_a_record() -> None:
    assert parse(b"a,b\nc,d").cells == [["a", "b"], ["c", "d"]]


def test_physical_lines_of_a_giant_line_keep_only_what_is_needed_to_refuse_it() -> None:
    longest = max(len(text) for lines in physical_lines(b"x" * 65_536 for _ in range(200)) for text in lines.texts)
    assert LONGEST < longest < 5 * LONGEST


@pytest.mark.parametrize(
    ("header", "expected"),
    [("a,b;c,d", ","), ("a;b;c", ";"), ("a\tb", "\t"), ("a|b", "|"), ('"a,b,c";d', ";"), ("a", ",")],
)
def test_guess_delimiter_takes_what_stands_most_often_outside_quotes(header: str, expected: str) -> None:
    assert guess_delimiter(header) == expected


LINE = st.text('ab,;\t "\r\x85\u2028', max_size=6)


@settings(max_examples=500, deadline=None, database=None, derandomize=True)
@given(
    lines=st.lists(LINE | st.sampled_from(["a,b", "c,", ",", "1,2,3", "a;b"]), min_size=1, max_size=5),
    end=st.sampled_from(["\n", "\r\n"]),
    delimiter=st.sampled_from(",;\t"),
    is_ended=st.booleans(),
)
def test_records_without_quotes_are_those_of_the_csv_module(
    lines: list[str], end: str, delimiter: str, is_ended: bool
) -> None:
    text = end.join(["a,b", *lines]) + end * is_ended
    try:
        expected = [
            cells for cells in csv.reader(io.StringIO(text, newline="\n"), delimiter=delimiter, strict=True) if cells
        ]
    except csv.Error:
        return  # broken rows are what the other tests are about
    found = parse(text.encode(), delimiter=delimiter)
    assert (found.cells, found.faults) == (expected, [])


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("is_ended", [True, False])
def test_records_of_an_even_text_come_by_column(end: str, is_ended: bool) -> None:
    text = end.join(["unit,value", "u1,7", "u2,"]) + end * is_ended
    found = [some for some in records(physical_lines([text.encode()]), ",") if some.lines]
    assert [line for some in found for line in some.lines] == [1, 2, 3]
    assert all(some.columns for some in found)
    assert parse(text.encode()).cells == [["unit", "value"], ["u1", "7"], ["u2", ""]]


def test_records_of_a_cell_longer_than_the_csv_module_takes_are_left_to_it() -> None:
    data = b"a,b\n" + b"x" * (csv.field_size_limit() + 1) + b",1\nc,d\n"
    assert (parse(data).lines, faults(data)) == ([1, 3], [(2, Code.BAD_QUOTE)])

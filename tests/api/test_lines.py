"""The lines of a body are the same however the network cuts it."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.doors import bodies
from api.doors.bodies import Lines, Numbered
from kpi.ingest import Broken


def rows_of(pieces: Sequence[bytes], *, is_cut_short: bool) -> list[Numbered]:
    parser = Lines()
    rows = [row for piece in pieces for row in parser.feed(piece)]
    return rows + parser.end(is_cut_short=is_cut_short)


PARTS = st.sampled_from([b"\n", b"\r\n", b"{}", b" ", b"\xef\xbb\xbf", b"a", b"\xc3\xbc", b"\0", b"x" * 7, b"long" * 9])


@settings(max_examples=300, deadline=None, database=None, derandomize=True)
@given(st.lists(PARTS, max_size=30).map(b"".join), st.lists(st.integers(0, 200), max_size=12), st.booleans())
def test_lines_are_the_same_however_the_network_cuts_the_bytes(body: bytes, cuts: list[int], is_cut: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:  # a row of 20 bytes is too long here, so that both sides are met
        patch.setattr(bodies, "LONGEST_LINE", 20)
        patch.setattr(bodies, "BEGINNING", 8)
        places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
        pieces = [body[first:end] for first, end in pairwise(places)]
        found = rows_of(pieces, is_cut_short=is_cut)
        assert found == rows_of([body], is_cut_short=is_cut)
        if not is_cut:
            sent = body.split(b"\n")
            whole = body.removeprefix(b"\xef\xbb\xbf").split(b"\n")
            expected = [(n, line) for n, line in enumerate(whole, start=1) if line.strip() or len(sent[n - 1]) > 20]
            assert [number for number, _ in found] == [number for number, _ in expected]
            for (number, row), (_, line) in zip(found, expected, strict=True):
                assert isinstance(row, Broken) if len(sent[number - 1]) > 20 else row == line

"""A few of the faults that `make faults` brings about by the hundred."""

import asyncio
import sys

import pytest

from benchmarks.faults.__main__ import Point, endure, table
from benchmarks.faults.happenings import FAULTS, drop_connections, kill_postgres
from benchmarks.faults.service import place


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
def test_service_that_loses_postgres_and_its_connections_under_load_comes_back_and_loses_no_row() -> None:
    with place() as folder:
        points, load = asyncio.run(endure(folder, points=3, seed=2, faults=(kill_postgres, drop_connections)))
    assert {point.fault for point in points} == {"kill postgres", "drop connections"}
    assert len(load.rows) > 100


def test_table_has_a_line_for_each_fault_and_one_for_all() -> None:
    names = [fault.__name__ for fault in FAULTS]
    points = [Point(fault=name, back=place + 0.5, caught_up=0.25) for place, name in enumerate(names)]
    lines = table(points).splitlines()[2:]
    assert [line.split("|")[1].strip() for line in lines] == [*sorted(names), "all"]
    assert lines[-1].split("|")[2:] == [" 7 ", " 3.50 ", " 5.90 ", " 6.50 ", " 0.25 ", " 0.25 ", ""]

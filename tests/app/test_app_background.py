"""Work in a thread, read as an iterator."""

import threading

import pytest

from diffusionact_app.background import MAX_WAITING, reports


def read_all(generator):
    """Everything a generator yields, and what it returns."""
    read = []
    while True:
        try:
            read.append(next(generator))
        except StopIteration as end:
            return read, end.value


def test_reports_come_in_order_and_then_the_result():
    def work(report):
        for number in range(3 * MAX_WAITING):
            report(number)
        return "result"

    assert read_all(reports(work)) == (list(range(3 * MAX_WAITING)), "result")


def test_error_of_the_work_is_raised_after_its_reports():
    def work(report):
        report("first")
        raise OSError("disk")

    running = reports(work)
    assert next(running) == "first"
    with pytest.raises(OSError, match="disk"):
        next(running)


def test_work_waits_for_a_slow_reader():
    reported, full = [], threading.Event()

    def work(report):
        for number in range(2 * MAX_WAITING):
            if number > MAX_WAITING:  # one was read, so that so many and one more were taken
                full.set()
            report(number)
            reported.append(number)

    running = reports(work)
    assert next(running) == 0
    full.wait(20)
    assert len(reported) <= MAX_WAITING + 1
    assert read_all(running)[0] == list(range(1, 2 * MAX_WAITING))


def test_reports_that_cannot_wait_are_dropped_where_nobody_reads():
    done = threading.Event()

    def work(report):
        for number in range(5 * MAX_WAITING):
            report(number, can_wait=False)
        done.set()

    running = reports(work)
    first = next(running)
    assert done.wait(20)
    read = [first, *running]
    assert read == sorted(read) and MAX_WAITING <= len(read) < 5 * MAX_WAITING


def test_work_ends_when_its_reader_leaves():
    ended = []

    def work(report):
        try:
            while True:
                report("more")
        finally:
            ended.append(True)

    running = reports(work)
    next(running)
    running.close()
    assert ended == [True]

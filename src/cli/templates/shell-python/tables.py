"""Reading tables, periods and options. Only the standard library is needed."""

import csv
import datetime
import re
import sys


def read_rows(path, columns):
    """The rows of a CSV file as dictionaries of text: codes such as 007 stay what they are."""
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [name for name in columns if name not in (reader.fieldnames or [])]
        if missing:
            sys.exit(f"Expected the columns {', '.join(columns)}; missing: {', '.join(missing)}")
        return list(reader)


# Days that weeks begin on, counted from Monday, as DHIS2 writes them: 2024W5, 2024SunW5.
FIRST_DAYS = {"W": 0, "WedW": 2, "ThuW": 3, "FriW": 4, "SatW": 5, "SunW": 6}


def read_period(text):
    """
    The number of a period, in which the next one is one more, and its place in the year from 0 to 1.

    Months are written 2024-01 or 202401; weeks 2024-W05, 2024W5, 2024SunW5 and so on, or 2024-S05 (chap-core's: from the
    Sunday with which ISO week 5 ends). Both can be a first and a last day: 2023-12-25/2023-12-31.
    """
    first, last = read_days(text)
    if is_month(first, last):
        return first.year * 12 + first.month - 1, (first.month - 1) / 12
    if last - first != datetime.timedelta(6):
        no_period(text)
    week = (first + datetime.timedelta(3)).isocalendar()[1]
    # 1 January of year 1 was a Monday and has the ordinal 1.
    return (first.toordinal() - 1) // 7, (week - 1) / 52.18


def is_month(first, last):
    """Whether these days are the first and the last one of the same month."""
    return first.day == 1 and (last + datetime.timedelta(1)).day == 1 and (last - first).days < 31


def read_days(text):
    """The first and the last day of a period."""
    month = re.fullmatch(r"(\d{4})-?(\d\d)", text, re.ASCII)
    week = re.fullmatch(r"(\d{4})-?((?:Wed|Thu|Fri|Sat|Sun)?W|(?<=-)S)(\d{1,2})", text, re.ASCII)
    days = re.fullmatch(r"(\d{4}-\d\d-\d\d)/(\d{4}-\d\d-\d\d)", text, re.ASCII)
    try:
        if month:
            first = datetime.date(int(month[1]), int(month[2]), 1)
            return first, (first + datetime.timedelta(31)).replace(day=1) - datetime.timedelta(1)
        if week:
            first = first_of_week(int(week[1]), week[2], int(week[3]))
            return first, first + datetime.timedelta(6)
        if days:
            return datetime.date.fromisoformat(days[1]), datetime.date.fromisoformat(days[2])
    except ValueError:
        pass  # A month 13, or a week 53 that the year does not have.
    no_period(text)


def first_of_week(year, mark, number):
    if mark == "S":
        return datetime.date.fromisocalendar(year, number, 7)
    # Week 1 is the one with 4 January, whichever day weeks begin on.
    fourth = datetime.date(year, 1, 4)
    before = (fourth.weekday() - FIRST_DAYS[mark]) % 7
    first = fourth + datetime.timedelta(7 * (number - 1) - before)
    # A week belongs to the year that has its fourth day.
    if number < 1 or (first + datetime.timedelta(3)).year != year:
        raise ValueError
    return first


def no_period(text):
    sys.exit(f"Expected months such as 2024-01 or weeks such as 2024-W05 in time_period, got {text}")


def read_option(path, name, default):
    """A whole number of config.yml."""
    with open(path, encoding="utf-8") as file:
        match = re.search(rf"^ *{name}: *(\d+)", file.read(), re.MULTILINE)
    return int(match[1]) if match else default

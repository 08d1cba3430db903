"""Options, tables and periods, for train.py and predict.py. Standard library only."""

import csv
import datetime
import math
import re
import sys


def read_options(path="config.yml"):
    """The options in the config.yml of a service: lines such as `seed: 3`. Answers texts by name."""
    with open(path, encoding="utf-8") as file:
        found = [re.match(r"([A-Za-z]\w*): +(.*\S)\s*$", line) for line in file]
    return dict(match.groups() for match in found if match)


def read_table(path, columns):
    """The rows of a CSV file as dicts of texts. A history without rows may be without columns, too."""
    # With a byte order mark, as spreadsheets write it, or without.
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        has = reader.fieldnames or []
    missing = [name for name in columns if name not in has]
    if rows and missing:
        sys.exit(
            f"Expected the columns {', '.join(columns)} in {path}; "
            f"missing: {', '.join(missing)} (it has {', '.join(has)})"
        )
    return rows


def number(row, name, path):
    """A cell as a number from 0, or None where there is none."""
    text = row[name]
    if text in ("", "NA", None):
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        sys.exit(
            f"Expected numbers from 0 in column {name} of {path}, got {text!r} "
            f"for {row['location']} in {row['time_period']}"
        )
    return value


class Period:
    """
    A month (2024-01, 202401) or a week (2024-W05, 2024W5, DHIS2's 2024SunW5 and so on, or 2024-S05, which is chap-core's: from
    the Sunday with which ISO week 5 ends). Both can be a first and a last day: 2023-12-25/2023-12-31.

    It is part `part` of the `parts` of `year`, counted from 0; `index` grows by one from each period to the next.
    """

    def __init__(self, text, path):
        days = read_days(text)
        if days and is_month(*days):
            first, _ = days
            self.parts = 12
            self.part = first.month - 1
            self.year = first.year
            self.index = first.year * 12 + self.part
        elif days and days[1] - days[0] == datetime.timedelta(6):
            first, _ = days
            self.parts = 53
            # A week is that of its fourth day.
            self.year, week, _ = (first + datetime.timedelta(3)).isocalendar()
            self.part = week - 1
            # 1 January of year 1 was a Monday and has the ordinal 1.
            self.index = (first.toordinal() - 1) // 7
        else:
            sys.exit(
                "Expected months such as 2024-01 or weeks such as 2024-W05 "
                f"in time_period of {path}, got {text!r}"
            )


# Days that weeks begin on, counted from Monday, as DHIS2 writes them: 2024W5, 2024SunW5.
FIRST_DAYS = {"W": 0, "WedW": 2, "ThuW": 3, "FriW": 4, "SatW": 5, "SunW": 6}


def is_month(first, last):
    """Whether these days are the first and the last one of the same month."""
    return first.day == 1 and (last + datetime.timedelta(1)).day == 1 and (last - first).days < 31


def read_days(text):
    """The first and the last day of a period, or None where it is none."""
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
    return None


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

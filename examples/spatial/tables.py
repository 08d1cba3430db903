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
    A month (2024-01, 202401) or a week (2024-W05, 2024W05, 2024-01-29/2024-02-04).

    It is part `part` of the `parts` of `year`, counted from 0; `index` grows by one from each period to the next.
    """

    def __init__(self, text, path):
        month = re.fullmatch(r"(\d{4})-?(0[1-9]|1[0-2])", text)
        week = re.fullmatch(r"(\d{4})-?W(\d{1,2})", text)
        days = re.fullmatch(r"(\d{4}-\d\d-\d\d)/\d{4}-\d\d-\d\d", text)
        try:
            if month:
                self.parts = 12
                self.part = int(month[2]) - 1
                self.year = int(month[1])
                self.index = self.year * 12 + self.part
                return
            if week:
                first = datetime.date.fromisocalendar(int(week[1]), int(week[2]), 1)
            elif days:
                first = datetime.date.fromisoformat(days[1])
            else:
                raise ValueError
        except ValueError:
            sys.exit(
                "Expected months such as 2024-01 or weeks such as 2024-W05 "
                f"in time_period of {path}, got {text!r}"
            )
        self.parts = 53
        self.year, week_of_year, _ = first.isocalendar()
        self.part = week_of_year - 1
        # 1 January of year 1 was a Monday and has the ordinal 1.
        self.index = (first.toordinal() - 1) // 7

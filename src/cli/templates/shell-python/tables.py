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


def read_period(text):
    """The number of a period, in which the next one is one more, and its place in the year from 0 to 1."""
    match = re.fullmatch(r"(\d{4})-?(W?)(\d{1,2})", text)
    if match is None:
        sys.exit(f"Expected months such as 2024-01 or weeks such as 2024-W05, got {text}")
    year, weekly, number = int(match[1]), match[2] == "W", int(match[3])
    if weekly:
        monday = datetime.date.fromisocalendar(year, number, 1)
        return monday.toordinal() // 7, (number - 1) / 52.18
    return year * 12 + number - 1, (number - 1) / 12


def read_option(path, name, default):
    """A whole number of config.yml."""
    with open(path, encoding="utf-8") as file:
        match = re.search(rf"^ *{name}: *(\d+)", file.read(), re.MULTILINE)
    return int(match[1]) if match else default

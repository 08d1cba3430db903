"""
python3 train.py DATA

Learns for each location how many cases each part of the year usually has, and how far counts lie around what is expected.
The model is model.json.
"""

import json
import sys

import numpy as np

from level import HORIZONS, expect, ratio_of
from tables import Period, number, read_options, read_table

# How many years of its own a location needs until they weigh as much as what all have in common.
SHARED_YEARS = 2

path = sys.argv[1]
options = read_options()
memory = float(options.get("memory", 0.8))
window = int(options.get("window", 3))
rows = read_table(path, ["time_period", "location", "disease_cases"])
counts, parts, seen = {}, 0, set()
for row in rows:
    location, period = row["location"], Period(row["time_period"], path)
    if parts not in (0, period.parts):
        sys.exit(f"Expected only months or only weeks in time_period of {path}, got both")
    parts = period.parts
    if (location, period.index) in seen:
        sys.exit(f"Location {location} has the period {row['time_period']} twice in {path}")
    seen.add((location, period.index))
    cases = number(row, "disease_cases", path)
    counts.setdefault(location, [])
    if cases is not None:
        counts[location].append((period.index, period.part, cases))
known = sum(len(own) for own in counts.values())
if known == 0:
    sys.exit(f"No count is known in disease_cases of {path}")
print(f"{len(rows)} rows of {len(counts)} locations, {known} known counts")


def smooth(values):
    """Means over neighbouring weeks, as there are few of each; months stay as they are."""
    if parts == 12:
        return values
    weights = {-2: 1, -1: 2, 0: 3, 1: 2, 2: 1}
    return sum(w * np.roll(values, k) for k, w in weights.items()) / 9


def by_part(own, values):
    """Sum of values for each part of the year."""
    where = np.array([part for _, part, _ in own], dtype=int)
    return np.bincount(where, weights=values, minlength=parts)


def cases_of(own):
    return np.array([cases for _, _, cases in own])


# What all locations have in common: the usual count, and the shape of the year around it.
overall = sum(cases_of(own).sum() for own in counts.values()) / known
levels = {name: (cases_of(own).sum() + overall) / (len(own) + 1) for name, own in counts.items()}
total = smooth(sum(by_part(own, cases_of(own)) for own in counts.values()))
usual = smooth(sum(by_part(own, np.full(len(own), levels[name])) for name, own in counts.items()))
shape = np.divide(total, usual, out=np.ones(parts), where=usual > 0)


def fit(name):
    own, cases = counts[name], cases_of(counts[name])
    shared = SHARED_YEARS * shape * levels[name]
    sums, years = smooth(by_part(own, cases)), smooth(by_part(own, np.ones(len(own))))
    means = np.maximum((sums + shared) / (years + SHARED_YEARS), 1e-6)
    return {
        "means": means.tolist(),
        "sizes": [size_of(sorted(own), means, ahead) for ahead in range(1, HORIZONS + 1)],
    }


def size_of(own, means, ahead):
    """
    How far counts lay around what would have been expected of them some periods before, by moments: a count with the
    expected value m varies by m + m²/size.
    """
    usual = [(means[part], cases) for _, part, cases in own]
    pairs = []
    for at in range(ahead, len(usual)):
        mean, cases = usual[at]
        before = usual[: at - ahead + 1][-window:]
        pairs.append((expect(mean, ratio_of(before), memory, ahead), cases))
    if not pairs:
        return 1.0
    beyond = sum((cases - mean) ** 2 - mean for mean, cases in pairs)
    size = sum(mean**2 for mean, _ in pairs) / beyond if beyond > 0 else 1000
    return float(np.clip(size, 0.1, 1000))


locations = {}
for done, name in enumerate(sorted(counts), 1):
    locations[name] = fit(name)
    size = locations[name]["sizes"][0]
    print(f"{done} of {len(counts)}: {name}, {len(counts[name])} counts, size {size:.2f}")

# For locations that are asked about and were not there.
other = {"means": (overall * np.maximum(shape, 1e-6)).tolist(), "sizes": [1.0] * HORIZONS}
with open("model.json", "w", encoding="utf-8") as file:
    json.dump({"parts": parts, "locations": locations, "other": other}, file)

"""
python3 predict.py HISTORIC FUTURE MODEL CONFIG OUTPUT: samples for each row of FUTURE.

The model: counts of the same season in past years, moved up or down to where the location is now. Put yours in its place.
"""

import csv
import json
import math
import random
import sys

from tables import read_option, read_period, read_rows

historic, future, model, config, output = sys.argv[1:]
n_samples = read_option(config, "n_samples", 100)
random.seed(read_option(config, "seed", 1))

with open(model, encoding="utf-8") as file:
    seen = json.load(file)
everywhere = [each for counts in seen.values() for each in counts]


def around(season, counts):
    """What was seen in the same season, a month before and after; all where there is nothing."""

    def is_near(other):
        distance = abs(other - season)
        return min(distance, 1 - distance) < 1.5 / 12

    near = [z for other, z in counts if is_near(other)]
    return near or [z for _, z in counts]


def level_of(location, counts):
    """How far the last three known counts of a location lie above those of their season, and when the last one was."""
    known = sorted(
        (*read_period(row["time_period"]), math.log1p(float(row["disease_cases"])))
        for row in past
        if row["location"] == location and row["disease_cases"] != ""
    )[-3:]
    if not known:
        return 0, 0
    above = [z - mean(around(season, counts)) for _, season, z in known]
    return mean(above), known[-1][0]


def mean(values):
    return sum(values) / len(values)


past = read_rows(historic, ["time_period", "location", "disease_cases"])
rows = read_rows(future, ["time_period", "location"])
# A location that training has not seen is taken to be like all of them.
levels = {
    location: level_of(location, seen.get(location, everywhere))
    for location in {row["location"] for row in rows}
}

with open(output, "w", newline="", encoding="utf-8") as file:
    writer = csv.writer(file)
    writer.writerow(["time_period", "location", *(f"sample_{at}" for at in range(n_samples))])
    for row in rows:
        index, season = read_period(row["time_period"])
        level, last = levels[row["location"]]
        # The further ahead, the less it matters how things are now.
        shift = level * 0.8 ** max(0, index - last)
        near = around(season, seen.get(row["location"], everywhere))
        drawn = random.choices(near, k=n_samples)
        samples = [max(0, round(math.expm1(z + shift))) for z in drawn]
        writer.writerow([row["time_period"], row["location"], *samples])

print(f"{len(rows)} rows with {n_samples} samples")

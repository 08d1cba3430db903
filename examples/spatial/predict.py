"""
python3 predict.py FUTURE OUTPUT [GEO]

Draws counts for each row of FUTURE: the rate of its location in that part of the year, in a year like one of the past. With
GEO, locations that were not there at training take the rate of their neighbours.
"""

import csv
import json
import math
import random
import sys

from geometry import neighbours, read_places
from tables import Period, number, read_options, read_table

future_file, output_file, *more = sys.argv[1:]
options = read_options()
n_samples = int(options.get("n_samples", 100))
seed = int(options.get("seed", 1))
with open("model.json", encoding="utf-8") as file:
    model = json.load(file)
rates, shape = model["rates"], model["shape"]


def rate_of(name):
    """The rate of a location; of its neighbours, or of all, when it was not there at training."""
    if name in rates:
        return rates[name]
    known = {other: place for other, place in places.items() if other in rates or other == name}
    beside = neighbours(known)[name] if name in known else []
    theirs = [rates[other] for other in beside]
    return sum(theirs) / len(theirs) if theirs else model["overall"]


def poisson(mean, source):
    """A count around a mean; for large ones the normal distribution is near enough."""
    if mean > 50:
        return max(0, round(source.gauss(mean, math.sqrt(mean))))
    count, left = 0, source.random()
    chance = math.exp(-mean)
    while left > chance and chance > 0:
        left -= chance
        count += 1
        chance *= mean / count
    return count


places = read_places(more[0] if more else None)
rows = read_table(future_file, ["time_period", "location", "population"])
# Of a sample all locations have the same year: when it is a bad one, it is so for all.
years = random.Random(seed).choices(model["years"], k=n_samples)
with open(output_file, "w", newline="", encoding="utf-8") as file:
    writer = csv.writer(file)
    writer.writerow(["time_period", "location", *(f"sample_{k}" for k in range(n_samples))])
    for row in rows:
        name, period = row["location"], Period(row["time_period"], future_file)
        if period.parts != len(shape):
            sys.exit(f"The model was trained with other periods than those of {future_file}")
        people = number(row, "population", future_file) or model["people"].get(name)
        if not people:
            sys.exit(f"Expected a population for {name} in {row['time_period']} of {future_file}")
        mean = people * rate_of(name) * shape[period.part]
        # A row has numbers of its own, whichever others are asked about with it.
        source = random.Random(f"{seed} {name} {period.index}")
        draws = [poisson(mean * year, source) for year in years]
        writer.writerow([row["time_period"], name, *draws])
print(f"{len(rows)} rows with {n_samples} samples")

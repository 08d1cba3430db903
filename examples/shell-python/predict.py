"""
python3 predict.py HISTORIC FUTURE OUTPUT

Draws counts for each row of FUTURE: around what is usual in that part of the year, more or less of it where the last counts
were more or less than usual.
"""

import csv
import json
import sys
import zlib

import numpy as np

from level import HORIZONS, expect, ratio_of
from tables import Period, number, read_options, read_table

historic_file, future_file, output_file = sys.argv[1:]
options = read_options()
n_samples = int(options.get("n_samples", 100))
seed = int(options.get("seed", 1))
memory = float(options.get("memory", 0.8))
window = int(options.get("window", 3))
with open("model.json", encoding="utf-8") as file:
    model = json.load(file)


def read(path, columns):
    """Rows with their periods, by location."""
    found = {}
    for at, row in enumerate(read_table(path, ["time_period", "location", *columns])):
        period = Period(row["time_period"], path)
        if period.parts != model["parts"]:
            sys.exit(f"The model was trained with other periods than those of {path}")
        found.setdefault(row["location"], []).append((period, row, at))
    return found


future = read(future_file, [])
# The folder is that of the training: its data are a history, too.
historic = read(historic_file, ["disease_cases"])
history_file = historic_file if historic else "data.csv"
historic = historic or read(history_file, ["disease_cases"])


def recent(name, means, before):
    """How unusual the last known counts before a period were, and the last period that was counted."""
    known = []
    for period, row, _ in historic.get(name, []):
        cases = number(row, "disease_cases", history_file)
        if cases is not None and period.index < before:
            known.append((period.index, means[period.part], cases))
    last = sorted(known)[-window:]
    if not last:
        return 1.0, before - 1
    return ratio_of([(mean, cases) for _, mean, cases in last]), last[-1][0]


samples = {}
for name, rows in sorted(future.items()):
    own = model["locations"].get(name, model["other"])
    ratio, last = recent(name, own["means"], min(period.index for period, _, _ in rows))
    # A location has numbers of its own, whichever others are asked about with it.
    random = np.random.default_rng([seed, zlib.crc32(name.encode())])
    for period, _, at in sorted(rows, key=lambda row: row[0].index):
        ahead = period.index - last
        mean = expect(own["means"][period.part], ratio, memory, ahead)
        size = own["sizes"][min(ahead, HORIZONS) - 1]
        samples[at] = random.negative_binomial(size, size / (size + mean), n_samples)

with open(output_file, "w", newline="", encoding="utf-8") as file:
    writer = csv.writer(file)
    writer.writerow(["time_period", "location", *(f"sample_{k}" for k in range(n_samples))])
    in_order = sorted((row for rows in future.values() for row in rows), key=lambda row: row[2])
    for _, row, at in in_order:
        writer.writerow([row["time_period"], row["location"], *samples[at]])
print(f"{len(samples)} rows with {n_samples} samples")

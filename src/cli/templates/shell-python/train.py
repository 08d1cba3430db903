"""python3 train.py DATA MODEL: keeps the known counts of each location with their place in the year."""

import json
import math
import sys

from tables import read_period, read_rows

data, model = sys.argv[1:]

seen = {}
for row in read_rows(data, ["time_period", "location", "disease_cases"]):
    # An unknown count is an empty cell; it teaches nothing.
    if row["disease_cases"] == "":
        continue
    _, season = read_period(row["time_period"])
    z = math.log1p(float(row["disease_cases"]))
    seen.setdefault(row["location"], []).append([season, z])

if not seen:
    sys.exit("No row of the data has a known count in disease_cases")

# What is printed is in the log of the job while it runs.
print(f"{sum(map(len, seen.values()))} known counts of {len(seen)} locations")

# Whatever lies in the folder now is there when the model is asked.
with open(model, "w", encoding="utf-8") as file:
    json.dump(seen, file)

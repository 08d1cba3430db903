"""
python3 train.py DATA GEO

Learns the rate of each location, drawn towards the rate of its neighbours the less is known of it, the shape of the year
and how much years differ. The model is model.json.
"""

import json
import sys
from collections import Counter

from geometry import neighbours, read_places
from tables import Period, number, read_options, read_table

path, geo_path = sys.argv[1:]
smoothing = float(read_options().get("smoothing", 12))
rows = read_table(path, ["time_period", "location", "disease_cases", "population"])
known = []
for row in rows:
    period = Period(row["time_period"], path)
    cases, people = number(row, "disease_cases", path), number(row, "population", path)
    if cases is not None and people:
        known.append((row["location"], period, cases, people))
parts = {period.parts for _, period, _, _ in known}
if len(parts) != 1:
    sys.exit(f"Expected known counts with a population in {path}, for months or for weeks")
locations = sorted({row["location"] for row in rows})

# Cases, and people times periods, of each location.
cases, lived, periods = Counter(), Counter(), Counter()
for name, _, count, people in known:
    cases[name] += count
    lived[name] += people
    periods[name] += 1
overall = sum(cases.values()) / sum(lived.values())

places = read_places(geo_path)
lacking = [name for name in locations if name not in places]
if lacking:
    sys.exit(f"Expected a geometry for each location in {geo_path}; missing: {', '.join(lacking)}")
beside = neighbours({name: places[name] for name in locations})

rates = {}
for name in locations:
    around = sum(lived[other] for other in beside[name])
    theirs = sum(cases[other] for other in beside[name]) / around if around else overall
    # As if the location had been seen for `smoothing` more periods in which it was like its neighbours.
    more = smoothing * (lived[name] / periods[name] if periods[name] else 1)
    both = lived[name] + more
    rates[name] = (cases[name] + more * theirs) / both if both else theirs
    print(
        f"{name}: {periods[name]} counts, rate {1e5 * rates[name]:.2f} of 100000 people; "
        f"neighbours {', '.join(beside[name]) or 'none'} with {1e5 * theirs:.2f}",
    )

# The shape of the year, smoothed a little, and how many times the usual each year had.
happened, expected = Counter(), Counter()
for name, period, count, people in known:
    for step, weight in ((-1, 1), (0, 2), (1, 1)):
        part = (period.part + step) % period.parts
        happened[part] += weight * count
        expected[part] += weight * people * rates[name]
shape = [
    happened[part] / expected[part] if expected[part] else 1 for part in range(max(parts))
]
happened, expected = Counter(), Counter()
for name, period, count, people in known:
    happened[period.year] += count
    expected[period.year] += people * rates[name] * shape[period.part]
years = [happened[year] / expected[year] for year in sorted(expected) if expected[year]]

people = {name: count for name, _, _, count in sorted(known, key=lambda each: each[1].index)}
with open("model.json", "w", encoding="utf-8") as file:
    json.dump(
        {
            "rates": rates,
            "overall": overall,
            "shape": shape,
            "years": years or [1],
            "people": people,
        },
        file,
    )

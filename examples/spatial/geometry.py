"""Who lies beside whom, from GeoJSON. Standard library only."""

import json
import math


def read_places(path):
    """Geometries by location, which is `properties.id` of a feature, or its `id`."""
    if path is None:
        return {}
    with open(path, encoding="utf-8") as file:
        features = json.load(file)["features"]
    places = {}
    for feature in features:
        name = (feature.get("properties") or {}).get("id", feature.get("id"))
        if name is not None and feature.get("geometry"):
            places[str(name)] = feature["geometry"]
    return places


def rings(geometry):
    """Outer rings; a geometry of points or lines has none."""
    kind = geometry["type"]
    if kind == "Polygon":
        return geometry["coordinates"][:1]
    if kind == "MultiPolygon":
        return [polygon[0] for polygon in geometry["coordinates"] if polygon]
    if kind == "GeometryCollection":
        return [ring for each in geometry["geometries"] for ring in rings(each)]
    return []


def points(geometry):
    """All positions as (longitude, latitude)."""
    if geometry["type"] == "GeometryCollection":
        return [point for each in geometry["geometries"] for point in points(each)]

    def walk(value):
        if value and isinstance(value[0], (int, float)):
            yield (value[0], value[1])
        else:
            for each in value:
                yield from walk(each)

    return list(walk(geometry["coordinates"]))


def middle_of(ring):
    """Area of a ring and its middle."""
    # Seen from one of its corners: far from 0 small differences would be lost.
    left, low = ring[0][:2]
    corners = [(point[0] - left, point[1] - low) for point in ring]
    area = x = y = 0.0
    for (x0, y0), (x1, y1) in zip(corners, corners[1:]):
        part = (x0 * y1 - x1 * y0) / 2
        area, x, y = area + part, x + part * (x0 + x1) / 3, y + part * (y0 + y1) / 3
    return (abs(area), left + x / area, low + y / area) if area else (0.0, left, low)


def centroid(geometry):
    """Longitude and latitude of the middle of the area; of the points, where there is no area."""
    middles = [middle_of(ring) for ring in rings(geometry)]
    total = sum(area for area, _, _ in middles)
    if total > 0:
        return tuple(sum(middle[0] * middle[k] for middle in middles) / total for k in (1, 2))
    found = points(geometry)
    return tuple(sum(values) / len(found) for values in zip(*found))


def distance(a, b):
    """Between two places, in degrees of latitude; near enough to say who is nearer."""
    return math.hypot((a[0] - b[0]) * math.cos(math.radians((a[1] + b[1]) / 2)), a[1] - b[1])


def neighbours(places, nearest=2):
    """
    The neighbours of each location: those that have a point in common with it, to about 10 cm; the `nearest` ones by their
    centroids for a location that touches nobody.
    """
    corners = {
        name: {(round(x, 6), round(y, 6)) for x, y in points(geometry)}
        for name, geometry in places.items()
    }
    middles = {name: centroid(geometry) for name, geometry in places.items()}
    found = {}
    for name in places:
        others = [other for other in places if other != name]
        touching = [other for other in others if corners[name] & corners[other]]
        by_distance = sorted(others, key=lambda other: distance(middles[name], middles[other]))
        found[name] = touching or by_distance[:nearest]
    return found

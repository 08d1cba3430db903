"""How far from the usual a location is just now, for train.py and predict.py."""

# Sizes are known for so many periods ahead; what is further ahead has that of the last.
HORIZONS = 6


def ratio_of(last):
    """How many times the usual the last counts were, from pairs of usual and counted; 1 without any."""
    usual, counted = sum(mean for mean, _ in last), sum(cases for _, cases in last)
    return min(max((counted + 1) / (usual + 1), 0.1), 10.0)


def expect(mean, ratio, memory, ahead):
    """The count to expect some periods ahead: what is unusual now fades to a share of `memory` with each of them."""
    return mean * ratio ** (memory**ahead)

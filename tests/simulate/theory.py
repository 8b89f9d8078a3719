"""The textbook's numbers: closed formulas where there are, birth-death chains where not.

Nothing in here knows the engine.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray


def erlang_b(servers: int, load: float) -> float:
    """Blocking of M/M/c/c by the usual recursion."""
    blocking = 1.0
    for count in range(1, servers + 1):
        blocking = load * blocking / (count + load * blocking)
    return blocking


def erlang_c(servers: int, load: float) -> float:
    """The probability of waiting in M/M/c."""
    blocking = erlang_b(servers, load)
    return servers * blocking / (servers - load * (1 - blocking))


def birth_death(births: NDArray[np.float64], deaths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Stationary probabilities of states 0..n from the rates up (0..n-1) and down (1..n)."""
    logs = np.concatenate(([0.0], np.cumsum(np.log(births) - np.log(deaths))))
    weights = np.exp(logs - logs.max())
    found: NDArray[np.float64] = weights / weights.sum()
    return found


def limited(servers: int, places: int, load: float, mean_s: float) -> tuple[float, float]:
    """M/M/c/c+places: (blocking, mean wait of those who are accepted)."""
    size = servers + places
    states = birth_death(
        np.full(size, load / mean_s), np.minimum(np.arange(1, size + 1), servers) / mean_s
    )
    waiting = float(np.maximum(np.arange(size + 1) - servers, 0) @ states)
    blocking = float(states[-1])
    return blocking, waiting / (load / mean_s * (1 - blocking))


def erlang_a(
    servers: int, load: float, mean_s: float, patience_s: float
) -> tuple[float, float, float]:
    """M/M/c+M: (share that abandons, share that waits, mean seconds in queue of all)."""
    size = servers + 2000
    counts = np.arange(1, size + 1)
    deaths = np.minimum(counts, servers) / mean_s
    deaths += np.maximum(counts - servers, 0) / patience_s
    states = birth_death(np.full(size, load / mean_s), deaths)
    waiting = float(np.maximum(np.arange(size + 1) - servers, 0) @ states)
    rate = load / mean_s
    return waiting / patience_s / rate, float(states[servers:].sum()), waiting / rate


def priorities(servers: int, loads: tuple[float, float], mean_s: float) -> tuple[float, float]:
    """Mean waits of two classes, the first before the second, nobody interrupted.

    Cobham, Operations Research 2 (1954), 70-76, for several servers and one mean service time.
    """
    first, both = loads[0] / servers, sum(loads) / servers
    base = erlang_c(servers, sum(loads)) * mean_s / servers
    return base / (1 - first), base / ((1 - first) * (1 - both))


def n_model(
    specialists: int, generalists: int, loads: tuple[float, float], mean_s: float, most: int = 36
) -> tuple[float, float, float]:
    """(mean wait of A, mean wait of B, mean busy specialists) of an N-model.

    Specialists serve A alone, generalists A and B. A goes to a free specialist before a generalist;
    a generalist who becomes free takes B before A. Services are exponential with one mean, so that
    a generalist's state is only free or busy. At most `most` of each class wait: choose loads for
    which more are not to be expected.
    """
    rate = 1 / mean_s
    up_a, up_b = loads[0] * rate, loads[1] * rate
    states = [
        (s, g, a, b)
        for s, g, a, b in product(
            range(specialists + 1), range(generalists + 1), range(most + 1), range(most + 1)
        )
        if (a == 0 or (s == specialists and g == generalists)) and (b == 0 or g == generalists)
    ]
    number = {state: index for index, state in enumerate(states)}
    size = len(states)
    flow = np.zeros((size, size))

    def go(at: tuple[int, int, int, int], to: tuple[int, int, int, int], speed: float) -> None:
        if to in number and speed:
            flow[number[at], number[to]] += speed
            flow[number[at], number[at]] -= speed

    for at in states:
        s, g, a, b = at
        if s < specialists:
            go(at, (s + 1, g, a, b), up_a)
        elif g < generalists:
            go(at, (s, g + 1, a, b), up_a)
        else:
            go(at, (s, g, a + 1, b), up_a)
        go(at, (s, g + 1, a, b) if g < generalists else (s, g, a, b + 1), up_b)
        go(at, (s, g, a - 1, b) if a else (s - 1, g, a, b), s * rate)
        if b:
            go(at, (s, g, a, b - 1), g * rate)
        else:
            go(at, (s, g, a - 1, b) if a else (s, g - 1, a, b), g * rate)
    system = flow.T.copy()
    system[-1] = 1.0
    right = np.zeros(size)
    right[-1] = 1.0
    found = np.linalg.solve(system, right)
    table = np.array(states)
    edge = found[(table[:, 2] == most) | (table[:, 3] == most)].sum()
    assert edge < 1e-5, f"{most} places are too few: {edge}"
    return (
        float(table[:, 2] @ found) / up_a,
        float(table[:, 3] @ found) / up_b,
        float(table[:, 0] @ found),
    )

"""Faults of the chain and of its nodes, drawn so that a proof is still possible: whoever lies is alone.

The engine promises at most one trade as long as some node that is not a liar can be reached or is waited for, and no
more can be promised: who hears only lies believes them. So one node at a time lies, whatever befalls the others.
"""

import random
from dataclasses import dataclass

from activities.settings import LandedAt
from tests.chaos.nodes import NODES, Fault, FaultsByNode

# A slot lasts 40 ms here: a blockhash lives for six seconds, and what is in a block is final after 1.3.

# What becomes of a transaction; at every node, since the bytes are sent to all of them at once.
_OF_TRANSACTIONS: tuple[Fault, ...] = (
    {"kind": "drop", "probability": 0.8},
    {"kind": "delay", "probability": 0.85, "slots": 30},
    {"kind": "delay", "probability": 0.7, "slots": 120},
    {"kind": "expire", "probability": 0.3},
    {"kind": "revert", "probability": 0.3},
    {"kind": "price_jump", "probability": 0.4, "bps": 400},
    {"kind": "price_jump", "probability": 0.4, "bps": -350},
)

# Forks that take away what some node called confirmed.
_DEEP_FORKS: tuple[Fault, ...] = (
    {"kind": "fork", "probability": 0.5, "slots": 4},
    {"kind": "fork", "probability": 0.4, "slots": 12, "again": 6},
    {"kind": "fork", "probability": 0.3, "slots": 30},
)

# Forks that take away what only the leader had seen.
_SHALLOW_FORKS: tuple[Fault, ...] = (
    {"kind": "fork", "probability": 0.5, "slots": 1},
    {"kind": "fork", "probability": 0.5, "slots": 1, "again": 3},
)

# How a node answers, or does not; at one of them or at all.
_OF_NODES: tuple[Fault, ...] = (
    {"kind": "unhealthy", "probability": 0.5},
    {"kind": "lag", "slots": 8},
    {"kind": "lag", "slots": 60},
    {"kind": "pruned", "slots": 40},
    {"kind": "no_history"},
    {"kind": "rate_limit", "probability": 0.5},
    {"kind": "rate_limit", "probability": 0.3, "retry_after": 1},
    {"kind": "server_error", "probability": 0.5},
    {"kind": "server_error", "probability": 0.5, "after": True, "methods": ["sendTransaction"]},
    {"kind": "timeout", "probability": 0.1, "seconds": 3.0},
    {"kind": "timeout", "probability": 0.5, "seconds": 12.0, "methods": ["sendTransaction"], "times": 3},
    {"kind": "hang", "probability": 0.3},
    {"kind": "hang", "probability": 0.5, "after": True, "methods": ["sendTransaction"]},
    {"kind": "disconnect", "probability": 0.5},
    {"kind": "disconnect", "probability": 0.6, "after": True, "methods": ["sendTransaction"]},
    {"kind": "malformed", "probability": 0.4},
)

_LIE: Fault = {"kind": "lie"}


@dataclass(frozen=True, slots=True)
class Weather:
    """What the chain and its nodes do for a while."""

    faults: FaultsByNode

    def __str__(self) -> str:
        told: dict[str, list[str]] = {}
        for node, faults in self.faults.items():
            for fault in faults:
                told.setdefault(str(fault["kind"]), []).append(node)
        return " ".join(
            kind if set(nodes) == set(NODES) else f"{kind}@{'+'.join(dict.fromkeys(nodes))}"
            for kind, nodes in told.items()
        )


def landed_at(seed: int) -> LandedAt:
    """What the workers of the seed's run wait for before they report a swap.

    By default that is a confirmed block. A fork may take one away: the engine then sends the same bytes again, and
    should they be too old by that time, a trade has been reported that is not on the chain. Nothing is doubled, and
    yet database and chain differ, which is what a run counts. So every other seed waits for final blocks, as whoever
    fears such forks does, and meets forks of any depth. The others run as the engine comes, and meet only forks that
    are over before a block is confirmed; on a real cluster no confirmed block has ever been taken back.
    """
    return LandedAt.CONFIRMED if seed % 2 else LandedAt.FINALIZED


def draw_weather(draw: random.Random, landed: LandedAt) -> Weather:
    """Something befalls transactions, or nodes, or both, and a node may lie besides."""
    forks = _DEEP_FORKS if landed is LandedAt.FINALIZED else _SHALLOW_FORKS
    faults: dict[str, list[Fault]] = {node: [] for node in NODES}
    while not any(faults.values()):
        if draw.random() < 0.5:
            _add(faults, draw.choice(forks) if draw.random() < 0.3 else draw.choice(_OF_TRANSACTIONS), NODES)
        if draw.random() < 0.5:
            where = NODES if draw.random() < 0.4 else draw.sample(NODES, draw.choice((1, 1, 2)))
            _add(faults, draw.choice(_OF_NODES), where)
        if draw.random() < 0.3:
            _add(faults, _LIE, (draw.choice(NODES),))
    return Weather(faults)


def _add(faults: dict[str, list[Fault]], fault: Fault, where: tuple[str, ...] | list[str]) -> None:
    for node in where:
        faults[node].append(fault)

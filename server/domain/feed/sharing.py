"""How the members of a subscription share its partitions."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from server.domain.ledger import PARTITIONS


@dataclass(frozen=True, slots=True)
class Moves:
    """What one member does next: partitions to take, and to leave to others."""

    take: tuple[int, ...] = ()
    leave: tuple[int, ...] = ()


def moves(member: str, holders: Mapping[int, str], live: AbstractSet[str]) -> Moves:
    """Return what *member*, who is one of *live*, does about its share.

    Shares differ by one at most, and add up to all partitions, since all members count
    alike: who comes first by name has the larger one. A member that has too many leaves
    the last of them, and one that has too few takes what is nobody's or a dead member's;
    whatever is in its place stays there. Members begin to take at different places, so
    that few of them want the same partition.

    Shapes:
        holders: partition → member, or "".
    """
    ranked = sorted(live)
    rank, count = ranked.index(member), len(ranked)
    share = PARTITIONS // count + (rank < PARTITIONS % count)
    own = sorted(partition for partition, holder in holders.items() if holder == member)
    free = sorted(partition for partition, holder in holders.items() if holder not in live)
    begin = rank * len(free) // count
    in_turn = free[begin:] + free[:begin]
    return Moves(take=tuple(in_turn[: max(0, share - len(own))]), leave=tuple(own[share:]))

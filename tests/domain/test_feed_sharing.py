"""How members share partitions, wherever they begin."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.domain.feed.sharing import moves
from server.domain.ledger import PARTITIONS

MEMBERS = [f"m{number:02}" for number in range(20)]
HOLDERS = st.fixed_dictionaries(
    {partition: st.sampled_from(["", *MEMBERS]) for partition in range(PARTITIONS)}
)


@given(HOLDERS, st.sets(st.sampled_from(MEMBERS), min_size=1), st.randoms())
def test_everything_is_had_by_somebody_in_equal_shares(
    holders: dict[int, str], live: set[str], chance: object
) -> None:
    """Whoever had what before, a few passes in any order leave each partition with a live member.

    Shares differ by one at most, and then nobody moves any more.
    """
    for _ in range(4):
        for member in sorted(live, key=lambda _: chance.random()):  # type: ignore[attr-defined]  # hypothesis has it
            step = moves(member, holders, live)
            holders |= dict.fromkeys(step.leave, "") | dict.fromkeys(step.take, member)
    shares = [list(holders.values()).count(member) for member in live]

    assert PARTITIONS == sum(shares)
    assert max(shares) - min(shares) <= 1
    assert all(not (m.take or m.leave) for m in (moves(each, holders, live) for each in live))


def test_nobody_takes_what_a_live_member_has() -> None:
    """A new member waits for the others to leave something; what needs not move stays."""
    holders = dict.fromkeys(range(PARTITIONS), "a")

    new, old = moves("b", holders, {"a", "b"}), moves("a", holders, {"a", "b"})

    assert ((), ()) == (new.take, new.leave)
    assert ((), tuple(range(8, 16))) == (old.take, old.leave)


def test_those_who_begin_together_want_different_things() -> None:
    """Members that see the same free partitions take different ones, so that few are in vain."""
    holders = dict.fromkeys(range(PARTITIONS), "")
    live = {"a", "b", "c", "d"}

    taken = [partition for member in live for partition in moves(member, holders, live).take]

    assert sorted(taken) == list(range(PARTITIONS))

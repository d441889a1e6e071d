"""Retention: what a period is counted from, and when destruction is due (S11, S12, Art. 5(1)(e)).

A rule counts its months either from the subject's own last interaction (S12), or, for the
tenant's own people, from the chatbots' (S11: "36 months after User's last connection if the
User doesn't have a chatbot or 36 months after User's last interaction with the chatbot if
the User has one or more"). The policy leaves three cases open; they are decided so:

- Chatbots that were deleted count on: a chatbot's last interaction happened, whatever
  became of the chatbot.
- Chatbots of which none that still exists was ever used give no day to count from. The
  last connection counts, as if there were no chatbot: the alternatives are to keep the
  data for ever, or to count from a day on which nobody interacted.
- If chatbots were used and none of them exists any more, either reading of "has" could be
  meant; the later of the last connection and of the chatbots' last interaction counts. What
  is destroyed a little late can still be destroyed, and never the other way round. While the
  connection is unknown, so is the later of the two.

Where no day is known there is no anchor: that is reported, and never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from server.domain.catalogue.catalogue import Anchor
from server.domain.periods import add_months, end_of_period, newest_ended

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.domain.catalogue.catalogue import RetentionRule
    from server.domain.tenants import Chatbot


class ChatbotUse(NamedTuple):
    """The last days on which a tenant's chatbots were used: those it has, and those it had.

    Each is `YYYY-MM-DD`, or "" if none of them ever was.
    """

    present: str = ""
    deleted: str = ""

    @property
    def last(self) -> str:
        """The last day on which any was used."""
        return max(self)


class Counted(NamedTuple):
    """The day that a period is counted from, "" if none is known, and what happened on it."""

    day: str
    event: str


class Candidates(StrEnum):
    """Whose period may be over, of one tenant's people: what a sweep has to look through."""

    NOBODY = "nobody"
    EVERYBODY = "everybody"
    INACTIVE = "inactive"


class Outcome(StrEnum):
    """What will happen to somebody's data when nothing else comes in between."""

    KEPT = "kept"
    DUE = "due"
    RESTRICTED = "restricted"
    UNANCHORED = "unanchored"


class Whom(NamedTuple):
    """Whose retention is explained: reference, life, and whether processing is restricted.

    `keep_until_date` is the day until which a directive in effect keeps something, or "".
    """

    reference: str
    generation: int
    is_restricted: bool
    keep_until_date: str = ""


@dataclass(frozen=True, slots=True)
class Retention:
    """Why somebody is kept, and until when; `due_time` None: no sweep will come to it."""

    whom: Whom
    rule: RetentionRule
    anchor_date: str
    due_time: datetime | None
    explanation: str

    def outcome(self, now: datetime) -> Outcome:
        """Return what will happen, as seen at *now*."""
        if self.due_time is None:
            return Outcome.UNANCHORED
        if now < self.due_time:
            return Outcome.KEPT
        return Outcome.RESTRICTED if self.whom.is_restricted else Outcome.DUE


def use_of(chatbots: Iterable[Chatbot]) -> ChatbotUse:
    """Return how *chatbots*, deleted ones among them, were used."""
    present = deleted = ""
    for chatbot in chatbots:
        if chatbot.delete_time is None:
            present = max(present, chatbot.last_interaction_date)
        else:
            deleted = max(deleted, chatbot.last_interaction_date)
    return ChatbotUse(present, deleted)


def counted_from(anchor: Anchor, own_day: str, use: ChatbotUse) -> Counted:
    """Return what the period of somebody is counted from who was last heard of on *own_day*."""
    if anchor is Anchor.LAST_INTERACTION:
        return Counted(own_day, "the last interaction")
    if use.present:
        return Counted(use.last, "the last interaction with any of the tenant's chatbots")
    if own_day and use.deleted > own_day:
        return Counted(use.deleted, "the last interaction with a chatbot that was deleted since")
    return Counted(own_day, "the last connection")


def candidates(anchor: Anchor, use: ChatbotUse, cutoff: str) -> Candidates:
    """Return where to look for those whose period, counted from *cutoff* or before, is over.

    INACTIVE are those whose own last day is *cutoff* or before. Together with that, it says the
    same as `counted_from` for each single person, without looking at anybody who isn't due.
    """
    if anchor is Anchor.LAST_INTERACTION:
        return Candidates.INACTIVE
    if use.present:
        return Candidates.EVERYBODY if use.last <= cutoff else Candidates.NOBODY
    return Candidates.INACTIVE if use.deleted <= cutoff else Candidates.NOBODY


def cutoff_date(rule: RetentionRule, now: datetime, zone: str) -> str:
    """Return the newest day from which the period of *rule* is over at *now* in *zone*."""
    return newest_ended(now, rule.months, zone).isoformat()


def due_time(rule: RetentionRule, anchor_date: str, zone: str) -> datetime:
    """Return the first moment, in UTC, at which destruction is due: the day after the last."""
    return end_of_period(date.fromisoformat(anchor_date), rule.months, zone)


def is_kept(keep_until_date: str, now: datetime, zone: str) -> bool:
    """Whether a directive still keeps what retention would destroy (Loi 78-17, Art. 85)."""
    today = now.astimezone(ZoneInfo(zone)).date().isoformat()
    return today <= keep_until_date


def explained(rule: RetentionRule, counted: Counted, zone: str, whom: Whom) -> Retention:
    """Return what applies to *whom* in *zone*, with a sentence for people."""
    name = f"retentionRules/{rule.id}"
    if not counted.day:
        explanation = (
            f"No day is known that the {rule.months} calendar months of {name} could be counted "
            "from; nothing is guessed, and no sweep destroys the data before one is recorded."
        )
        return Retention(whom, rule, "", None, explanation)
    last = add_months(date.fromisoformat(counted.day), rule.months)
    what_happens = (
        "would destroy it, but skips it while its processing is restricted"
        if whom.is_restricted
        else "destroys it"
    )
    explanation = (
        f"{name} keeps the data for {rule.months} calendar months from {counted.day}, the day of "
        f"{counted.event}: until the end of {last} in {zone}. "
        f"From {last + timedelta(days=1)} on, the next sweep {what_happens}."
    )
    due = due_time(rule, counted.day, zone)
    if whom.keep_until_date:
        explanation += (
            " A directive of the person, who died, keeps it until the end of "
            f"{whom.keep_until_date}; a sweep ends a life as a whole, so it keeps all of it."
        )
        due = max(due, end_of_period(date.fromisoformat(whom.keep_until_date), 0, zone))
    return Retention(whom, rule, counted.day, due, explanation)

"""The tree of refusals is drawn where it can be read, and is whole."""

from __future__ import annotations

from collections.abc import Iterator

from server.domain import errors
from server.domain.errors import DomainError


def descendants(of: type[DomainError]) -> Iterator[type[DomainError]]:
    """Yield each class of ours below *of*."""
    for child in of.__subclasses__():
        if child.__module__.startswith(errors.__name__):
            yield child
        yield from descendants(child)


def test_every_refusal_is_drawn() -> None:
    """Who reads the package's first page has seen every refusal that there is."""
    drawn = errors.__doc__ or ""
    names = {error.__name__ for error in descendants(DomainError)}

    assert not {name for name in names if name not in drawn}
    assert names <= set(errors.__all__)


def test_every_refusal_has_its_own_reason() -> None:
    """A caller tells refusals apart by their reasons: none stands for two."""
    reasons = [error.reason for error in descendants(DomainError) if "reason" in vars(error)]

    assert len(reasons) == len(set(reasons))

"""Times as protobuf has them."""

from __future__ import annotations

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp


def timestamp(time: datetime | None) -> Timestamp | None:
    """Return *time* as a protobuf Timestamp; None stays None, which leaves a field unset."""
    if time is None:
        return None
    message = Timestamp()
    message.FromDatetime(time)
    return message

"""Generates the JSON Schema of the record of processing activities from its form."""

import json
from collections.abc import Mapping

import msgspec

from server.domain.activities.record import FORMAT, ProcessingRecord

SCHEMA = "docs/processing-activities.schema.json"
OWNS = (SCHEMA,)


def render() -> Mapping[str, str]:
    """Return the schema; it allows no member that it doesn't describe."""
    made = msgspec.json.schema(ProcessingRecord)
    for form in made["$defs"].values():
        if form.get("type") == "object":
            form["additionalProperties"] = False
            form["description"] = " ".join(form["description"].split())
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": FORMAT, **made}
    return {SCHEMA: json.dumps(schema, indent=2, ensure_ascii=False, sort_keys=True) + "\n"}

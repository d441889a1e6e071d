"""What a driver can't be held to, and why. A test without a line here runs on all three."""

from __future__ import annotations

MEMORY = "memory"
PYMONGO = "pymongo"
MOTOR = "motor"

_NO_COMMANDS = "mongomock sends no commands, so that there is nothing to listen to"
_NO_VALIDATORS = "mongomock has no validators"

EXEMPTIONS: dict[tuple[str, str], str] = {
    (MEMORY, "test_refused_by_the_validator_leaves_nothing"): _NO_VALIDATORS,
    (MEMORY, "test_a_document_that_breaks_the_validator_harms_no_neighbour"): _NO_VALIDATORS,
    (MEMORY, "test_transactions_are_majority_journaled_snapshots"): _NO_COMMANDS,
    (MEMORY, "test_nobody_is_answered_before_the_commit_is_confirmed"): _NO_COMMANDS,
    (MEMORY, "test_reads_are_majority_committed"): _NO_COMMANDS,
    (MEMORY, "test_a_token_is_passed_on_to_the_database"): _NO_COMMANDS,
    (MEMORY, "test_linearizable_reads_say_so_to_the_database"): _NO_COMMANDS,
    (MEMORY, "test_point_reads_are_routed_by_tenant"): _NO_COMMANDS,
    (MEMORY, "test_point_reads_of_concurrent_callers_share_finds"): _NO_COMMANDS,
    (MEMORY, "test_concurrent_changes_share_transactions"): _NO_COMMANDS,
    (MEMORY, "test_what_another_server_writes_wakes"): "mongomock has no second server",
}
"""(driver, test) → reason."""

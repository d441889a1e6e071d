"""What each kind of document must look like: its validator, indexes and shard key, in one table.

Validators hold what makes a document ours – id, tenant, version, the person and the life
it belongs to – and that what is sealed is ciphertext. Later fields may be added freely.
"""

from __future__ import annotations

from server.domain.change import Kind
from server.storage.collections import Declaration, Index

_TEXT = {"bsonType": "string"}
_NAME = {"bsonType": "string", "minLength": 1}
_COUNT = {"bsonType": ["int", "long"], "minimum": 1}
_NUMBER = {"bsonType": ["int", "long"], "minimum": 0}
_TIME = {"bsonType": "date"}
_DATE = {"bsonType": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
_CIPHERTEXT = {"bsonType": "binData"}
_HASH = {"bsonType": "binData"}

_OWNED = {"_id": _NAME, "tenant": _NAME, "version": _COUNT}
_PLATFORM = {"_id": _NAME, "tenant": _TEXT, "version": _COUNT}
_PERSONAL = {**_OWNED, "subject": _NAME, "generation": _COUNT}

# Names under which personal data would be plaintext; in these collections they hold ciphertext.
_NO_PLAINTEXT = dict.fromkeys(
    ("content", "fields", "values", "name", "email", "avatar", "psid"), _CIPHERTEXT
)

_OF_SUBJECT = Index(("tenant", "subject", "_id"))

DECLARATIONS: dict[Kind, Declaration] = {
    Kind.SUBJECTS: Declaration(
        required=("tenant", "version", "reference", "role", "generation", "created_time", "entry"),
        properties={
            **_OWNED,
            **_NO_PLAINTEXT,
            "reference": _NAME,
            "role": {"enum": ["controller", "processor"]},
            "generation": _COUNT,
            "created_time": _TIME,
            "erased_time": _TIME,
            "key": _CIPHERTEXT,
        },
        indexes=(Index(("tenant", "_id")),),
    ),
    Kind.CONSENTS: Declaration(
        shard_key=("tenant", "subject"),
        required=("tenant", "subject", "generation"),
        properties={**_PERSONAL, **_NO_PLAINTEXT},
        indexes=(_OF_SUBJECT,),
    ),
    Kind.ACTS: Declaration(
        shard_key=("tenant", "subject"),
        required=("tenant", "subject", "generation", "number", "kind", "time", "record_time"),
        properties={
            **_PERSONAL,
            **_NO_PLAINTEXT,
            "kind": _NAME,
            "time": _TIME,
            "record_time": _TIME,
        },
        indexes=(_OF_SUBJECT,),
    ),
    Kind.RECORDS: Declaration(
        shard_key=("tenant", "subject"),
        required=("tenant", "version", "subject", "generation"),
        properties={**_PERSONAL, **_NO_PLAINTEXT, "expire_time": _TIME},
        # The second finds what was kept under an instruction that was taken back; the third, which
        # only has those that say when, what is to be deleted.
        indexes=(
            _OF_SUBJECT,
            Index(("tenant", "category", "_id")),
            Index(("expire_time", "_id"), where={"expire_time": {"$exists": True}}),
        ),
    ),
    Kind.INTERACTIONS: Declaration(
        required=("tenant", "version", "subject", "generation", "first_date", "last_date"),
        properties={**_PERSONAL, **_NO_PLAINTEXT, "first_date": _DATE, "last_date": _DATE},
        # The second serves sweeps: whoever is due is found without reading anybody else.
        indexes=(_OF_SUBJECT, Index(("tenant", "last_date", "_id"))),
    ),
    Kind.REQUESTS: Declaration(
        required=("tenant", "version", "subject", "generation", "right", "state", "due_time"),
        properties={**_PERSONAL, **_NO_PLAINTEXT, "receive_time": _TIME, "due_time": _TIME},
        indexes=(_OF_SUBJECT, Index(("tenant", "due_time", "_id"))),
    ),
    Kind.EXPORTS: Declaration(
        required=("tenant", "version", "subject", "generation", "expire_time"),
        properties={**_PERSONAL, **_NO_PLAINTEXT, "expire_time": _TIME},
        # The second is how the purge finds what was kept long enough.
        indexes=(_OF_SUBJECT, Index(("expire_time", "_id"))),
    ),
    Kind.CERTIFICATES: Declaration(
        required=("tenant", "version", "subject", "generation", "jws"),
        properties=_PERSONAL,
        indexes=(_OF_SUBJECT,),
    ),
    Kind.ERASURES: Declaration(
        required=("tenant", "version", "subject", "generation", "time", "key_digest", "purged"),
        properties={**_PERSONAL, "time": _TIME},
        # The list of one tenant, that of all for whoever restores a backup, and the purge's work.
        indexes=(
            Index(("tenant", "time", "_id")),
            Index(("time", "_id")),
            Index(("purged", "time", "_id")),
        ),
    ),
    Kind.DISCLOSURES: Declaration(
        required=("tenant", "subject", "generation", "recipient", "categories", "record_time"),
        properties={
            **_PERSONAL,
            **_NO_PLAINTEXT,
            "recipient": _NAME,
            "disclosure_time": _TIME,
            "record_time": _TIME,
        },
        indexes=(_OF_SUBJECT,),
    ),
    Kind.DIRECTIVES: Declaration(
        required=("tenant", "version", "subject", "generation", "action", "state", "create_time"),
        properties={**_PERSONAL, **_NO_PLAINTEXT, "action": _NAME, "state": _NAME},
        indexes=(Index(("tenant", "subject", "-create_time", "_id")),),
    ),
    Kind.DIRECTIVE_VERSIONS: Declaration(
        required=("tenant", "version", "subject", "generation", "action", "state"),
        properties={**_PERSONAL, **_NO_PLAINTEXT, "action": _NAME, "state": _NAME},
        indexes=(_OF_SUBJECT,),
    ),
    Kind.SWEEPS: Declaration(
        required=("tenant", "version", "state", "plan_time"), properties=_PLATFORM
    ),
    Kind.SWEEP_SLICES: Declaration(
        required=("tenant", "version", "sweep", "generations"), properties=_OWNED
    ),
    Kind.NOTICES: Declaration(
        required=("tenant", "version", "breach", "breach_version", "is_acknowledged"),
        properties={**_OWNED, "breach": _NAME, "breach_version": _COUNT, "create_time": _TIME},
        # For lists, for streams that begin and that go on, and for the state of one breach.
        indexes=(
            Index(("tenant", "_id")),
            Index(("tenant", "is_acknowledged", "_id")),
            Index(("tenant", "create_time", "_id")),
            Index(("breach", "is_acknowledged")),
        ),
    ),
    Kind.REVOCATIONS: Declaration(
        required=("tenant", "version", "role", "category", "period", "time"),
        properties={**_OWNED, "category": _NAME, "period": _NUMBER, "due_time": _TIME},
        indexes=(Index(("due_time", "_id")),),
    ),
    Kind.TENANTS: Declaration(required=("tenant",), properties={**_OWNED, "key": _CIPHERTEXT}),
    Kind.CHATBOTS: Declaration(
        required=("tenant",), properties=_OWNED, indexes=(Index(("tenant", "_id")),)
    ),
    Kind.ROSTERS: Declaration(required=("tenant", "version"), properties=_OWNED),
    Kind.INSTRUCTIONS: Declaration(
        required=("tenant",), properties=_OWNED, indexes=(Index(("tenant", "_id")),)
    ),
    Kind.MANDATES: Declaration(
        required=("tenant", "version", "category", "period", "standing"),
        properties={**_OWNED, "category": _NAME, "period": _NUMBER},
    ),
    Kind.CATALOGUE: Declaration(required=("tenant",), properties=_PLATFORM),
    Kind.CATALOGUE_CHANGES: Declaration(required=("tenant",), properties=_PLATFORM),
    Kind.CATALOGUE_HEADS: Declaration(
        required=("tenant", "version", "number"), properties={**_PLATFORM, "number": _NUMBER}
    ),
    Kind.TEXTS: Declaration(required=("tenant",), properties=_PLATFORM),
    Kind.BREACHES: Declaration(
        required=("tenant", "version", "state", "is_snapshot"),
        properties=_PLATFORM,
        indexes=(Index(("tenant", "is_snapshot", "_id")),),
    ),
    Kind.RECIPIENTS: Declaration(
        required=("tenant", "version", "kind", "country", "vetting_digest", "vetting_time"),
        properties={**_PLATFORM, "country": _NAME, "vetting_digest": _NAME, "vetting_time": _TIME},
    ),
    Kind.INQUIRIES: Declaration(
        required=("tenant", "version", "state", "sealed_title", "messages", "due_time"),
        properties={**_OWNED, "state": _NAME, "messages": _COUNT, "due_time": _TIME},
        indexes=(Index(("tenant", "due_time", "_id")),),
    ),
    Kind.INQUIRY_MESSAGES: Declaration(
        required=("tenant", "inquiry", "side", "create_time", "sealed"),
        properties={"_id": _NAME, "tenant": _NAME, "inquiry": _NAME, "create_time": _TIME},
        indexes=(Index(("tenant", "inquiry", "_id")),),
    ),
    Kind.CONTACTS: Declaration(
        required=("tenant", "version", "side", "function", "sealed", "update_time"),
        properties={**_OWNED, "side": _NAME, "function": _NAME, "update_time": _TIME},
        indexes=(Index(("tenant", "_id")),),
    ),
    Kind.LEDGER: Declaration(
        required=("tenant", "type", "time", "actor", "rpc", "partition"),
        properties={
            "_id": _NAME,
            "tenant": _TEXT,
            "type": _NAME,
            "time": _TIME,
            "actor": _TEXT,
            "rpc": _TEXT,
            "partition": _NUMBER,
            "commitment": _CIPHERTEXT,
            "waiting": {"enum": [True]},
            "stamp": {"bsonType": "timestamp"},
            "position": _NUMBER,
            "feed_position": _NUMBER,
            "leaf_hash": _HASH,
        },
        # Few indexes, since every commit pays for them. Newest first: ids begin with their
        # regime's letter, so that they sort by time within one regime only. The second is what
        # the sequencer has yet to do, and small; the last two hold once more that no place is
        # given twice.
        indexes=(
            Index(("tenant", "-time", "_id")),
            Index(("partition", "stamp", "_id"), where={"waiting": True}),
            Index(("tenant", "position"), is_unique=True, where={"position": {"$exists": True}}),
            Index(
                ("partition", "feed_position"),
                is_unique=True,
                where={"feed_position": {"$exists": True}},
            ),
        ),
    ),
    Kind.LEDGER_HEADS: Declaration(
        required=("tenant", "version", "partition", "size", "frontier", "is_signed"),
        properties={
            **_PLATFORM,
            "partition": _NUMBER,
            "size": _COUNT,
            "frontier": {"bsonType": "array", "items": _HASH},
        },
        # What a server that takes over a partition has to sign first.
        indexes=(Index(("partition", "_id"), where={"is_signed": False}),),
    ),
    Kind.LEDGER_PARTITIONS: Declaration(
        required=("tenant", "version", "number", "size"),
        properties={**_PLATFORM, "number": _NUMBER, "size": _COUNT},
    ),
    Kind.LEDGER_NODES: Declaration(
        required=("tenant", "hash"), properties={"_id": _NAME, "tenant": _TEXT, "hash": _HASH}
    ),
    Kind.LEDGER_CHECKPOINTS: Declaration(
        required=("tenant", "version", "size", "root", "sign_time", "key", "note"),
        properties={**_PLATFORM, "size": _COUNT, "root": _HASH, "key": _NAME, "note": _NAME},
    ),
    Kind.SUBSCRIPTIONS: Declaration(
        required=("tenant", "version", "life", "filter", "acknowledge_ms", "create_time"),
        properties={**_PLATFORM, "life": _NAME, "acknowledge_ms": _COUNT, "create_time": _TIME},
    ),
    Kind.FEED_CURSORS: Declaration(
        required=("tenant", "version", "life", "partition", "position"),
        properties={**_PLATFORM, "life": _NAME, "partition": _NUMBER, "position": _NUMBER},
        indexes=(Index(("life", "_id")),),
    ),
    Kind.FEED_MEMBERS: Declaration(
        required=("tenant", "version", "life", "member", "stream", "seen_time"),
        properties={**_PLATFORM, "life": _NAME, "member": _NAME, "seen_time": _TIME},
        indexes=(Index(("life", "_id")),),
    ),
    Kind.HELD_MESSAGES: Declaration(
        required=("tenant", "version", "chatbot", "locale", "crowd", "day", "sealed"),
        properties={**_OWNED, "chatbot": _NAME, "locale": _NAME, "crowd": _NAME, "day": _DATE},
        # The second is what has waited long enough to go, of all tenants; so is the last below.
        indexes=(Index(("crowd", "_id")), Index(("day", "_id"))),
    ),
    Kind.UNANSWERED_MESSAGES: Declaration(
        required=("tenant", "version", "chatbot", "locale", "release_date", "sealed"),
        properties={**_OWNED, "chatbot": _NAME, "locale": _NAME, "release_date": _DATE},
        indexes=(
            Index(("tenant", "release_date", "_id")),
            Index(("tenant", "chatbot", "release_date", "_id")),
            Index(("release_date", "_id")),
        ),
    ),
}

IDEMPOTENCY = Declaration(
    shard_key=("_id",),
    required=("fingerprint", "outcome", "expire_time"),
    properties={"_id": _NAME, "fingerprint": _CIPHERTEXT, "expire_time": _TIME},
    indexes=(Index(("expire_time",), expire=True),),
)

"""Chapters of every day: data recorded, consent asked for, and what no purpose allows refused."""

from __future__ import annotations

from google.protobuf.struct_pb2 import Struct

from demo.cast import (
    BICYCLES,
    COMPANIES,
    END_USERS_EACH,
    FLOWERS,
    POLICY_VERSION,
    Company,
    new_request_id,
    psid,
    set_up,
    shown_text,
)
from demo.narrator import Narrator
from demo.stage import Stage
from privacyrights.v1 import (
    catalogue_service_pb2,
    consent_service_pb2,
    records_service_pb2,
    retention_service_pb2,
    types_pb2,
)

BATCH = 200
MANAGE = "purposes/manage_relationship"
NEWS = "purposes/platform_news"
OPTIMISE = "purposes/optimise_interactions"
CUSTOMISE = "purposes/customise_messages"


async def begin(stage: Stage, narrator: Narrator) -> None:
    """Show the catalogue and the cast."""
    narrator.chapter(
        1,
        "Two customers, two regimes",
        "“With regards to Pandabots Users, we are data controller.”"
        " “With regards to End-Users, we are data processor.”",
    )
    purposes = await stage.catalogue.ListPurposes(catalogue_service_pb2.ListPurposesRequest())
    narrator.tell("The catalogue, made from the policy, reviewed, and in force:")
    narrator.table(
        ("purpose", "role", "legal basis", "needs"),
        [
            (
                purpose.name.removeprefix("purposes/"),
                types_pb2.Role.Name(purpose.role).removeprefix("ROLE_").lower(),
                catalogue_service_pb2.LegalBasis.Name(purpose.legal_basis)
                .removeprefix("LEGAL_BASIS_")
                .lower(),
                ", ".join(name.removeprefix("categories/") for name in purpose.categories),
            )
            for purpose in purposes.purposes
        ],
    )
    await set_up(stage)
    for company in COMPANIES:
        narrator.tell(
            f"{company.title} ({company.time_zone}) has the chatbots "
            f"{', '.join(company.chatbots)}; {company.owner} signs up for it."
        )
        await _sign_up(stage, company)
        account = await stage.records.ReadRecords(
            records_service_pb2.ReadRecordsRequest(
                subject=company.own_user(), purpose=MANAGE, reason="send the first invoice"
            )
        )
        narrator.expect(
            f"the account is there, for “{MANAGE.removeprefix('purposes/')}”",
            holds=account.records[0].fields["email"] == company.owner_email,
        )


async def _sign_up(stage: Stage, company: Company) -> None:
    await stage.records.PutRecord(
        records_service_pb2.PutRecordRequest(
            subject=company.own_user(),
            purpose=MANAGE,
            record=_record("account", name=company.owner, email=company.owner_email),
            request_id=new_request_id(),
        )
    )
    await stage.retention.RecordInteraction(
        retention_service_pb2.RecordInteractionRequest(
            interaction=retention_service_pb2.Interaction(subject=company.own_user()),
            request_id=new_request_id(),
        )
    )


async def record_end_users(stage: Stage, narrator: Narrator) -> None:
    """Have some thousand people talk to the chatbots."""
    narrator.chapter(
        2,
        "People talk to the chatbots",
        "“Personal information of the End-User – such as the name, profile avatar, PSID […]”",
    )
    total = END_USERS_EACH * len(COMPANIES)
    stored = 0
    with narrator.progress(f"{total:,} end-users, two records and a visit each", total) as progress:
        for company in COMPANIES:
            for first in range(0, END_USERS_EACH, BATCH):
                numbers = range(first, min(first + BATCH, END_USERS_EACH))
                stored += await _store(stage, company, numbers)
                await visit(stage, company, numbers)
                progress.advance(progress.task_ids[0], len(numbers))
    narrator.expect(f"{stored:,} records are stored, none failed", holds=stored == 2 * total)
    read = await stage.records.ReadRecords(
        records_service_pb2.ReadRecordsRequest(
            subject=FLOWERS.end_user(7), purpose=OPTIMISE, reason="greet the person by name"
        )
    )
    name = next(r for r in read.records if r.category == "categories/profile").fields["name"]
    narrator.expect("one of them is read back, for a purpose and with a reason", holds=bool(name))
    narrator.show(f"name: {name}   (ledger: {read.ledger_entry})")


async def _store(stage: Stage, company: Company, numbers: range) -> int:
    response = await stage.records.BatchPutRecords(
        records_service_pb2.BatchPutRecordsRequest(
            requests=[
                records_service_pb2.PutRecordRequest(
                    subject=company.end_user(number), purpose=OPTIMISE, record=record
                )
                for number in numbers
                for record in (
                    _record("profile", name=f"Person {number}", locale="fr_FR"),
                    _record("messenger_account", psid=psid(company, number)),
                )
            ],
            request_id=new_request_id(),
        )
    )
    return sum(outcome.HasField("record_time") for outcome in response.outcomes)


async def visit(stage: Stage, company: Company, numbers: range) -> None:
    """Have the end-users *numbers* talk to the company's first chatbot, now."""
    await stage.retention.BatchRecordInteractions(
        retention_service_pb2.BatchRecordInteractionsRequest(
            interactions=[
                retention_service_pb2.Interaction(
                    subject=company.end_user(number),
                    chatbot=f"{company.tenant}/chatbots/{company.chatbots[0]}",
                )
                for number in numbers
            ],
            request_id=new_request_id(),
        )
    )


async def ask_for_consent(stage: Stage, narrator: Narrator) -> None:
    """Ask one person, who agrees and then thinks better of it."""
    narrator.chapter(
        3, "May I?", "Consent is bound to the exact words shown; taking it back is as easy."
    )
    who = FLOWERS.end_user(7)
    digest, words = await shown_text(stage, CUSTOMISE, "fr")
    narrator.tell("The chatbot asks:")
    narrator.show(words)

    async def allowed(token: str = "") -> consent_service_pb2.Verdict:
        consistency = types_pb2.Consistency(at_least_as_fresh=token) if token else None
        answer = await stage.consent.CheckProcessing(
            consent_service_pb2.CheckProcessingRequest(
                subject=who, purpose=CUSTOMISE, consistency=consistency
            )
        )
        return answer.verdict

    async def decide(choice: consent_service_pb2.ConsentChoice.ValueType) -> str:
        answer = await stage.consent.RecordConsent(
            consent_service_pb2.RecordConsentRequest(
                subject=who,
                purpose=CUSTOMISE,
                choice=choice,
                policy_version=POLICY_VERSION,
                text_digest=digest,
                locale="fr",
                method=consent_service_pb2.CONSENT_METHOD_CONVERSATION,
                request_id=new_request_id(),
            )
        )
        return answer.consistency_token

    narrator.expect("before: not allowed", holds=not (await allowed()).allowed)
    token = await decide(consent_service_pb2.CONSENT_CHOICE_GRANTED)
    narrator.expect("after the “oui”: allowed", holds=(await allowed(token)).allowed)
    token = await decide(consent_service_pb2.CONSENT_CHOICE_WITHDRAWN)
    verdict = await allowed(token)
    narrator.expect("after the “non merci”: not allowed any more", holds=not verdict.allowed)
    reasons = [consent_service_pb2.VerdictReason.Name(reason) for reason in verdict.reasons]
    narrator.show(f"{', '.join(reasons)}, decided by {verdict.deciding_entry}")


async def refuse(stage: Stage, narrator: Narrator) -> None:
    """Try what no purpose allows."""
    narrator.chapter(
        4,
        "What nobody needs is not kept",
        "“We do not keep or use personal data that is not strictly necessary […]”",
    )
    put = records_service_pb2.PutRecordRequest(
        subject=BICYCLES.end_user(3),
        purpose=OPTIMISE,
        record=_record("profile", name="Person 3", shoe_size="43"),
        request_id=new_request_id(),
    )
    await narrator.expect_refused(
        "a field that the category doesn't have",
        stage.records.PutRecord(put),
        "FIELD_NOT_IN_CATEGORY",
    )
    history = records_service_pb2.PutRecordRequest(
        subject=BICYCLES.end_user(3),
        purpose=OPTIMISE,
        record=_record("conversation_history", messages=["bonjour"]),
        request_id=new_request_id(),
    )
    await narrator.expect_refused(
        "a category that the purpose doesn't need",
        stage.records.PutRecord(history),
        "CATEGORY_NOT_IN_PURPOSE",
    )
    await narrator.expect_refused(
        "a grant for a purpose of the other regime",
        stage.consent.RecordConsent(
            consent_service_pb2.RecordConsentRequest(
                subject=BICYCLES.end_user(3),
                purpose=NEWS,
                choice=consent_service_pb2.CONSENT_CHOICE_GRANTED,
                policy_version=POLICY_VERSION,
                text_digest=(await shown_text(stage, NEWS, "en"))[0],
                locale="en",
                request_id=new_request_id(),
            )
        ),
        "PURPOSE_ROLE_MISMATCH",
    )


def _record(category: str, **values: str | list[str]) -> records_service_pb2.Record:
    fields = Struct()
    fields.update(values)
    return records_service_pb2.Record(category=f"categories/{category}", fields=fields)

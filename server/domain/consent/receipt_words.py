"""The words of receipts for people, per language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from server.domain.subject import Choice

DEFAULT = "en"
"""The language of whoever was shown one that there are no words in."""


@dataclass(frozen=True, slots=True)
class Words:
    """Headings and sentences of one language; `months` has a place for the number."""

    title: str
    choices: Mapping[Choice, str]
    purpose: str
    shown: str
    decided: str
    until: str
    data: str
    controller: str
    platform: str
    kept: str
    months: str
    policy: str
    reference: str
    receipt: str
    withdrawal: str


WORDS: Mapping[str, Words] = {
    "en": Words(
        title="Consent receipt",
        choices={
            Choice.GRANTED: "You agreed.",
            Choice.REFUSED: "You said no.",
            Choice.WITHDRAWN: "You took your consent back.",
        },
        purpose="What for",
        shown="What you were shown",
        decided="When you decided",
        until="Until when it holds",
        data="Which data",
        controller="Who is responsible",
        platform="The platform",
        kept="How long the data is kept",
        months="{} months after the last interaction",
        policy="Privacy policy of",
        reference="Your reference",
        receipt="Receipt number",
        withdrawal=(
            "You can take a consent back at any time, as easily as you gave it. What was done "
            "before stays lawful."
        ),
    ),
    "fr": Words(
        title="Reçu de consentement",
        choices={
            Choice.GRANTED: "Vous avez donné votre accord.",
            Choice.REFUSED: "Vous avez refusé.",
            Choice.WITHDRAWN: "Vous avez retiré votre consentement.",
        },
        purpose="Finalité",
        shown="Ce qui vous a été présenté",
        decided="Date de votre décision",
        until="Valable jusqu’au",
        data="Données concernées",
        controller="Responsable du traitement",
        platform="La plateforme",
        kept="Durée de conservation",
        months="{} mois après la dernière interaction",
        policy="Politique de confidentialité du",
        reference="Votre référence",
        receipt="Numéro du reçu",
        withdrawal=(
            "Vous pouvez retirer un consentement à tout moment, aussi simplement que vous l’avez "
            "donné. Ce qui a été fait auparavant reste licite."
        ),
    ),
}

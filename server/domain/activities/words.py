"""The words of the record of processing activities for people, per language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

DEFAULT = "en"
"""The language of whoever asks for one that there are no words in."""


@dataclass(frozen=True, slots=True)
class Words:
    """Headings of one language; `months` has a place for the number; `values` are by name."""

    title: str
    articles: Mapping[str, str]
    party: str
    address: str
    contact_point: str
    representative: str
    officer: str
    authority: str
    controllers: str
    instructed: str
    activities: str
    basis: str
    subjects: str
    data: str
    recipients: str
    erasure: str
    months: str
    retired: str
    categories: str
    special: str
    country: str
    third_country: str
    security: str
    missing: str
    none: str
    values: Mapping[str, str]


WORDS: Mapping[str, Words] = {
    "en": Words(
        title="Record of processing activities",
        articles={
            "30(1)": "As controller (GDPR Art. 30(1))",
            "30(2)": "As processor, on behalf of controllers (GDPR Art. 30(2))",
        },
        party="Who we are",
        address="Address",
        contact_point="Contact point",
        representative="Representative in the Union",
        officer="Data protection officer",
        authority="Supervisory authority",
        controllers="Controllers on whose behalf we process",
        instructed="Collected on documented instruction",
        activities="Processing, by purpose",
        basis="Legal basis",
        subjects="Data subjects",
        data="Categories of data",
        recipients="Recipients",
        erasure="Time limit for erasure",
        months="{} months",
        retired="Takes no new data since",
        categories="Categories of personal data",
        special="special category (Art. 9)",
        country="Country",
        third_country="third country; safeguard:",
        security="Security measures",
        missing="Not recorded yet, although Art. 30 asks for it",
        none="none",
        values={
            "consent": "consent",
            "contract": "performance of a contract",
            "legal_obligation": "legal obligation",
            "vital_interests": "vital interests",
            "public_task": "task in the public interest",
            "legitimate_interests": "legitimate interests",
            "controller_instruction": "the controller’s instruction",
            "last_interaction": "after the last interaction",
            "tenant_chatbots_else_connection": (
                "after the last interaction of any chatbot, or the last connection if there is none"
            ),
            "users": "Users: the tenants’ own people",
            "end-users": "End-Users: people who talk to the tenants’ chatbots",
            "visitors": "visitors without an account",
            "processor": "processor",
            "controller": "controller",
            "authority": "authority",
            "eea": "within the European Economic Area",
            "adequacy_decision": "adequacy decision",
            "standard_contractual_clauses": "standard contractual clauses",
            "binding_corporate_rules": "binding corporate rules",
            "derogation": "derogation",
            "data-protection-officer": "Data protection officer",
            "compliance": "Compliance",
            "breach": "Breaches",
            "representative": "Representative",
            "organisation": "who the platform is",
            "security_measures": "a description of the security measures",
        },
    ),
    "fr": Words(
        title="Registre des activités de traitement",
        articles={
            "30(1)": "En tant que responsable du traitement (RGPD, art. 30, § 1)",
            "30(2)": "En tant que sous-traitant (RGPD, art. 30, § 2)",
        },
        party="Qui nous sommes",
        address="Adresse",
        contact_point="Point de contact",
        representative="Représentant dans l’Union",
        officer="Délégué à la protection des données",
        authority="Autorité de contrôle",
        controllers="Responsables pour le compte desquels nous traitons",
        instructed="Collecté sur instruction documentée",
        activities="Traitements, par finalité",
        basis="Base juridique",
        subjects="Personnes concernées",
        data="Catégories de données",
        recipients="Destinataires",
        erasure="Délai d’effacement",
        months="{} mois",
        retired="Ne reçoit plus de données depuis",
        categories="Catégories de données à caractère personnel",
        special="catégorie particulière (art. 9)",
        country="Pays",
        third_country="pays tiers ; garantie :",
        security="Mesures de sécurité",
        missing="Pas encore consigné, bien que l’art. 30 le demande",
        none="aucun",
        values={
            "consent": "consentement",
            "contract": "exécution d’un contrat",
            "legal_obligation": "obligation légale",
            "vital_interests": "intérêts vitaux",
            "public_task": "mission d’intérêt public",
            "legitimate_interests": "intérêts légitimes",
            "controller_instruction": "instruction du responsable du traitement",
            "last_interaction": "après la dernière interaction",
            "tenant_chatbots_else_connection": (
                "après la dernière interaction d’un chatbot, ou la dernière connexion s’il n’y en a"
                " pas"
            ),
            "users": "Utilisateurs : les personnes des clients",
            "end-users": "Utilisateurs finaux : qui parle aux chatbots des clients",
            "visitors": "visiteurs sans compte",
            "processor": "sous-traitant",
            "controller": "responsable du traitement",
            "authority": "autorité",
            "eea": "dans l’Espace économique européen",
            "adequacy_decision": "décision d’adéquation",
            "standard_contractual_clauses": "clauses contractuelles types",
            "binding_corporate_rules": "règles d’entreprise contraignantes",
            "derogation": "dérogation",
            "data-protection-officer": "Délégué à la protection des données",
            "compliance": "Conformité",
            "breach": "Violations de données",
            "representative": "Représentant",
            "organisation": "qui est la plateforme",
            "security_measures": "une description des mesures de sécurité",
        },
    ),
}

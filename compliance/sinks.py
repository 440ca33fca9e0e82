"""Every place a text can end up, how it is kept clear of patients there, and the test that holds it to that.

tests/guards/test_free_text.py compares the list with the code: each text column of each table stands in it once, each
test exists. docs/phi.md shows it. Whoever adds a column, a form or a way out adds it here first.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class How(StrEnum):
    """Why a place is safe."""

    MASKED = "masked"
    """Through masking.mask: tokens stand for identifiers, the values are sealed in the vault."""
    NOTE = "masked for good"
    """Through masking.note: the values are kept nowhere."""
    SEALED = "sealed"
    """Encrypted for its row, with a key outside the database."""
    LIBRARY = "library"
    """The institution's own documents."""
    STAFF = "staff"
    """Names and labels of accounts: needed, and not of patients."""
    CODE = "code"
    """Words of the code, ids, numbers, times and digests alone."""
    AUTHOR = "author"
    """Goes back to who typed it, and is kept nowhere."""
    ABSENT = "absent"
    """Does not exist; the sentence is the rule for whoever builds it."""


@dataclass(frozen=True, slots=True)
class Sink:
    """`columns` are the text columns it is, as app.Model.field; none for what is not in a table."""

    name: str
    how: How
    why: str
    test: str
    columns: tuple[str, ...] = ()


_CANARY: Final = "compliance/test_canary.py::test_nothing_of_it_is_left"
_NOTES: Final = "compliance/test_free_text.py::test_what_is_kept_names_nobody"
_LOGS: Final = "compliance/test_logs.py::test_no_identifier_is_ever_written"
_COLUMNS: Final = "guards/test_free_text.py::test_every_text_column_is_listed_once"
_FIELDS: Final = "guards/test_free_text.py::test_every_field_that_takes_prose_masks_it"
_ABSENT: Final = "guards/test_free_text.py::test_there_is_no_way_out_that_nobody_wrote_down"


def _of(model: str, *fields: str) -> tuple[str, ...]:
    return tuple(f"{model}.{field}" for field in fields)


SINKS: Final = (
    # ── Tables ──────────────────────────────────────────────────────────────────────────────────────────────────
    Sink(
        "Questions and their titles",
        How.MASKED,
        "Masked before the row is made. Beside them stand the numbers of spellings, the days between dates, and "
        "medicines as the interaction table writes them; what names none is masked for good.",
        _CANARY,
        (*_of("chat.Turn", "question", "spellings", "days", "medicines"), *_of("chat.Conversation", "title")),
    ),
    Sink(
        "Answers and their evidence",
        How.LIBRARY,
        "Verbatim quotes with their sources, and words of the masked question that no document holds.",
        _CANARY,
        (*_of("chat.Turn", "blocks", "evidence", "reason"), *_of("chat.Citation", "section", "quote", "sha256")),
    ),
    Sink(
        "Comments on answers",
        How.MASKED,
        "Masked with the tokens of the conversation; the reasons beside them are chosen from a list.",
        _CANARY,
        _of("chat.Feedback", "comment", "reasons"),
    ),
    Sink(
        "Documents, passages, search index",
        How.LIBRARY,
        "Files of the institution. Identifiers found in one are shown to its editor and its reviewer before it is "
        "searched. No text of a conversation is written there.",
        _CANARY,
        (
            *_of("chat.Collection", "slug", "name", "departments"),
            *_of("chat.Document", "external_id", "departments"),
            *_of("chat.DocumentVersion", "title", "specialty", "owner", "source", "url", "licence", "section", "text"),
            *_of("chat.DocumentVersion", "sha256", "file_sha256"),
            *_of("chat.Chunk", "section", "lead", "text", "sha256", "search_sha256"),
            *_of("chat.Term", "lexeme"),
            *_of("chat.Word", "word"),
        ),
    ),
    Sink(
        "Uploads, findings, questions of the gate",
        How.NOTE,
        "Names of files, reasons of releases and of reviews, labeled questions, beginnings of hidden text. The bytes "
        "of a file are kept until it was read; of an identifier found in it only where it stands.",
        _FIELDS,
        (
            *_of("chat.Upload", "file_name", "sha256", "problems"),
            *_of("chat.DocumentVersion", "file_name", "decision_note"),
            *_of("chat.Finding", "label", "excerpt"),
            *_of("chat.Release", "reason", "manifest_sha256"),
            *_of("chat.LabelledQuestion", "external_id", "text", "kind", "relevant"),
        ),
    ),
    Sink(
        "Measured figures of the library",
        How.CODE,
        "Scores, coefficients, names of models and of measures.",
        _COLUMNS,
        (
            *_of("chat.EmbeddingIndex", "model"),
            *_of("chat.Evaluation", "fallen", "questions_sha256", "model", "worst", "scores", "state_sha256"),
            *_of("chat.Calibration", "model", "weights", "curve", "figures"),
            *_of("chat.IndexProof", "model", "found"),
        ),
    ),
    Sink(
        "Checks of interactions",
        How.NOTE,
        "Names as the interaction table writes them; of what was typed only entries that were not recognized, and "
        "notes beside overridden alerts.",
        "chat/test_interaction_page.py::test_a_patient_is_kept_nowhere",
        (
            *_of("chat.InteractionCheck", "table", "result"),
            *_of("chat.InteractionAlert", "a", "b", "note"),
        ),
    ),
    Sink(
        "Interaction table and what the hospital changed in it",
        How.LIBRARY,
        "Reference data with its sources. Reasons of changes are masked for good.",
        _FIELDS,
        (
            *_of("chat.DrugTable", "version", "sha256", "report"),
            *_of("chat.LocalInteraction", "a", "b", "mechanism", "effect", "management"),
            *_of("chat.LocalInteraction", "source_name", "source_ref", "reason"),
        ),
    ),
    Sink(
        "What tokens stand for",
        How.SEALED,
        "The vault: one sealed value a row, beside its token, its class and keyed digests.",
        _CANARY,
        _of("compliance.VaultEntry", "value", "token", "label", "patient"),
    ),
    Sink(
        "Words of mask reports and local terms",
        How.SEALED,
        "Opened one report at a time, local terms by who decides on them, all on record. A term that is over has none.",
        _CANARY,
        (*_of("compliance.MaskReport", "words", "token"), *_of("compliance.MaskTerm", "words")),
    ),
    Sink(
        "Reasons and notes of emergency access",
        How.SEALED,
        "Masked for good and then sealed.",
        _CANARY,
        _of("compliance.BreakGlass", "reason", "note", "object_type"),
    ),
    Sink(
        "Other reasons and notes of staff",
        How.NOTE,
        "Blocks, roles, clearances, purges of the trail, mask reports and local terms.",
        _NOTES,
        (
            *_of("compliance.NetworkBlock", "reason"),
            *_of("compliance.RoleRequest", "reason", "note"),
            *_of("compliance.Clearance", "reason"),
            *_of("compliance.AuditPurge", "reason"),
            *_of("compliance.MaskReport", "note", "settled_note"),
            *_of("compliance.MaskTerm", "reason"),
        ),
    ),
    Sink(
        "Accounts, devices, programs, notices",
        How.STAFF,
        "Names of people who work here and the labels they give their devices. Notices are written by the code.",
        _FIELDS,
        (
            *_of("compliance.User", "password", "email", "name", "title", "department", "directory", "directory_id"),
            *_of("compliance.Authenticator", "name", "key"),
            *_of("compliance.ServiceToken", "name", "digest", "prefix", "scopes"),
            *_of("compliance.Notice", "title", "text", "url"),
            *_of("django_otp_webauthn.WebAuthnCredential", "name"),
            *_of("otp_static.StaticDevice", "name"),
            *_of("admin.LogEntry", "object_id", "object_repr", "change_message"),
        ),
    ),
    Sink(
        "Audit trail",
        How.CODE,
        "Ids, codes, counts and names of staff; of a text column only a keyed digest.",
        _CANARY,
        _of(
            "compliance.AuditEvent",
            *("changes", "actor_name", "actor_roles", "proxies", "object_type", "object_id", "patient", "purpose"),
            *("detail", "task_id", "session", "app_version"),
        ),
    ),
    Sink(
        "Sessions and API sign-ins",
        How.CODE,
        "Ids and times; the browser in words of ours; the page to go on to without what was typed.",
        "compliance/test_next_page.py::test_what_was_typed_is_not_kept",
        (
            *_of("compliance.Session", "session_data", "session_key", "agent"),
            *_of("compliance.TokenFamily", "begun_with", "newest", "agent"),
        ),
    ),
    Sink(
        "Everything else in the database",
        How.CODE,
        "Seals, verifications, campaigns, keys of sign-in, names of tables and permissions.",
        _COLUMNS,
        (
            *_of("compliance.KnownPlace", "country"),
            *_of("compliance.Campaign", "name"),
            *_of("compliance.Seal", "key_id", "horizon", "system"),
            *_of("compliance.AuditVerification", "problems"),
            *_of("otp_static.StaticToken", "token"),
            *_of("django_otp_webauthn.WebAuthnCredential", "transports", "aaguid", "credential_id_sha256"),
            *_of("django_otp_webauthn.WebAuthnUserHandle", "handle_hex"),
            *_of("auth.Permission", "name", "codename"),
            *_of("auth.Group", "name"),
            *_of("contenttypes.ContentType", "app_label", "model"),
        ),
    ),
    Sink(
        "Backups, restores, holds and erasures: names and reasons",
        How.NOTE,
        "Forms and the API mask them for good. They say why, of systems and not of patients.",
        _NOTES,
        (
            *_of("compliance.Backup", "name", "reason"),
            *_of("compliance.Restore", "reason"),
            *_of("compliance.Maintenance", "reason"),
            *_of("compliance.PlannedMaintenance", "reason"),
            *_of("compliance.LegalHold", "reason", "end_reason"),
            *_of("compliance.Erasure", "reason"),
        ),
    ),
    Sink(
        "Backups, restores, drills, purges: everything else",
        How.CODE,
        "States, names of stores, digests, figures, and failures in our own words. A patient is a pseudonym.",
        _COLUMNS,
        (
            *_of("compliance.Backup", "key", "environment", "manifest_sha256", "stores", "progress", "failure"),
            *_of("compliance.Restore", "step", "failure", "report"),
            *_of("compliance.Drill", "steps", "assertions", "failure"),
            *_of("compliance.PlannedMaintenance", "failure"),
            *_of("compliance.WalShipping", "position", "segment", "failure"),
            *_of("compliance.LegalHold", "subject"),
            *_of("compliance.Purge", "rule"),
            *_of("compliance.Erasure", "subject"),
            *_of("compliance.IntegrityRun", "looked", "findings"),
        ),
    ),
    Sink(
        "Keys of conversations' values",
        How.SEALED,
        "Wrapped by the key-encryption key, and never in a backup.",
        _COLUMNS,
        _of("compliance.DataKey", "key"),
    ),
    # ── Everywhere else ─────────────────────────────────────────────────────────────────────────────────────────
    Sink(
        "Database files, write-ahead log, backups",
        How.MASKED,
        "They hold the columns above and nothing that was not in one.",
        _CANARY,
    ),
    Sink(
        "Log of the database",
        How.CODE,
        "No statement, parameter or detail of an error is logged, and no error of a client.",
        "compliance/test_canary.py::test_the_database_logs_nothing_of_a_failing_statement",
    ),
    Sink(
        "Log lines",
        How.MASKED,
        "Literal texts of the code and ids pass. The rest is masked, exceptions are named and not quoted, and what "
        "speaks of a request is left out.",
        _LOGS,
    ),
    Sink(
        "Queue (Celery messages)",
        How.CODE,
        "Tasks take ids alone.",
        "guards/test_source.py::test_every_task_names_queue_and_limits_and_takes_ids_only",
    ),
    Sink(
        "Redis: streams of answers",
        How.MASKED,
        "Steps, counts and quotes of the library. Identifiers are put back in the page of their author alone.",
        _CANARY,
    ),
    Sink("Redis: counters, limits, locks", How.CODE, "Numbers under keyed digests.", _CANARY),
    Sink(
        "Metrics",
        How.CODE,
        "The labels are a fixed list of classes.",
        "compliance/test_metrics.py::test_no_text_becomes_a_name_or_a_label",
    ),
    Sink(
        "Searching and embedding",
        How.MASKED,
        "The masked words without their tokens, in this process and in a statement that is kept nowhere.",
        _CANARY,
    ),
    Sink(
        "Addresses",
        How.MASKED,
        "Searches are sent as forms; what comes back in the address was masked. No address is logged, and pages of "
        "other sites are told none.",
        "chat/test_searching.py::test_an_address_holds_no_identifier",
    ),
    Sink("Exports of the audit trail", How.CODE, "The trail as it stands, with who asked for it.", _CANARY),
    Sink(
        "Cookies and browser storage",
        How.CODE,
        "Two random keys and our own messages. Nothing is stored by pages, and none is kept by the browser.",
        "browser/test_storage.py::test_the_browser_keeps_nothing",
    ),
    Sink(
        "Pages and streams for who typed it",
        How.AUTHOR,
        "The author's own words, put back from the vault when the page is made, and what a refused form held.",
        "compliance/test_vault.py::test_author_opens_it_on_record",
    ),
    Sink(
        "Warning while typing",
        How.AUTHOR,
        "Looked at in memory and answered with the kinds found; neither counted nor logged.",
        _CANARY,
    ),
    Sink(
        "Output and arguments of commands",
        How.AUTHOR,
        "On the terminal of who runs them, and in its history. The trail has the command's name alone.",
        _CANARY,
    ),
    Sink(
        "Reports of blocked content",
        How.CODE,
        "A directive and an origin.",
        "compliance/test_csp_report.py::test_of_anything_else_nothing_is_kept",
    ),
    Sink(
        "Uploaded files",
        How.CODE,
        "Kept in the row of their upload until they were read, and never written to the disk.",
        "chat/test_uploads.py::test_bytes_cannot_stay_on_a_file_that_was_read",
    ),
    Sink(
        "Embedding endpoint",
        How.MASKED,
        "Where one is configured: the passages of the library, and questions as they are stored.",
        "chat/test_embedding_endpoint.py::test_passages_and_masked_questions_are_all_it_gets",
    ),
    Sink(
        "Directory and key service",
        How.STAFF,
        "The e-mail address of who signs in; keys, never what they seal.",
        "compliance/test_ldap.py::test_what_is_typed_cannot_change_the_search",
    ),
    # ── Training and approvals ──────────────────────────────────────────────────────────────────────────────────
    Sink(
        "Modules, policies, forms of assessments",
        How.CODE,
        "Files of the institution, keys and numbers of what was drawn and chosen, what was signed; nothing anybody "
        "typed but numbers.",
        _COLUMNS,
        (
            *_of("training.ModuleVersion", "slug", "title", "version", "change", "sha256", "content"),
            *_of("training.Enrolment", "slug", "lessons", "why"),
            *_of("training.LessonRead", "lesson", "digest"),
            *_of("training.Attempt", "seed"),
            *_of("training.Answer", "item", "orders", "given"),
            *_of("compliance.PolicyVersion", "slug", "title", "version", "text", "change", "sha256"),
            *_of("training.StageDecision", "granted"),
        ),
    ),
    Sink(
        "Certificates, licenses, statements to a learning record store",
        How.STAFF,
        "Names of staff on what they hold; kind, issuer and end of a license, never its number. Statements name "
        "accounts by their ids.",
        _COLUMNS,
        (
            *_of("training.Certificate", "slug", "title", "version", "token"),
            *_of("training.AccessRequest", "license_kind", "license_state"),
            *_of("training.Statement", "content"),
        ),
    ),
    Sink(
        "Reasons beside training and approvals; feedback and replies",
        How.NOTE,
        "Why attempts are unlocked, certificates revoked, requests returned, decisions delegated; what people say "
        "about a page, a lesson, a question or an answer.",
        _FIELDS,
        (
            *_of("training.Attempt", "unlock_reason"),
            *_of("training.Certificate", "revoke_reason"),
            *_of("training.Delegation", "reason"),
            *_of("training.StageDecision", "reason"),
            *_of("compliance.Remark", "text", "reply", "subject"),
        ),
    ),
    # ── Controls, registers, reports ────────────────────────────────────────────────────────────────────────────
    Sink(
        "Catalogue, results of checks, reports, scans",
        How.CODE,
        "Words of the catalogue and of the checks, ids, counts and digests. What a check returns is refused where a "
        "name in it is longer than a line of ASCII.",
        "compliance/controls/test_no_phi_in_results.py::test_no_result_names_a_patient",
        (
            *_of("compliance.CatalogueVersion", "sha256", "text"),
            *_of("compliance.ControlResult", "check_key", "observed", "expected", "failing", "evidence", "digest"),
            *_of("compliance.ControlResult", "catalogue", "code_version"),
            *_of("compliance.ControlStatus", "control", "state"),
            *_of("compliance.ControlOwner", "control"),
            *_of("compliance.CheckSchedule", "check_key"),
            *_of("compliance.MonthlyReport", "data", "sha256"),
            *_of("compliance.ScanRun", "scanner", "version", "source", "reason", "build"),
            *_of("compliance.Finding", "fingerprint", "scanner", "rule", "place", "title"),
        ),
    ),
    Sink(
        "What people sign and keep in the registers",
        How.NOTE,
        "Statements, exceptions, risks, assets, vendors, exercises, reviews. Patients stand there as pseudonyms.",
        _FIELDS,
        (
            *_of("compliance.Attestation", "control", "statement", "artifact_name", "artifact_sha256"),
            *_of("compliance.ControlException", "control", "reason", "compensating"),
            *_of("compliance.Asset", "name", "address", "purpose"),
            *_of("compliance.Risk", "title", "threat", "treatment"),
            *_of("compliance.RiskApproval", "register", "sha256"),
            *_of("compliance.Vendor", "name", "service", "hosts"),
            *_of("compliance.Agreement", "artifact_name", "artifact_sha256"),
            *_of("compliance.Exercise", "scenario", "losses", "lessons"),
            *_of("compliance.AuditReview", "conclusion", "figures"),
            *_of("compliance.Disclosure", "patient", "recipient", "what", "why"),
            *_of("compliance.Amendment", "patient", "record", "statement"),
        ),
    ),
    Sink(
        "Documents behind attestations",
        How.SEALED,
        "Files of the institution, sealed for their row.",
        "lib/test_sealed_field.py::test_the_table_says_nothing",
        _of("compliance.Attestation", "artifact"),
    ),
    # ── Not there yet ───────────────────────────────────────────────────────────────────────────────────────────
    Sink(
        "Answer model",
        How.ABSENT,
        "Gets the masked question and passages; what it writes is masked before it is kept, and restored for the "
        "author alone.",
        _ABSENT,
    ),
    Sink(
        "Documents beside a question",
        How.CODE,
        "Read in memory, in a process of its own, for names of the interaction table; nothing else of them is kept.",
        "chat/test_interactions_beside_answers.py::test_a_document_gives_its_medicines_and_nothing_else_is_kept",
    ),
    Sink("Text of incidents", How.ABSENT, "compliance.free_text.FreeTextField, as every note of staff.", _ABSENT),
    Sink(
        "E-mail",
        How.CODE,
        "Notices as they stand in the portal, written by the code, with one link that needs sign-in.",
        "compliance/test_mail.py::test_it_is_sent_once_with_one_link",
    ),
)

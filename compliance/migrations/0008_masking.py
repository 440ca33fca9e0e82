"""Reports of missed and wrong masks, and local terms of masking."""

import clinchat.lib.clock
import clinchat.lib.sealed_field
import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("compliance", "0007_vault_spelling"),
    ]

    operations = [
        migrations.CreateModel(
            name="MaskReport",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("kind", models.CharField(choices=[("missed", "Missed"), ("wrong", "Wrong")], max_length=6)),
                ("scope", models.UUIDField(help_text="The conversation.")),
                ("turn", models.UUIDField(help_text="The question.")),
                ("token", models.CharField(help_text="What stands for the words in the question now.", max_length=40)),
                (
                    "label",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("NAME", "Name"),
                            ("LOCATION", "Place"),
                            ("FACILITY", "Hospital or clinic"),
                            ("ROOM", "Room or bed"),
                            ("DATE", "Date"),
                            ("AGE_OVER_89", "Age over 89"),
                            ("PHONE", "Phone number"),
                            ("FAX", "Fax number"),
                            ("EMAIL", "E-mail address"),
                            ("SSN", "Social Security number"),
                            ("MRN", "Record number"),
                            ("HEALTH_PLAN", "Health plan number"),
                            ("ACCOUNT", "Account number"),
                            ("LICENSE", "License number"),
                            ("VEHICLE", "Vehicle number"),
                            ("DEVICE", "Device number"),
                            ("URL", "Web address"),
                            ("IP", "Network address"),
                            ("BIOMETRIC", "Biometric identifier"),
                            ("PHOTO", "Photo"),
                            ("OTHER_ID", "Other identifier"),
                        ],
                        help_text="Of a missed one what its reporter takes it for, if said.",
                        max_length=20,
                    ),
                ),
                ("words", clinchat.lib.sealed_field.SealedField()),
                (
                    "erased_at",
                    models.DateTimeField(
                        blank=True, help_text="When the words were, with the conversation's.", null=True
                    ),
                ),
                ("note", models.CharField(blank=True, help_text="Masked.", max_length=500)),
                ("created_at", models.DateTimeField(default=clinchat.lib.clock.now)),
                (
                    "status",
                    models.CharField(choices=[("open", "Open"), ("settled", "Settled")], default="open", max_length=7),
                ),
                (
                    "outcome",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("term", "A local term was proposed"),
                            ("software", "To be corrected by an update of ClinChat"),
                            ("not_identifier", "Not an identifier"),
                            ("nothing", "Nothing to change"),
                        ],
                        max_length=14,
                    ),
                ),
                ("settled_at", models.DateTimeField(blank=True, null=True)),
                ("settled_note", models.CharField(blank=True, help_text="Masked.", max_length=500)),
                (
                    "reporter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "settled_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at"],
            },
        ),
        migrations.CreateModel(
            name="MaskTerm",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("kind", models.CharField(choices=[("mask", "Always mask"), ("keep", "Keep readable")], max_length=4)),
                (
                    "label",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("NAME", "Name"),
                            ("LOCATION", "Place"),
                            ("FACILITY", "Hospital or clinic"),
                            ("ROOM", "Room or bed"),
                            ("DATE", "Date"),
                            ("AGE_OVER_89", "Age over 89"),
                            ("PHONE", "Phone number"),
                            ("FAX", "Fax number"),
                            ("EMAIL", "E-mail address"),
                            ("SSN", "Social Security number"),
                            ("MRN", "Record number"),
                            ("HEALTH_PLAN", "Health plan number"),
                            ("ACCOUNT", "Account number"),
                            ("LICENSE", "License number"),
                            ("VEHICLE", "Vehicle number"),
                            ("DEVICE", "Device number"),
                            ("URL", "Web address"),
                            ("IP", "Network address"),
                            ("BIOMETRIC", "Biometric identifier"),
                            ("PHOTO", "Photo"),
                            ("OTHER_ID", "Other identifier"),
                        ],
                        help_text="What it is masked as.",
                        max_length=20,
                    ),
                ),
                ("words", clinchat.lib.sealed_field.SealedField(help_text="Erased when the term is over.")),
                (
                    "blind_index",
                    models.BinaryField(help_text="Keyed digest of the words: equality without opening.", max_length=32),
                ),
                ("reason", models.CharField(help_text="Masked.", max_length=500)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("proposed", "Waits for a second person"),
                            ("approved", "In use"),
                            ("refused", "Refused"),
                            ("withdrawn", "Withdrawn"),
                            ("ended", "Ended"),
                        ],
                        default="proposed",
                        max_length=9,
                    ),
                ),
                ("proposed_at", models.DateTimeField(default=clinchat.lib.clock.now)),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "decided_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "end_proposed_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "ended_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "proposed_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "report",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="terms",
                        to="compliance.maskreport",
                    ),
                ),
            ],
            options={
                "ordering": ["-proposed_at"],
            },
        ),
        migrations.AddIndex(
            model_name="maskreport",
            index=models.Index(condition=models.Q(("status", "open")), fields=["created_at"], name="mask_report_open"),
        ),
        migrations.AddIndex(
            model_name="maskreport",
            index=models.Index(condition=models.Q(("kind", "missed")), fields=["scope"], name="mask_report_missed"),
        ),
        migrations.AddConstraint(
            model_name="maskreport",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["missed", "wrong"])), name="mask_report_kind"
            ),
        ),
        migrations.AddConstraint(
            model_name="maskreport",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "label__in",
                        [
                            "",
                            "NAME",
                            "LOCATION",
                            "FACILITY",
                            "ROOM",
                            "DATE",
                            "AGE_OVER_89",
                            "PHONE",
                            "FAX",
                            "EMAIL",
                            "SSN",
                            "MRN",
                            "HEALTH_PLAN",
                            "ACCOUNT",
                            "LICENSE",
                            "VEHICLE",
                            "DEVICE",
                            "URL",
                            "IP",
                            "BIOMETRIC",
                            "PHOTO",
                            "OTHER_ID",
                        ],
                    )
                ),
                name="mask_report_label",
            ),
        ),
        migrations.AddConstraint(
            model_name="maskreport",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind", "wrong"), ("label", ""), _negated=True), name="mask_report_wrong_has_label"
            ),
        ),
        migrations.AddConstraint(
            model_name="maskreport",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("outcome", ""), ("settled_at", None), ("settled_by", None), ("status", "open")),
                    models.Q(
                        ("outcome__in", ["term", "software", "not_identifier", "nothing"]),
                        ("settled_at__isnull", False),
                        ("settled_by__isnull", False),
                        ("status", "settled"),
                    ),
                    _connector="OR",
                ),
                name="mask_report_settled_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="maskreport",
            constraint=models.CheckConstraint(
                condition=models.Q(("erased_at", None), ("status", "settled"), _connector="OR"),
                name="mask_report_erased_when_settled",
            ),
        ),
        migrations.AddConstraint(
            model_name="maskreport",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "open")), fields=("turn", "kind", "token"), name="mask_report_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="maskterm",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("kind", "mask"),
                        (
                            "label__in",
                            [
                                "NAME",
                                "LOCATION",
                                "FACILITY",
                                "ROOM",
                                "DATE",
                                "AGE_OVER_89",
                                "PHONE",
                                "FAX",
                                "EMAIL",
                                "SSN",
                                "MRN",
                                "HEALTH_PLAN",
                                "ACCOUNT",
                                "LICENSE",
                                "VEHICLE",
                                "DEVICE",
                                "URL",
                                "IP",
                                "BIOMETRIC",
                                "PHOTO",
                                "OTHER_ID",
                            ],
                        ),
                    ),
                    models.Q(("kind", "keep"), ("label", "")),
                    _connector="OR",
                ),
                name="mask_term_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="maskterm",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason", ""), _negated=True), name="mask_term_has_reason"
            ),
        ),
        migrations.AddConstraint(
            model_name="maskterm",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("decided_at", None), ("decided_by", None), ("status", "proposed")),
                    models.Q(
                        ("decided_at__isnull", False),
                        ("decided_by__isnull", False),
                        ("status__in", ["approved", "refused", "withdrawn", "ended"]),
                    ),
                    _connector="OR",
                ),
                name="mask_term_decided_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="maskterm",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("ended_at__isnull", False), ("ended_by__isnull", False), ("status", "ended")),
                    models.Q(models.Q(("status", "ended"), _negated=True), ("ended_at", None), ("ended_by", None)),
                    _connector="OR",
                ),
                name="mask_term_ended_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="maskterm",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status__in", ["approved", "refused", "ended"]), _negated=True),
                    models.Q(("decided_by", models.F("proposed_by")), _negated=True),
                    _connector="OR",
                ),
                name="mask_term_second_person",
            ),
        ),
        migrations.AddConstraint(
            model_name="maskterm",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "withdrawn"), _negated=True),
                    ("decided_by", models.F("proposed_by")),
                    _connector="OR",
                ),
                name="mask_term_withdrawn_by_own",
            ),
        ),
        migrations.AddConstraint(
            model_name="maskterm",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "mask"), ("status", "ended"), _negated=True),
                    models.Q(
                        ("end_proposed_by__isnull", False),
                        models.Q(("end_proposed_by", models.F("ended_by")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="mask_term_end_second_person",
            ),
        ),
        migrations.AddConstraint(
            model_name="maskterm",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["approved", "ended"]), ("end_proposed_by", None), _connector="OR"),
                name="mask_term_end_of_used",
            ),
        ),
        migrations.AddConstraint(
            model_name="maskterm",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status__in", ["proposed", "approved"])),
                fields=("blind_index",),
                name="mask_term_once",
            ),
        ),
    ]

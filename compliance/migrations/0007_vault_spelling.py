"""A token has one entry for each way its value was written."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("compliance", "0006_factors")]

    operations = [
        migrations.AddField(
            model_name="vaultentry",
            name="spelling",
            field=models.PositiveSmallIntegerField(
                default=0, help_text="Which way of writing the value this is; 0 is the one met first."
            ),
        ),
        migrations.RemoveConstraint(model_name="vaultentry", name="vault_entry_token"),
        migrations.AddConstraint(
            model_name="vaultentry",
            constraint=models.UniqueConstraint(fields=("scope", "token", "spelling"), name="vault_entry_token"),
        ),
    ]

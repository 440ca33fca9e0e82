"""How each masked value of a question was written, and the days between its dates."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("chat", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="turn",
            name="spellings",
            field=models.JSONField(
                blank=True,
                default=list,
                help_text="Which spelling each token of the question has, in order; none: the first.",
            ),
        ),
        migrations.AddField(
            model_name="turn",
            name="days",
            field=models.JSONField(
                blank=True,
                default=dict,
                help_text="Days between the masked dates: token to days since the earliest.",
            ),
        ),
    ]

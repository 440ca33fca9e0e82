"""Fits the abstention of chat.pipeline.rerank on labelled questions and prints the constants to copy there."""

from __future__ import annotations

from bench.data import questions, table
from chat.models import Collection
from chat.pipeline import rerank
from chat.pipeline.retrieve import embed, retrieve
from chat.pipeline.types import Question

FALSE_ABSTENTION = 0.05


def run(collection: str) -> str | None:
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import cross_val_predict

    labelled = questions()
    found = Collection.objects.filter(slug=collection, live_chunks__gt=0).first()
    if not labelled or found is None:
        return f"needs ../shared/data and the collection “{collection}” (make demo-corpus loads it)"
    rows = []
    for row in labelled:
        passages = retrieve(Question(row["question"], (found.pk,)), embed(row["question"]))
        best = max(passages, key=rerank.confidence)
        rows.append((best.dense, best.coverage))
    signals, answerable = np.array(rows), np.array([row["answerable"] for row in labelled])
    model = LogisticRegression(C=10, class_weight="balanced", max_iter=1000).fit(signals, answerable)
    unseen = cross_val_predict(model, signals, answerable, cv=10, method="predict_proba")[:, 1]
    fitted = model.predict_proba(signals)[:, 1]
    dense, coverage = model.coef_[0]
    threshold = float(np.quantile(fitted[answerable], FALSE_ABSTENTION))
    table(
        ["INTERCEPT", "DENSE", "COVERAGE", "THRESHOLD", "AUROC, 10-fold", "declined of the unanswerable"],
        [
            [
                f"{model.intercept_[0]:.3f}",
                f"{dense:.3f}",
                f"{coverage:.3f}",
                f"{threshold:.2f}",
                f"{roc_auc_score(answerable, unseen):.3f}",
                f"{(fitted[~answerable] < threshold).mean():.0%}",
            ]
        ],
    )
    return None

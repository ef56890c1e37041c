"""A tagger as an MLflow model: logged from this file's code, never pickled; `mlflow models serve` runs it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import pandas
from mlflow.models import ModelSignature, set_model
from mlflow.pyfunc.model import PythonModel
from mlflow.types.schema import Array, ColSpec, DataType, Map, Object, Property, Schema

from framing.records import Paragraph
from framing.tracking.tracker import TAGGER

if TYPE_CHECKING:
    from framing.schema import Schema as LabellingSchema

EXAMPLE = ("The foreign minister offered to host both delegations in Geneva.", "Kommentar hinterlassen")


class TaggerModel(PythonModel):
    """In: a column `text`, one paragraph a row. Out: columns `labels` and `probabilities`, as of `framing predict`."""

    def load_context(self, context: Any) -> None:
        from framing.inference.tagger import Tagger

        self.tagger = Tagger.load(Path(context.artifacts[TAGGER]))

    def predict(self, context: Any, model_input: pandas.DataFrame, params: Any = None) -> pandas.DataFrame:
        from framing.annotation.store import labels_to_json

        paragraphs = [
            Paragraph(str(number), "request", number, 0, len(text), text, "und")
            for number, text in enumerate(model_input["text"].astype(str), 1)
        ]
        rows = [
            {"labels": labels_to_json(found.labels, self.tagger.schema), "probabilities": found.probabilities}
            for found in self.tagger.tag(paragraphs)
        ]
        return pandas.DataFrame(rows, columns=["labels", "probabilities"])


def signature(schema: LabellingSchema) -> ModelSignature:
    labels = [
        Property(facet.id, DataType.string if facet.choice == "one" else Array(DataType.string))
        for facet in schema.facets
    ]
    shares = [Property(facet.id, Map(DataType.double)) for facet in schema.facets]
    return ModelSignature(
        inputs=Schema([ColSpec(DataType.string, "text")]),
        outputs=Schema([ColSpec(Object(labels), "labels"), ColSpec(Object(shares), "probabilities")]),
    )


def log_tagger(folder: Path, schema: LabellingSchema, requirements: Sequence[str]) -> str:
    """Log a saved tagger as the active run's model; its URI."""
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    info = mlflow.pyfunc.log_model(
        name=TAGGER,
        python_model=str(Path(__file__)),
        artifacts={TAGGER: str(folder)},
        signature=signature(schema),
        input_example=pandas.DataFrame({"text": list(EXAMPLE)}),
        pip_requirements=list(requirements),
    )
    return str(info.model_uri)


def tag_texts(uri: str, texts: Sequence[str]) -> list[dict[str, Any]]:
    """What a logged or registered model says of texts, through the same door as `mlflow models serve`."""
    found = mlflow.pyfunc.load_model(uri).predict(pandas.DataFrame({"text": list(texts)}))
    return [{"labels": row.labels, "probabilities": row.probabilities} for row in found.itertuples()]


set_model(TaggerModel())

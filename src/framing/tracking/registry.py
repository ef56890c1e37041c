"""Registered taggers: versions, the champion among them, and the folder behind a reference."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

from framing.config import TrackingConfig
from framing.errors import FramingError, MissingChampion
from framing.tracking.store import connect, store_uri
from framing.tracking.tracker import TAGGER

CHAMPION = "champion"


def register(config: TrackingConfig, model_uri: str, tags: Mapping[str, str]) -> int:
    """A new version of the registered model; its number."""
    mlflow = connect(config)
    version = mlflow.register_model(model_uri, config.model_name, tags=dict(tags))
    return int(version.version)


def champion_tags(config: TrackingConfig) -> Mapping[str, str] | None:
    """Tags of the version that is champion; None if there is none."""
    mlflow = connect(config)
    try:
        found = mlflow.MlflowClient().get_model_version_by_alias(config.model_name, CHAMPION)
    except mlflow.exceptions.MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        return None
    return {**found.tags, "version": str(found.version)}


def promote(config: TrackingConfig, version: int) -> None:
    place = f"version {version} of {config.model_name!r}"
    if store_uri(config).startswith("sqlite") and not (config.folder / "mlflow.db").is_file():
        raise FramingError(place, f"no run is recorded in {config.folder}", "run `make train` first")
    mlflow = connect(config)
    try:
        mlflow.MlflowClient().set_registered_model_alias(config.model_name, CHAMPION, str(version))
    except mlflow.exceptions.MlflowException as error:
        raise FramingError(place, str(error).splitlines()[0][:160], "the MLflow UI lists the versions") from None


def resolve(config: TrackingConfig, reference: str) -> tuple[Path, str]:
    """The local folder of a tagger and a name for it, from `runs:/ID`, `models:/name/version` or `models:/name@alias`.

    Raises FramingError if there is none.
    """
    if not reference.startswith(("runs:/", "models:/")):
        cure = "give a tagger's folder, runs:/ID, models:/NAME/VERSION or models:/NAME@champion"
        raise FramingError(f"--model {reference}", "no such folder", cure)
    if store_uri(config).startswith("sqlite") and not (config.folder / "mlflow.db").is_file():
        raise MissingChampion(
            f"--model {reference}", f"no run is recorded in {config.folder}", "run `make train` first"
        )
    if reference.startswith("models:/") and (local := _local_model(store_uri(config), reference)):
        return local
    mlflow = connect(config)
    name, _, alias = reference.removeprefix("models:/").partition("@")
    uri = f"{reference}/{TAGGER}" if reference.startswith("runs:/") and reference.count("/") == 1 else reference
    try:
        folder = Path(mlflow.artifacts.download_artifacts(uri))
    except Exception as error:  # MLflow raises what its store raises
        first = str(error).strip().splitlines()[0][:160]
        cure = "train one with `make train`, or name another with --model"
        raise MissingChampion(f"--model {reference}", f"no such model ({first})", cure) from None
    found = next((file.parent for file in folder.rglob("tagger.json")), None)
    if found is None:
        raise FramingError(f"--model {reference}", "this model holds no tagger", "name one that framing trained")
    if alias:  # an alias moves; the version that it means now is what made these predictions
        version = mlflow.MlflowClient().get_model_version_by_alias(name, alias).version
        return found, f"models:/{name}/{version}"
    return found, reference


def _local_model(uri: str, reference: str) -> tuple[Path, str] | None:
    """A registered tagger of an sqlite store whose files lie on this disk, found without MLflow.

    Loading MLflow takes longer than tagging a page. Whatever is not as expected is left to it: None.
    """
    name, _, version = reference.removeprefix("models:/").replace("@", "/@").partition("/")
    file = Path(uri.removeprefix("sqlite:///"))
    if not uri.startswith("sqlite:///") or not file.is_file():
        return None
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as store:
            if version.startswith("@"):
                alias = "SELECT version FROM registered_model_aliases WHERE name = ? AND alias = ?"
                version = str(store.execute(alias, (name, version.removeprefix("@"))).fetchone()[0])
            model = "SELECT storage_location FROM model_versions WHERE name = ? AND version = ?"
            location = str(store.execute(model, (name, version)).fetchone()[0])
    except (sqlite3.Error, TypeError):  # another layout of the store, or no such row
        return None
    parts = urlparse(location)
    folder = Path(url2pathname(parts.path))
    if parts.scheme not in ("", "file") or not folder.is_dir():
        return None
    found = next((file.parent for file in folder.rglob("tagger.json")), None)
    return (found, f"models:/{name}/{version}") if found else None

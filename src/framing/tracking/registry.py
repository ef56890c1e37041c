"""Registered taggers: versions, the champion among them and the champions before it, the folder behind a reference."""

from __future__ import annotations

import getpass
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

from framing.config import TrackingConfig
from framing.errors import FramingError, MissingChampion
from framing.tracking.runs import check_store
from framing.tracking.store import connect, find_run, missing_store, store_file
from framing.tracking.tracker import TAGGER

CHAMPION, CHALLENGER = "champion", "challenger"
_FORMER = "former_champions"
_KEPT = 100


@dataclass(frozen=True, slots=True)
class Version:
    """A registered tagger. `created` in milliseconds since 1970; `aliases` as MLflow keeps them."""

    number: int
    run_id: str
    run_name: str
    created: int
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    run_tags: Mapping[str, str]


def register(config: TrackingConfig, model_uri: str, tags: Mapping[str, str], description: str) -> int:
    """A new version of the registered model; its number."""
    mlflow = connect(config)
    version = mlflow.register_model(model_uri, config.model_name, tags=dict(tags))
    mlflow.MlflowClient().update_model_version(config.model_name, version.version, description)
    return int(version.version)


def champion(config: TrackingConfig) -> Version | None:
    """The version that is champion; None if there is none."""
    mlflow = connect(config)
    try:
        found = mlflow.MlflowClient().get_model_version_by_alias(config.model_name, CHAMPION)
    except mlflow.exceptions.MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        return None
    return find_version(config, str(found.version))


def versions(config: TrackingConfig) -> list[Version]:
    """All versions, the newest first."""
    check_store(config, f"registered model {config.model_name!r}")
    client = connect(config).MlflowClient()
    found = client.search_model_versions(f"name = '{config.model_name}'")
    return sorted((_version(client, item) for item in found), key=lambda version: -version.number)


def _version(client: Any, item: Any) -> Version:
    full = client.get_model_version(item.name, item.version)  # the search does not give aliases
    try:
        run = client.get_run(full.run_id)
        name, metrics, tags = str(run.info.run_name), run.data.metrics, run.data.tags
    except Exception:  # the run was deleted; the version stays
        name, metrics, tags = "", {}, {}
    aliases, created = tuple(full.aliases), int(full.creation_timestamp)
    return Version(int(full.version), full.run_id or "", name, created, aliases, full.tags, metrics, tags)


def find_version(config: TrackingConfig, reference: str) -> Version:
    """The version of a number, or the newest that a run (id, start of one, name) registered."""
    place = f"{config.model_name} {reference!r}"
    check_store(config, place)
    mlflow = connect(config)
    client = mlflow.MlflowClient()
    if reference.isdigit() and len(reference) < 6:
        try:
            return _version(client, client.get_model_version(config.model_name, reference))
        except mlflow.exceptions.MlflowException:
            raise FramingError(place, "there is no such version", "`framing models` lists them") from None
    run_id = find_run(config, reference)
    found = client.search_model_versions(f"name = '{config.model_name}' and run_id = '{run_id}'")
    if not found:
        raise FramingError(place, "this run registered no tagger", "`framing models` lists those that did")
    return _version(client, max(found, key=lambda item: int(item.version)))


def promote(config: TrackingConfig, number: int, facts: Mapping[str, str]) -> None:
    """Make a version the champion, remember the one before it, and write who, when and `facts` on it as tags."""
    client = connect(config).MlflowClient()
    before = champion(config)
    tags = {
        **facts,
        "promoted_by": _user(),
        "promoted_at": _now(),
        "promoted_over": str(before.number) if before else "",
    }
    for key, value in tags.items():
        client.set_model_version_tag(config.model_name, str(number), key, value)
    if before is not None:
        # Before the alias moves: if this is interrupted, the champion stands in the list too, and rollback skips it.
        _keep_former(config, [*former_champions(config), before.number])
    client.set_registered_model_alias(config.model_name, CHAMPION, str(number))


def challenge(config: TrackingConfig, number: int) -> None:
    """The newest version that is not champion."""
    connect(config).MlflowClient().set_registered_model_alias(config.model_name, CHALLENGER, str(number))


def rollback(config: TrackingConfig, reason: str) -> tuple[int | None, int]:
    """Make the champion before the present one champion again: (the one left, the one that is champion now).

    The first is None where the present champion was deleted, and its alias with it.
    """
    place = f"registered model {config.model_name!r}"
    check_store(config, place)
    client = connect(config).MlflowClient()
    there = {int(item.version) for item in client.search_model_versions(f"name = '{config.model_name}'")}
    if not there:
        raise FramingError(place, "it has no champion", "promote a version with `framing promote`")
    present = champion(config)
    left = present.number if present else None
    known = former_champions(config)
    former = [number for number in known if number in there]
    lost = len(former) < len(known)
    while former and former[-1] == left:  # a promotion that was interrupted before the alias moved
        former.pop()
    if not former:
        finding = "it has no champion" if left is None else f"version {left} is its first champion"
        finding += " that is left" if lost else ""
        cure = "promote a version with `framing promote`" if left is None else "there is none to go back to"
        raise FramingError(place, finding, cure)
    # The alias first: if that fails, no tag says that it moved.
    client.set_registered_model_alias(config.model_name, CHAMPION, str(former[-1]))
    if left is not None:
        tags = {"rolled_back_by": _user(), "rolled_back_at": _now(), "rolled_back_because": reason}
        for key, value in tags.items():
            client.set_model_version_tag(config.model_name, str(left), key, value)
    _keep_former(config, former[:-1])
    return left, former[-1]


def former_champions(config: TrackingConfig) -> list[int]:
    """Numbers of the versions that were champion, the latest last."""
    tags = connect(config).MlflowClient().get_registered_model(config.model_name).tags
    return [int(number) for number in json.loads(tags.get(_FORMER, "[]"))]


def _keep_former(config: TrackingConfig, numbers: list[int]) -> None:
    client = connect(config).MlflowClient()
    client.set_registered_model_tag(config.model_name, _FORMER, json.dumps(numbers[-_KEPT:]))


def count_test_use(config: TrackingConfig, test: str) -> int:
    """Note that a test set (its fingerprint) has decided on a promotion; how often it has by now."""
    client = connect(config).MlflowClient()
    key = f"test_uses.{test}"
    number = int(client.get_registered_model(config.model_name).tags.get(key, "0")) + 1
    client.set_registered_model_tag(config.model_name, key, str(number))
    return number


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "unknown"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def resolve(config: TrackingConfig, reference: str) -> tuple[Path, str]:
    """The local folder of a tagger and a name for it, from `runs:/ID`, `models:/name/version` or `models:/name@alias`.

    Raises FramingError if there is none.
    """
    if not reference.startswith(("runs:/", "models:/")):
        cure = "give a tagger's folder, runs:/ID, models:/NAME/VERSION or models:/NAME@champion"
        raise FramingError(f"--model {reference}", "no such folder", cure)
    if missing := missing_store(config):
        raise MissingChampion(f"--model {reference}", f"no run is recorded in {missing}", "run `make train` first")
    if reference.startswith("models:/") and (local := _local_model(store_file(config), reference)):
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


def _local_model(file: Path | None, reference: str) -> tuple[Path, str] | None:
    """A registered tagger of an sqlite store whose files lie on this disk, found without MLflow.

    Loading MLflow takes longer than tagging a page. Whatever is not as expected is left to it: None.
    """
    name, _, version = reference.removeprefix("models:/").replace("@", "/@").partition("/")
    if file is None or not file.is_file():
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

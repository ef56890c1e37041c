"""Configurations from conf/: the only place that knows Hydra."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from framing.errors import FramingError
from framing.yaml_file import read_yaml


def conf_folder() -> Path:
    """conf/ of the project one stands in, of the checkout this is installed from, or of the wheel."""
    package = Path(__file__).resolve().parent.parent
    for folder in (Path("conf"), package.parent.parent / "conf", package / "conf"):
        if (folder / "train.yaml").is_file():
            return folder.resolve()
    raise FramingError("conf/train.yaml", "no configuration found", "run this in the project's folder, or give --conf")


def compose_values(folder: Path, overrides: list[str], root: str = "train") -> dict[str, Any]:
    """What `root`.yaml and the overrides come to; `experiment=` takes a file's path too."""
    values, _ = _composed(folder, overrides, root)
    return {key: value for key, value in values.items() if key != "experiment"}


def choices_of(folder: Path, overrides: list[str], root: str) -> dict[str, str]:
    """The file of conf/ that is chosen in each group: `model` -> `tfidf`."""
    return _composed(folder, overrides, root)[1]


def _composed(folder: Path, overrides: list[str], root: str) -> tuple[dict[str, Any], dict[str, str]]:
    import yaml
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    if not (folder / f"{root}.yaml").is_file():
        cure = "give --conf a folder like the project's conf/"
        raise FramingError(str(folder), f"no {root}.yaml in this folder", cure)
    try:
        with initialize_config_dir(str(folder.resolve()), version_base="1.3"):
            composed = compose(root, [_as_meant(word) for word in overrides], return_hydra_config=True)
            choices = {str(group): str(choice) for group, choice in composed.hydra.runtime.choices.items()}
            own = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
            values = OmegaConf.to_container(own, resolve=True)
            return {str(key): value for key, value in dict(values).items()}, choices  # type: ignore[arg-type]
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        # Hydra says first what is wrong and then, in lines of its own, how it would look it up
        first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        cause = str(error.__cause__ or "").splitlines()
        finding = f"{first} ({cause[0]})" if cause else first
        cure = "`framing train --show-config` prints every key and its value"
        raise FramingError("config", finding.rstrip("."), cure) from None


_WORDS = ("name", "resume")
"""Keys whose values are words, also where Hydra would read a number: an id of a run may be `12e45678`."""


def _as_meant(word: str) -> str:
    """An override as Hydra is to read it.

    `experiment=runs/sweeps/heads/best.yaml`: the file is made known to Hydra, which looks for names alone.
    """
    key, _, value = word.partition("=")
    if key in _WORDS and re.fullmatch(r"[\w.+-]+", value) and value != "null":
        return f"{key}='{value}'"
    if key != "experiment" or not value.endswith(".yaml"):
        return word
    from hydra.core.config_store import ConfigStore

    path = Path(value)
    if not path.is_file():
        raise FramingError(word, "no such file", "give the name of a file in conf/experiment/, or the path of another")
    _, values = read_yaml(path)
    if not isinstance(values, dict):
        raise FramingError(word, "it holds no values", "write it like the files of conf/experiment/")
    ConfigStore.instance().store(group="experiment", name="given-file", node=values, package="_global_")
    return "experiment=given-file"


def combinations(overrides: list[str]) -> list[list[str]]:
    """All combinations of the values that overrides like `training.seed=1,2` list."""
    import itertools

    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    choices = []
    try:
        parser = OverridesParser.create().parse_overrides(overrides)
    except HydraException as error:
        raise FramingError("config", str(error).splitlines()[0], "write KEY=VALUE,VALUE") from None
    for word, parsed in zip(overrides, parser, strict=True):
        if parsed.is_sweep_override():
            key = parsed.get_key_element()
            choices.append([f"{key}={value}" for value in parsed.sweep_string_iterator()])
        else:
            choices.append([word])
    return [list(combination) for combination in itertools.product(*choices)]

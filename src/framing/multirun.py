"""Several runs under one parent: `framing train -m training.seed=1,2,3 model=tfidf,bundled`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from framing import summary
from framing.config import RunConfig
from framing.errors import FramingError
from framing.evaluation.metrics import Score
from framing.experiment import Result, run, run_name
from framing.learning import Reporter
from framing.tracking.store import open_run
from framing.tracking.tracker import NOTE

SEED = "training.seed"


def run_all(configs: Mapping[str, RunConfig], reporter: Reporter) -> dict[str, Result | FramingError]:
    """One nested run for each configuration, by what it varies (`model=tfidf training.seed=1`), and their summary.

    A run that fails for what its user can cure is shown at once, and the others go on.
    """
    first = next(iter(configs.values()))
    name = "-".join([first.name or first.data.name, "by", *_varied(configs)])
    results: dict[str, Result | FramingError] = {}
    with open_run(first, name, {"kind": "multirun", "data": first.data.name}) as parent:
        parent.log_params({"varied": "; ".join(configs)})
        for number, (label, config) in enumerate(configs.items(), 1):
            reporter.say(f"run {number} of {len(configs)}: {label}")
            named = config.model_copy(update={"name": _run_name(config, label)})
            try:
                results[label] = run(named, reporter, parent=parent.run_id)
            except FramingError as error:
                results[label] = error
                reporter.say(f"failed: {error}")
            parent.log_metrics({"runs/done": number, "runs/failed": len(_failed(results))}, number)
        groups = by_group({label: found.scores for label, found in results.items() if isinstance(found, Result)})
        for group, runs in groups.items():
            prefix = "runs" if len(groups) == 1 else f"runs/{_file_name(group)}"
            parent.log_metrics(summary.spread_metrics(runs, prefix))
        parent.log_tags({NOTE: summary.groups_note(groups)})
    return results


def by_group(scores: Mapping[str, list[Score]]) -> dict[str, list[list[Score]]]:
    """Runs that differ in the seed alone, together."""
    groups: dict[str, list[list[Score]]] = {}
    for label, found in scores.items():
        words = [word for word in label.split(" ") if not word.startswith(f"{SEED}=")]
        groups.setdefault(" ".join(words) or "all seeds", []).append(found)
    return groups


def _failed(results: Mapping[str, object]) -> Sequence[str]:
    return [label for label, found in results.items() if isinstance(found, FramingError)]


def _varied(labels: Mapping[str, object]) -> list[str]:
    return list(
        dict.fromkeys(word.partition("=")[0].rpartition(".")[2] for label in labels for word in label.split(" "))
    )


def _run_name(config: RunConfig, label: str) -> str:
    """The name of a single run, and what it does not say yet: `tfidf-corpus-s1-regularisation-4.0`."""
    said = () if config.name else ("model", "data", SEED, "folds", "leave_out.key")
    words = [word for word in label.split(" ") if word.partition("=")[0] not in said]
    return "-".join([config.name or run_name(config), *(_file_name(word) for word in words)])


def _file_name(label: str) -> str:
    """For names of runs, metrics and folders: `model-tfidf-seed-1`."""
    words = [f"{key.rpartition('.')[2]}-{value}" for key, _, value in (w.partition("=") for w in label.split(" "))]
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in "-".join(words)).strip("-")

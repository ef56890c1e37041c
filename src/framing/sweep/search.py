"""A sweep on one page: trials as nested runs under one parent, from whichever process, until all are done."""

from __future__ import annotations

import shutil
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from optuna.trial import Trial, TrialState

from framing.config import RunConfig, SweepConfig
from framing.errors import FramingError
from framing.experiment import Result, run
from framing.learning import Pruned, Reporter
from framing.lineage import lineage_tags
from framing.sweep import plots, results
from framing.sweep.objective import (
    Material,
    check_space,
    free_epochs,
    prepare,
    score_on_dev,
    score_on_folds,
    with_values,
)
from framing.sweep.study import Row, Search, chosen, states
from framing.tracking.store import end_parent, open_parent, open_run
from framing.tracking.tracker import CONFIG_FILE, INPUTS, NOTE, STATE, Tracker


@dataclass(frozen=True, slots=True)
class Plain:
    """The configuration without the sweep's own values: the choices of conf/ by group, and what they alone give."""

    choices: Mapping[str, str]
    values: Mapping[str, Any]
    command: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a sweep knows when this process has nothing left to do. `best` is None if no trial was scored."""

    rows: list[Row]
    best: Row | None
    folder: Path
    is_over: bool
    final: Result | None


def run_sweep(config: RunConfig, sweep: SweepConfig, plain: Plain, reporter: Reporter) -> Outcome:
    """Work on the sweep until all its trials are given out. The same call goes on with one that was killed."""
    check_space(config, sweep)
    config = free_epochs(config, sweep)
    material = prepare(config, sweep)
    search = Search(config.tracking.folder, sweep)
    tags = {**lineage_tags(config, material.schema, material.dataset), "kind": "sweep", "sweep": sweep.name}
    with search.lock:
        known = search.begin(_origin(config, sweep, tags), sweep.name)
        if search.is_concluded():
            return Outcome(search.rows(), search.best(), search.folder, True, None)
        parent = open_parent(config, f"sweep-{sweep.name}", tags, known)
        search.study.set_user_attr("run_id", parent.run_id)
        if known is None:
            parent.log_params({"sweep": sweep.model_dump(mode="json", exclude={"trials", "final"})})
    status = "FAILED"
    try:
        while (trial := search.next()) is not None:
            _work(trial, config, material, search, (parent, reporter))
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        if status != "FINISHED":
            end_parent(parent, status)
    with search.lock:
        return _conclude(config, search, plain, (parent, reporter))


def _origin(config: RunConfig, sweep: SweepConfig, tags: Mapping[str, str]) -> dict[str, Any]:
    """All that the trials' scores depend on, by a name that says what it is; more trials are the same sweep."""
    values = {
        f"{section}.{k}": v for section in ("model", "training", "data") for k, v in _dump(config, section).items()
    }
    values |= {f"sweep.{k}": v for k, v in sweep.model_dump(mode="json", exclude={"trials", "final"}).items()}
    return values | {key: tags[key] for key in ("schema_fingerprint", "data_fingerprint")}


def _dump(config: RunConfig, section: str) -> dict[str, Any]:
    found: dict[str, Any] = getattr(config, section).model_dump(mode="json")
    return found


class _Judge:
    """A trial's scores to the study, whose pruner compares them with those of other trials."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial

    def is_hopeless(self, step: int, score: float) -> bool:
        self.trial.report(score, step)
        return self.trial.should_prune()


def _work(
    trial: Trial, config: RunConfig, material: Material, search: Search, watchers: tuple[Tracker, Reporter]
) -> None:
    """One trial from its values to its score, as a nested run; it ends complete, pruned or failed."""
    parent, reporter = watchers
    label = f"trial {trial.number + 1} of {search.sweep.trials}"
    said = " ".join(f"{key.rpartition('.')[2]}={value}" for key, value in chosen(trial).items())
    twin = search.twin(trial)
    if twin is not None:
        search.end(trial, TrialState.COMPLETE, twin.value, f"same values as trial {twin.number + 1}")
        reporter.say(f"{label}: same values as trial {twin.number + 1} ({said})")
        return
    started = time.perf_counter()
    try:
        state, value, remark = _compute(trial, config, material, search, watchers)
    except Exception as error:  # whatever it is, the other trials are worth having
        state, value, remark = TrialState.FAIL, None, f"{type(error).__name__}: {error}"[:200]
        (search.folder / f"trial{trial.number + 1}.error.txt").write_text(traceback.format_exc())
    spent = time.perf_counter() - started
    trial.set_user_attr("seconds", spent)
    search.end(trial, state, value, remark)
    best = search.best()
    text = {TrialState.PRUNED: f"pruned {remark}", TrialState.FAIL: f"failed: {remark}"}.get(state, f"{value}")
    if state == TrialState.COMPLETE and value is not None:
        text = f"{value:.3f}" + (", the best so far" if best is not None and best.number == trial.number + 1 else "")
    reporter.say(f"{label}: {text} ({said}; {spent:.0f} s)")
    if best is not None and best.score is not None:
        parent.log_metrics({"best/headline": best.score}, trial.number + 1)


def _compute(
    trial: Trial, config: RunConfig, material: Material, search: Search, watchers: tuple[Tracker, Reporter]
) -> tuple[TrialState, float | None, str]:
    """The trial's run: from the beginning, or on from the last epoch or fold that was done before a kill."""
    parent, reporter = watchers
    name = f"{search.sweep.name}-{trial.number + 1:02d}"
    own = with_values(config, chosen(trial)).model_copy(update={"name": name})
    tags = lineage_tags(own, material.schema, material.dataset)
    tags |= {"kind": "trial", "sweep": search.sweep.name, "trial": str(trial.number + 1)}
    with open_run(own, name, tags, parent=parent.run_id, resume=trial.user_attrs.get("run_id")) as tracker:
        trial.set_user_attr("run_id", tracker.run_id)
        _log_config(own, tracker)
        score = score_on_folds if search.sweep.folds else score_on_dev
        watch = (reporter, f"trial {trial.number + 1} of {search.sweep.trials}", _Judge(trial))
        try:
            value = score(own, material, tracker, watch)
        except Pruned as error:  # it has done what it was for: its run ends as finished
            tracker.log_tags({"trial_state": "pruned"})
            return TrialState.PRUNED, None, str(error)
        finally:
            if not isinstance(sys.exception(), KeyboardInterrupt):
                (tracker.folder / STATE).unlink(missing_ok=True)
        tracker.log_tags({"trial_state": "complete"})
        tracker.log_metrics({"headline": value})
    return TrialState.COMPLETE, value, ""


def _conclude(config: RunConfig, search: Search, plain: Plain, watchers: tuple[Tracker, Reporter]) -> Outcome:
    """The last process out writes the table, the picture, the best configuration and the parent's description."""
    parent, reporter = watchers
    rows, best = search.rows(), search.best()
    if not search.is_over():
        return Outcome(rows, best, search.folder, False, None)
    if best is None:
        end_parent(parent, "FAILED")
        remark = next((row.remark for row in rows if row.remark), "all were pruned")
        cure = f"see {search.folder}, mend it and give the sweep another name: sweep.name=NAME"
        raise FramingError(f"sweep {search.sweep.name!r}", f"none of {len(rows)} trials was scored ({remark})", cure)
    chosen_config = with_values(config, best.values).model_copy(update={"name": f"{search.sweep.name}-best"})
    path = search.folder / results.BEST
    command = f"{plain.command} experiment={path}"
    head = f"# {command}\n# dev headline {best.score:.4f}: trial {best.number} of the sweep {search.sweep.name}\n"
    text = results.experiment_text(chosen_config.model_dump(mode="json"), plain.values, plain.choices, head)
    results.write(path, text)
    keys, importance = list(search.sweep.space), search.importance()
    results.write(search.folder / "trials.tsv", results.table_text(rows, keys))
    plots.picture(rows, search.sweep.space, importance, search.folder / "sweep.png")
    _tell(search, (rows, best, importance), command, parent)
    final = None
    if search.sweep.final and "final" not in search.study.user_attrs:
        reporter.say("training the best configuration, scored on test")
        final = run(chosen_config, reporter, parent=parent.run_id)
        search.study.set_user_attr("final", final.run_id)
    end_parent(parent, "FINISHED")
    search.study.set_user_attr("concluded", len(rows))
    return Outcome(rows, best, search.folder, True, final)


def _tell(search: Search, found: tuple[list[Row], Row, dict[str, float]], command: str, parent: Tracker) -> None:
    """The parent run: counts, importances, files, and a description that says it all."""
    rows, best, importance = found
    shown = parent.folder / "sweep"
    shown.mkdir(parents=True, exist_ok=True)
    for name in (results.BEST, "trials.tsv", "sweep.png"):
        shutil.copyfile(search.folder / name, shown / name)
    parent.log_files(shown)
    metrics = {f"trials/{state}": float(count) for state, count in states(rows).items()}
    metrics |= {f"importance/{key}": share for key, share in importance.items()}
    metrics |= {"trials/seconds": sum(row.seconds for row in rows), "headline": best.score or 0.0}
    parent.log_metrics(metrics)
    parent.log_tags({NOTE: results.note(rows, list(search.sweep.space), importance, command)})


def _log_config(config: RunConfig, tracker: Tracker) -> None:
    values = config.model_dump(mode="json")
    inputs = tracker.folder / INPUTS
    inputs.mkdir(parents=True, exist_ok=True)
    (inputs / CONFIG_FILE).write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    tracker.log_files(inputs)
    tracker.log_params({key: values[key] for key in ("data", "model", "training")})

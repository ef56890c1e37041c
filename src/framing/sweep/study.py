"""The search itself: Optuna's study in a sqlite file, shared by processes, gone on with after a kill."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock
from optuna.trial import FrozenTrial, Trial, TrialState

from framing.config import Choices, IntRange, Range, SweepConfig
from framing.errors import FramingError
from framing.tracking.liveness import PROCESS, is_gone, own_process

Values = dict[str, Any]
_ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


@dataclass(frozen=True, slots=True)
class Row:
    """One trial as a reader wants it. `state`: complete, pruned, failed or running; `steps`: epochs or folds it had.

    `number` counts from 1.
    """

    number: int
    state: str
    score: float | None
    values: Values
    remark: str
    seconds: float
    run_id: str
    steps: int


class Search:
    """A study and the files beside it. What several processes may do at once is done under one lock."""

    def __init__(self, folder: Path, sweep: SweepConfig) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.sweep = sweep
        self.folder = folder / "sweeps" / sweep.name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock = FileLock(self.folder / ".lock")
        with FileLock(folder / ".sweeps.lock"):  # two processes must not make the tables at once
            path = (folder / "sweeps.db").absolute()
            storage = optuna.storages.RDBStorage(f"sqlite:///{path}", {"connect_args": {"timeout": 60}})
            self.study = optuna.create_study(
                storage=storage, study_name=sweep.name, pruner=_pruner(sweep), direction="maximize", load_if_exists=True
            )

    def begin(self, origin: Mapping[str, Any], name: str) -> str | None:
        """Make sure that a study that is there began with the same `origin`; the id of its parent run."""
        known = self.study.user_attrs
        if "origin" not in known:
            self.study.set_user_attr("origin", json.dumps(origin, sort_keys=True))
            return None
        old = json.loads(known["origin"])
        if old != json.loads(json.dumps(origin)):
            changed = [key for key in sorted({*old, *origin}) if old.get(key) != origin.get(key)]
            finding = f"it began with other values of {', '.join(changed)}"
            raise FramingError(f"sweep {name!r}", finding, "restore them, or give it another name: sweep.name=NAME")
        return known.get("run_id")

    def next(self) -> Trial | None:
        """The trial to compute: one that a killed process left, else a new one; None when all are given out."""
        with self.lock:
            trials = self.study.get_trials(deepcopy=False)
            left = next((trial for trial in trials if trial.state == TrialState.RUNNING and _is_left(trial)), None)
            if left is None and len(trials) >= self.sweep.trials:
                return None
            # drawn by the trial's number, so that neither a restart nor a second process repeats what was drawn
            number = len(trials) if left is None else left.number
            self.study.sampler = _sampler(self.sweep, number)
            return self._own(self.study.ask() if left is None else Trial(self.study, left._trial_id))

    def _own(self, trial: Trial) -> Trial:
        """Mark it as this process's and draw what is not drawn yet: a kill may have come in between."""
        trial.set_user_attr(PROCESS, own_process())
        for key, found in self.sweep.space.items():
            _draw(trial, key, found)
        return trial

    def twin(self, trial: Trial) -> FrozenTrial | None:
        """A trial that was scored with the same values: learning them again would give the same."""
        trials = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return next((t for t in trials if chosen(t) == chosen(trial)), None)

    def end(self, trial: Trial, state: TrialState, score: float | None = None, remark: str = "") -> None:
        if remark:
            trial.set_user_attr("remark", remark)
        self.study.tell(trial.number, score, state=state)

    def rows(self) -> list[Row]:
        return [_row(trial) for trial in self.study.get_trials(deepcopy=False)]

    def best(self) -> Row | None:
        done = [row for row in self.rows() if row.state == "complete" and row.score is not None]
        return max(done, key=lambda row: row.score or 0.0, default=None)

    def is_over(self) -> bool:
        """All trials are given out and have ended: the last process out sums up."""
        trials = self.study.get_trials(deepcopy=False)
        return len(trials) >= self.sweep.trials and all(trial.state in _ENDED for trial in trials)

    def is_concluded(self) -> bool:
        """It was summed up, with all that is asked for now: there is nothing to do."""
        known = self.study.user_attrs
        return (
            known.get("concluded") == len(self.rows()) and self.is_over() and ("final" in known or not self.sweep.final)
        )

    def importance(self) -> dict[str, float]:
        """How much of the scores' variance each value explains (PED-ANOVA, Watanabe et al. 2023), highest first."""
        done = [trial for trial in self.study.get_trials(deepcopy=False) if trial.state == TrialState.COMPLETE]
        if len(done) < 4 or len({trial.value for trial in done}) < 2:
            return {}
        try:
            return {key: float(share) for key, share in optuna.importance.get_param_importances(self.study).items()}
        except (ValueError, RuntimeError) as error:
            logging.getLogger("framing").warning("no importances: %s", error)
            return {}


def _is_left(trial: FrozenTrial) -> bool:
    process = trial.user_attrs.get(PROCESS)
    return process is None or is_gone(process)


def chosen(trial: Trial | FrozenTrial) -> Values:
    """The values of a trial as a configuration takes them: real numbers of four digits, which read well."""
    return {key: float(f"{v:.4g}") if isinstance(v, float) else v for key, v in trial.params.items()}


def _draw(trial: Trial, key: str, found: Range) -> None:
    if isinstance(found, Choices):
        trial.suggest_categorical(key, list(found.choices))
    elif isinstance(found, IntRange):
        trial.suggest_int(key, found.low, found.high)
    else:
        trial.suggest_float(key, found.low, found.high, log=found.kind == "log")


def _sampler(sweep: SweepConfig, number: int) -> optuna.samplers.BaseSampler:
    # neighbouring seeds draw alike at first: 1, 2 and 3 must not begin as neighbours
    seed = int.from_bytes(hashlib.sha256(f"{sweep.seed}:{number}".encode()).digest()[:4], "big")
    if sweep.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=sweep.startup)


def _pruner(sweep: SweepConfig) -> optuna.pruners.BasePruner:
    if sweep.pruner == "median":
        return optuna.pruners.MedianPruner(sweep.startup, sweep.warmup)
    if sweep.pruner == "halving":
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=max(1, sweep.warmup))
    return optuna.pruners.NopPruner()


def _row(trial: FrozenTrial) -> Row:
    state = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
    known = trial.user_attrs
    return Row(
        number=trial.number + 1,
        state=state.get(trial.state, "running"),
        score=trial.value if trial.state == TrialState.COMPLETE else None,
        values=chosen(trial),
        remark=str(known.get("remark", "")),
        seconds=float(known.get("seconds", 0.0)),
        run_id=str(known.get("run_id", "")),
        steps=len(trial.intermediate_values),
    )


def states(rows: Sequence[Row]) -> dict[str, int]:
    """How many trials are in each state."""
    return {state: sum(row.state == state for row in rows) for state in ("complete", "pruned", "failed", "running")}

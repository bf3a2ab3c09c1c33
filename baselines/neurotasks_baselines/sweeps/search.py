"""Settings that Optuna proposes, with a journal in the directory of the sweep."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from neurotasks.errors import require
from neurotasks_baselines.errors import RunDirectoryError
from neurotasks_baselines.files import json_text
from neurotasks_baselines.sweeps.spec import Range, Setting, Sweep

JOURNAL = "search.log"
STUDY = "sweep"


class Search:
    """A study of Optuna, which resumes from its journal.

    Settings are proposed by its TPE sampler, which counts those that are being tried.

    Args:
        sweep: Sweep with the values to choose from.
        out: Directory of the journal.

    Raises:
        DependencyNotInstalled: If Optuna is not installed.
        RunDirectoryError: If the journal is that of another search.
    """

    def __init__(self, sweep: Sweep, out: Path) -> None:
        optuna: Any = require("optuna", "sweep")
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.sweep, self.optuna = sweep, optuna
        self.trials: list[int] = []  # numbers of Optuna's trials by number of the setting
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{JOURNAL}.lock").unlink(missing_ok=True)  # of a process that was killed
        journal = optuna.storages.journal.JournalFileBackend(str(out / JOURNAL))
        self.study = optuna.create_study(
            study_name=STUDY,
            storage=optuna.storages.JournalStorage(journal),
            sampler=optuna.samplers.TPESampler(seed=0, constant_liar=True),
            direction="maximize" if sweep.maximize else "minimize",
            load_if_exists=True,
        )
        wanted = json_text(
            {
                "targets": sweep.targets,
                "seeds": sweep.seeds,
                "values": {
                    n: v if isinstance(v, list) else vars(v) for n, v in sweep.values.items()
                },
                "objective": [sweep.objective, sweep.maximize, repr(sweep.criterion)],
            }
        )
        known = self.study.user_attrs.setdefault("sweep", wanted)
        if known != wanted:
            raise RunDirectoryError(
                f"{out} must hold this search; got one of other values, seeds or objective, which "
                "are not comparable. Choose another --out. (Its number of trials may change.)"
            )
        self.study.set_user_attr("sweep", wanted)

    def settings(self) -> Iterator[tuple[int, Setting]]:
        """Propose settings with their numbers: first all that earlier runs proposed."""
        for trial in self.study.get_trials(deepcopy=False):
            if trial.params.keys() == self.sweep.values.keys():  # else it was interrupted in asking
                yield self._numbered(trial)
        while len(self.trials) < (self.sweep.trials or 0):
            yield self._numbered(self.study.ask(self._distributions()))

    def tell(self, number: int, value: float) -> None:
        """Report the objective of a setting; one that is not finite counts as a failure."""
        states = self.optuna.trial.TrialState
        finite = math.isfinite(value)
        self.study.tell(
            self.trials[number],
            value if finite else None,
            state=states.COMPLETE if finite else states.FAIL,
            skip_if_finished=True,
        )

    def _distributions(self) -> dict[str, Any]:
        made = self.optuna.distributions
        found: dict[str, Any] = {}
        for name, values in self.sweep.values.items():
            if not isinstance(values, Range):
                found[name] = made.CategoricalDistribution(range(len(values)))
            elif isinstance(values.low, int) and isinstance(values.high, int):
                found[name] = made.IntDistribution(values.low, values.high, log=values.log)
            else:
                found[name] = made.FloatDistribution(values.low, values.high, log=values.log)
        return found

    def _numbered(self, trial: Any) -> tuple[int, Setting]:
        """Return the number and the values of a trial; those of lists are places in them."""
        found: Setting = {}
        for name, values in self.sweep.values.items():
            value = trial.params[name]
            found[name] = value if isinstance(values, Range) else values[value]
        self.trials.append(trial.number)
        return len(self.trials) - 1, found

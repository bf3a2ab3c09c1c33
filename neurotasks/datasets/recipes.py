"""Recipes of public data, which their authors have and this package has not (but for one).

`RECIPES` names them. How each reads is stated here, with where it is known from.
"""

from __future__ import annotations

from dataclasses import replace

from neurotasks.datasets.recipe import Codes, Number, Recipe
from neurotasks.datasets.tables import FILE

TWO_STEP, BANDIT = "neurotasks/TwoStep-v0", "neurotasks/Bandit-v0"
TWO_STEP_DAW = "neurotasks/TwoStepDaw-v0"
LEFT_RIGHT = {1: 0, 2: 1}
HUMAN = (
    "second-stage choices and the drifting reward probabilities of the four second-stage stimuli, "
    "for which the two-step task has no column"
)

GILLAN = Recipe(
    task=TWO_STEP,
    subject="person",
    trial="trial",
    first_trial=1,
    columns={
        "choice": Codes("response_1", {"left": 0, "right": 1}),
        "common": Codes("common", {"true": 1, "false": 0}),
        "second_state": Codes("state_2", {2: 0, 3: 1}),
        "outcome": Codes("reward", {1: 1, 0: 0}),
    },
    missed={"response_1": (-1, None), "response_2": (-1, None), "reward": (-1, None)},
    keep={"rt_1": "rt_1", "rt_2": "rt_2", "response_2": "response_2"},
    source="OSF usdgt; one file per person in github.com/crgagne/twosteps_neurips2021",
    citation=(
        "Gillan, Kosinski, Whelan, Phelps, Daw (2016). Characterizing a psychiatric symptom "
        "dimension related to deficits in goal-directed control. eLife 5:e11305"
    ),
    licence="none stated",
    leaves_out=f"{HUMAN}; first-stage choices of trials whose second stage was missed",
)

GILLAN_RAW = replace(
    GILLAN,
    subject=FILE,
    names=(
        *("trial", "drift_1", "drift_2", "drift_3", "drift_4", "response_1", "stimulus_1", "rt_1"),
        *("common", "response_2", "stimulus_2", "state_2", "rt_2", "reward", "flag"),
    ),
    leaves_out=f"the lines of instructions, age and gender above the trials; {GILLAN.leaves_out}",
)

GILLAN_DAW = replace(
    GILLAN,
    task=TWO_STEP_DAW,
    columns={**GILLAN.columns, "second_choice": Codes("response_2", {"left": 0, "right": 1})},
    keep={"rt_1": "rt_1", "rt_2": "rt_2"},
    leaves_out="the drifting reward probabilities; first-stage choices of trials whose second "
    "stage was missed",
)

KOOL = Recipe(
    task=TWO_STEP,
    variable="groupdata.subdata",
    levels={"person": ""},
    subject="person",
    trial="trial",
    first_trial=0,
    columns={
        "choice": Codes("choice1", LEFT_RIGHT),
        "common": Codes("common", {1: 1, 0: 0}),
        "second_state": Codes("state2", LEFT_RIGHT),
        "outcome": Codes("win", {1: 1, 0: 0}),
    },
    missed={"missed": (1,)},
    most_missed=24,  # groupanalysis.m: sum(subdata.missed) < 25
    rows={"practice": (0,)},
    keep={"rt_1": "rt1", "rt_2": "rt2", "choice_2": "choice2"},
    source="github.com/wkool/tradeoffs, data/daw paradigm/groupdata.mat",
    citation=(
        "Kool, Cushman, Gershman (2016). When does model-based control pay off? PLoS Computational "
        "Biology 12:e1005090"
    ),
    licence="none stated",
    leaves_out="people with 25 missed trials or more, as in the paper (9 of 206); "
    f"{HUMAN}; first-stage choices of trials whose second stage was missed",
)

KOOL_DAW = replace(
    KOOL,
    task=TWO_STEP_DAW,
    columns={**KOOL.columns, "second_choice": Codes("choice2", LEFT_RIGHT)},
    keep={"rt_1": "rt1", "rt_2": "rt2"},
    leaves_out="people with 25 missed trials or more, as in the paper (9 of 206); the drifting "
    "reward probabilities; first-stage choices of trials whose second stage was missed",
)

NUSSENBAUM_ADJACENT = Recipe(
    task=TWO_STEP,
    subject="subject_id",
    trial="trial",
    gaps="missed",
    columns={
        "choice": Codes("choice_1", LEFT_RIGHT),
        "common": Codes("transition", {"common": 1, "rare": 0}),
        "outcome": Codes("reward", {1: 1, 0: 0}),
    },
    rows={"practice_trial": ("real",)},
    keep={
        **{"age": "age", "age_group": "age_group", "rt_1": "rt_1", "rt_2": "rt_2"},
        **{"choice_2": "choice_2", "published_trial": "trial"},
    },
    source="github.com/hartleylabnyu/online_two_step_replication",
    citation=(
        "Nussenbaum, Scheuplein, Phaneuf, Evans, Hartley (2020). Moving developmental research "
        "online: comparing in-lab and web-based studies of model-based reinforcement learning. "
        "Collabra: Psychology 6:17213"
    ),
    licence="none stated",
    leaves_out="the first 9 trials of each person, which the file lacks, as it lacks missed "
    f"trials; {HUMAN}",
)

NUSSENBAUM = replace(
    NUSSENBAUM_ADJACENT,
    trial="",
    order="trial",
    gaps="refused",
    predecessor={
        "choice": Codes("previous_choice", LEFT_RIGHT),
        "common": Codes("previous_transition", {"common": 1, "rare": 0}),
        "outcome": Codes("previous_reward", {"Reward": 1, "No Reward": 0}),
    },
    leaves_out="missed trials, which the file lacks: as in the published analysis, trials count as "
    "following each other across them, and the first trial of each person here is the one that the "
    f"file tells of as the previous one; {HUMAN}",
)

MIRANDA = Recipe(
    task=TWO_STEP,
    variable="PreparedData",
    levels={"monkey": "subject_for_analysis", "day": ""},
    subject="monkey",
    session="day",
    trial="indxGoodTrials",
    first_trial=1,
    gaps="missed",
    columns={
        "choice": Codes("PicChosen1", LEFT_RIGHT),
        "common": Codes("Transition", {1: 1, 2: 0}),
        "second_state": Codes("PicChosen2", {3: 0, 4: 0, 5: 1, 6: 1}),
        "outcome": Codes("LevelRew2", {1: 1, 2: -1, 3: 0}),
        "reward": Codes("LevelRew2", {1: 1.0, 2: 0.5, 3: 0.0}),
    },
    keep={
        **{"picture_2": "PicChosen2", "side_1": "SideResp1", "side_2": "SideResp2", "rt_1": "RT1"},
        **{"rt_2": "RT2", "reward_level": "LevelRew2", "juice_ms": "PayRew2"},
        "trial_type": "TrialType",
    },
    source="github.com/jamesbutler01/TwoStepTask, PreparedData.mat",
    citation=(
        "Miranda, Butler, Malalasekera, Behrens, Dayan, Kennerley (2025). Neural signatures of "
        "model-based and model-free reinforcement learning across prefrontal cortex and striatum. "
        "eLife 14:RP106032"
    ),
    licence="none stated (its authors ask to be cited)",
    leaves_out="trials that are not good ones (missed here). The middle of three reward levels is "
    "neither rewarded nor unrewarded: outcome -1 with reward 0.5, so that stay probabilities "
    "compare the best level with none. Kept are trials in which a choice was forced (trial_type 2 "
    "at the first stage, 3 at the second, says the authors' ImportData.py; 7 % each). After a "
    "reward a forced first choice is repeated in half of the trials, so that effects on staying "
    "are smaller than those of free choices (miranda2025_free)",
)

MIRANDA_FREE = replace(
    MIRANDA,
    missed={"TrialType": (2,)},
    leaves_out="trials whose first choice was forced (TrialType 2, 7 %), and trials "
    "that are not good ones: missed here, so that what follows on them is not counted either. "
    "Outcomes as in miranda2025",
)

PAID = {1: 0.25, 2: 0.25, 3: 0.125, 4: 0.125, 5: 0.08, 6: 0.08}
"""Reward probability of the better key in each condition (Dezfouli 2019, Methods)."""
WORSE = 0.05
# The column `choice` is not the key: R1 stands for the better one. R1 of `key` is the right key
# (rnn_beh, src/BD/data/data_reader.py).
PRESSES = [(c, key, best) for c in PAID for key in ("R1", "R2") for best in ("R1", "R2")]

DEZFOULI = Recipe(
    task=BANDIT,
    subject="ID",
    session="trial",
    order="time",
    columns={
        "choice": Codes("key", {"R2": 0, "R1": 1}),
        "outcome": Codes("reward", {1: 1, 0: 0}),
        "p_0": Codes(
            ("condition", "key", "choice"),
            {(c, k, b): PAID[c] if (k == "R2") == (b == "R1") else WORSE for c, k, b in PRESSES},
        ),
        "p_1": Codes(
            ("condition", "key", "choice"),
            {(c, k, b): PAID[c] if (k == "R1") == (b == "R1") else WORSE for c, k, b in PRESSES},
        ),
        "regret": Codes(
            ("condition", "choice"),
            {(c, b): 0.0 if b == "R1" else PAID[c] - WORSE for c in PAID for b in ("R1", "R2")},
        ),
    },
    keep={"diagnosis": "diag", "condition": "condition", "time_ms": "time"},
    source="github.com/adezfouli/rnn_beh, data/BD/choices_diagno.csv.zip",
    citation=(
        "Dezfouli, Griffiths, Ramos, Dayan, Balleine (2019). Models that learn how humans learn: "
        "the case of decision-making and its disorders. PLoS Computational Biology 15:e1006903"
    ),
    licence="Apache-2.0",
    leaves_out="which of two snacks was won, scores of mania and depression, press rates",
)

HBAYESDM = {
    "source": "the package hBayesDM (pip install hbayesdm), common/extdata",
    "citation": (
        "Ahn, Haines, Zhang (2017). Revealing neurocomputational mechanisms of reinforcement "
        "learning and decision-making with the hBayesDM package. Computational Psychiatry 1:24"
    ),
    "licence": "GPL-3.0, that of the package",
}


def _hbayesdm_bandit(arms: int, win: int = 1, **options: str) -> Recipe:
    """Return the recipe of an example with choices from 1 and outcomes of +win and -win."""
    return Recipe(
        task=BANDIT,
        separator="\t",
        subject="subjID",
        trial="trial",
        first_trial=1,
        columns={
            "choice": Codes("choice", {arm + 1: arm for arm in range(arms)}),
            "outcome": Codes("outcome", {win: 1, -win: 0}),
            "reward": Codes("outcome", {win: 1.0, -win: -1.0}),
        },
        leaves_out="reward probabilities, which the file lacks; losses are outcome 0 and reward -1",
        **{**HBAYESDM, **options},  # type: ignore[arg-type]
    )


RECIPES: dict[str, Recipe] = {
    "gillan2016": GILLAN,
    "gillan2016_raw": GILLAN_RAW,
    "gillan2016_daw": GILLAN_DAW,
    "kool2016": KOOL,
    "kool2016_daw": KOOL_DAW,
    "nussenbaum2020": NUSSENBAUM,
    "nussenbaum2020_adjacent": NUSSENBAUM_ADJACENT,
    "miranda2025": MIRANDA,
    "miranda2025_free": MIRANDA_FREE,
    "dezfouli2019": DEZFOULI,
    "hbayesdm_ts": Recipe(
        task=TWO_STEP,
        separator="\t",
        subject="subjID",
        trial="trial",
        first_trial=1,
        gaps="missed",
        columns={
            "choice": Codes("level1_choice", LEFT_RIGHT),
            "second_state": Codes("level2_choice", {1: 0, 2: 0, 3: 1, 4: 1}),
            "outcome": Codes("reward", {1: 1, 0: 0}),
        },
        keep={"level2_choice": "level2_choice"},
        leaves_out=HUMAN,
        **HBAYESDM,  # type: ignore[arg-type]
    ),
    "hbayesdm_bandit2arm": _hbayesdm_bandit(2),
    "hbayesdm_prl": _hbayesdm_bandit(2),
    "hbayesdm_prl_multipleB": _hbayesdm_bandit(2, win=25, session="block"),
    "hbayesdm_bandit4arm": Recipe(
        task=BANDIT,
        separator="\t",
        subject="subjID",
        columns={
            "choice": Codes("choice", {arm + 1: arm for arm in range(4)}),
            "outcome": Codes("gain", {1: 1, 0: 0}),
            "reward": Codes(
                ("gain", "loss"), {(1, 0): 1.0, (1, -1): 0.0, (0, 0): 0.0, (0, -1): -1.0}
            ),
        },
        keep={"gain": "gain", "loss": "loss"},
        leaves_out="nothing; the outcome is the gain, the reward gain and loss together",
        **HBAYESDM,  # type: ignore[arg-type]
    ),
    "hbayesdm_bandit4arm2": Recipe(
        task=BANDIT,
        separator="\t",
        subject="subjID",
        columns={
            "choice": Codes("choice", {arm + 1: arm for arm in range(4)}),
            "reward": Number("outcome", 0, 100, divide=100),
        },
        leaves_out="nothing; the reward is the points won, 1 for 100 of them",
        **HBAYESDM,  # type: ignore[arg-type]
    ),
}
"""Name -> recipe. ``"nussenbaum2020"`` follows the published analysis; with
``"nussenbaum2020_adjacent"`` a trial follows on another only if their numbers do. hBayesDM's other
examples are of tasks that this package has not."""

"""Which planted faults `check-memory` finds, in which of several runs.

    python tests/support/memory_matrix.py [--agents sb3 cleanrl torchrl] [--runs 5] [--out FILE]

Each row is an agent with a fault: it is trained on the tasks that the fault can show in; what the
fault does not touch is taken from the correct agent of the same seed, which is the first row. A
fault counts as found if the finding about it is "broken" and names it; a correct agent passes if
everything is "right".
"""

import argparse
import importlib
import json
import sys
import time
from pathlib import Path

from neurotasks_baselines.suite.memory_check import STEPS, Measures, joined, measure
from neurotasks_baselines.suite.memory_findings import findings
from neurotasks_baselines.tables import markdown_table

RESET, CUE = "reset at the start of an episode", "a cue some steps ago"
APART, ROLLOUTS = "environments kept apart", "memory across rollouts"
FAULTS = {  # the tasks that are trained on, the finding, and words of its text
    "never reset": (("start", "cue"), RESET, "not reset"),
    "reset every rollout": (("hold",), ROLLOUTS, "in training the state is lost every"),
    "reset one step late": (("start", "cue"), RESET, "one step late"),
    "reset one step late, in training only": (("start", "cue"), RESET, "one step late"),
    "states mixed up": (("start", "cue"), APART, "mixed up"),
    "states mixed up, in training only": (("start", "cue"), CUE, "own state back"),
    "last reward late": (("reward",), "last reward", "one step late"),
    "off in training": (("start", "cue"), CUE, "off in training"),
}


def run(agent, seed, faults):
    """Yield a row for the correct agent and for each fault."""
    module = importlib.import_module(f"memory_of_{agent}")
    correct = Measures({}, {}, None)
    for fault in ("none", *faults):
        needs, name, words = FAULTS.get(fault, (tuple(STEPS), None, None))
        started = time.process_time()
        found = correct
        for need in needs:
            found = joined(found, measure(module.make_agent(fault), need, seed=seed))
        seconds = time.process_time() - started
        correct = found if fault == "none" else correct
        broken = {f.name: f.text for f in findings(found) if f.verdict != "right"}
        right = words in broken.get(name, "") if name else not broken
        row = {"agent": agent, "fault": fault, "seed": seed, "as_wanted": right}
        yield row | {"cpu_seconds": round(seconds, 1), "broken": broken}


def main():
    """Run it, print each row as it comes, and a table of all at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", nargs="+", default=["sb3", "cleanrl", "torchrl"])
    parser.add_argument("--faults", nargs="*", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = []
    for seed in range(options.runs):
        for agent in options.agents:
            for row in run(agent, seed, options.faults):
                rows.append(row)
                sys.stdout.write(f"{json.dumps(row)}\n")
                sys.stdout.flush()
                if options.out:
                    options.out.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    sys.stdout.write(f"{summary(rows)}\n")
    return int(not all(row["as_wanted"] for row in rows))


def summary(rows):
    """Return a table of how many runs of each cell were as wanted, with their mean CPU time."""
    cells = {}
    for row in rows:
        cells.setdefault((row["fault"], row["agent"]), []).append(row)
    agents, faults = (list(dict.fromkeys(row[name] for row in rows)) for name in ("agent", "fault"))
    body = [[fault, *(_cell(cells[fault, agent]) for agent in agents)] for fault in faults]
    return markdown_table(["planted fault", *agents], body)


def _cell(rows):
    seconds = sum(row["cpu_seconds"] for row in rows) / len(rows)
    return f"{sum(row['as_wanted'] for row in rows)} of {len(rows)}, {seconds:.0f} s"


if __name__ == "__main__":
    sys.exit(main())

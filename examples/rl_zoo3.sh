#!/usr/bin/env bash
# Train with rl_zoo3's command line, and let it play what it has learned.
#
#     pip install rl_zoo3==2.9.2 requests
#     examples/rl_zoo3.sh [FOLDER [OPTIONS OF rl_zoo3.train]]
#
# The id goes without "neurotasks:" and the package in --gym-packages. A few steps are enough to see
# that it runs: examples/rl_zoo3.sh logs -n 1000
set -euo pipefail
folder=${1:-logs}
settings=$(dirname "$0")/rl_zoo3.yml
common=(--algo ppo_lstm --env neurotasks/BanditUniform-v0 --gym-packages neurotasks)

python -m rl_zoo3.train "${common[@]}" -conf "$settings" --log-folder "$folder" \
    --num-threads 1 --seed 0 --eval-freq -1 "${@:2}"
python -m rl_zoo3.enjoy "${common[@]}" --folder "$folder" --num-threads 1 --n-timesteps 1000 \
    --no-render

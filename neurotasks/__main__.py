"""``python -m neurotasks`` is the ``neurotasks`` command, which comes with the agents."""

import sys
from importlib import import_module

try:
    main = import_module("neurotasks_baselines.cli.main").main
except ModuleNotFoundError:
    sys.exit("neurotasks: the command is not installed. Run `pip install 'neurotasks[baselines]'`.")
sys.exit(main())

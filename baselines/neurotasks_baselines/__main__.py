"""``python -m neurotasks_baselines`` is the ``neurotasks`` command."""

import sys

from neurotasks_baselines.cli.main import main

sys.exit(main())

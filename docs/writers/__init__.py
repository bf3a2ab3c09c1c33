"""What pages show of the code: functions that return Markdown, for ``docs/generate.py``."""

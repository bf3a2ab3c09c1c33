"""What the site shows of the code: functions that return Markdown, read by ``docs/hooks.py``."""

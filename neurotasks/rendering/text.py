"""Frames as text, for a terminal."""

from __future__ import annotations

import textwrap

from neurotasks.rendering.frame import Frame, signed

COLUMNS, ROWS, TEXT_WIDTH = 58, 11, 78
LETTERS = {
    "cross": ("+", "{}"),
    "disc": ("(O)", "({})"),
    "ring": ("( )", "({})"),
    "square": ("[ ]", "[{}]"),
    "text": ("", "{}"),
    "image": ("<image>", "<{}>"),
}  # without and with a label


def text(frame: Frame) -> str:
    """Return a frame as text, at most 78 columns wide."""
    screen = [[" "] * COLUMNS for _ in range(ROWS)]
    for item in frame.items:
        bare, labelled = LETTERS.get(item.kind, LETTERS["text"])
        word = labelled.format(item.text) if item.text else bare
        row = min(max(int(item.y * ROWS), 0), ROWS - 1)
        start = min(max(round(item.x * COLUMNS - len(word) / 2), 0), max(COLUMNS - len(word), 0))
        for column, letter in enumerate(word[:COLUMNS], start):
            if letter != " ":  # so that a ring shows what is in it
                screen[row][column] = letter
    edge = "+" + "-" * COLUMNS + "+"
    goal = textwrap.wrap(frame.goal, COLUMNS)
    lines = [*goal, edge, *("|" + "".join(row) + "|" for row in screen), edge]
    strip = f" trial {frame.trial} of {frame.trials}"
    if frame.action:
        strip = f"{strip:24}last action: {frame.action}   reward: {signed(frame.reward)}"
    lines.append(strip)
    points = "" if frame.points is None else f" points {frame.points:.4g}"
    if points or frame.told:
        lines.append(f"{points:24}{frame.told}")
    if frame.keys:
        lines += textwrap.wrap(frame.keys, TEXT_WIDTH)
    if frame.truth is not None:
        lines.append(" hidden:")
        size = max((len(name) for name, _ in frame.truth), default=0)
        for name, value in frame.truth:
            indent = " " * (size + 4)
            lines += textwrap.wrap(
                f"{name:{size}}  {value}",
                TEXT_WIDTH,
                initial_indent="  ",
                subsequent_indent=indent,
                drop_whitespace=False,
            )
    return "\n".join(line.rstrip() for line in lines) + "\n"

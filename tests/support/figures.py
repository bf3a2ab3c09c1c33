"""What tests of figures share."""


def assert_drawn(figure, path):
    """Save a figure; every axes that is shown says what it shows."""
    figure.savefig(path)
    assert path.stat().st_size > 0
    shown = [axes for axes in figure.axes if axes.axison]
    assert shown
    for axes in shown:
        words = (axes.get_title(loc="left"), axes.get_title(), axes.get_xlabel(), axes.get_ylabel())
        assert any(words), f"axes {figure.axes.index(axes)} of {len(figure.axes)} say nothing"

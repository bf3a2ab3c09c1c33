"""What the figures of experiments share, and their copies in the documentation."""

import json
import math
import re

import numpy as np
import pandas as pd
import pytest
from figures import assert_drawn
from PIL import Image
from scipy.spatial.distance import cdist

from neurotasks_baselines.experiments import EXPERIMENTS, results
from neurotasks_baselines.experiments.claims import estimate
from neurotasks_baselines.experiments.drawing import (
    FOIL_LOOKS,
    draw_bars,
    draw_foils,
    draw_mean,
    legend_of_foils,
    mean_and_interval,
    titled,
)
from neurotasks_baselines.experiments.learners import FROZEN, LACKING
from neurotasks_baselines.experiments.report import Part
from neurotasks_baselines.plotting import (
    MOST_POINTS,
    letter_panels,
    new_figure,
    plotted_data,
    save_figure,
    style,
)

FOILS = {name: [{"value": [i, i + 2.0]}] * 2 for i, name in enumerate(FOIL_LOOKS)}


# Means over seeds.


def test_intervals_are_those_of_the_claims():
    values = np.array([[1.0, 2.0, 5.0], [1.0, 3.0, np.nan], [1.0, 7.0, 1.0]])
    found = np.stack(mean_and_interval(values), axis=1)
    for got, column in zip(found, values.T, strict=True):
        expected = estimate(column)
        assert got[1:] == pytest.approx(expected[1:], nan_ok=True)
        assert got[0] == pytest.approx(np.mean(column), nan_ok=True)


def test_one_seed_has_no_interval():
    mean, low, high = mean_and_interval([[1.0, None]])
    assert mean == pytest.approx([1.0, np.nan], nan_ok=True)
    assert np.isnan([low, high]).all()


def test_means_are_drawn_and_seeds():
    _, (axis,) = new_figure(1)
    draw_mean(axis, [0, 1], [[1, 2], [3, 6]], "black", label="agent")
    *seeds, mean = axis.lines
    assert [line.get_ydata().tolist() for line in seeds] == [[1, 2], [3, 6]]
    assert mean.get_ydata().tolist() == [2, 4]
    draw_bars(axis, [0, 1], [[1, 2], [3, 6]], "black")
    assert [bar.get_height() for bar in axis.patches] == [2, 4]


def test_titles_say_the_number_of_seeds():
    assert titled("Staying", [{}] * 3) == "Staying (n = 3)"


# Agents that lack something.


def test_each_foil_has_its_look():
    assert set(FOIL_LOOKS) == {*LACKING.values(), FROZEN}
    assert len({look["marker"] for look in FOIL_LOOKS.values()}) == len(FOIL_LOOKS)


def test_foils_are_drawn_and_explained(tmp_path):
    figure, (axis,) = new_figure(1)
    axis.set_title("foils")
    draw_foils(axis, [0, 1], FOILS, lambda m: m["value"])
    assert [line.get_ydata().tolist() for line in axis.lines] == [[i, i + 2] for i in range(4)]
    legend_of_foils(figure, FOILS)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(FOIL_LOOKS)
    assert_drawn(figure, tmp_path / "figure.png")


def test_foils_without_a_value_are_left_out():
    figure, (axis,) = new_figure(1)
    foils = FOILS | {FROZEN: [{}], LACKING["feed-forward"]: [{"value": [None, None]}]}
    draw_foils(axis, [0, 1], foils, lambda m: m["value"])
    assert len(axis.lines) == 3
    assert np.isnan(axis.lines[0].get_ydata()).all()
    draw_foils(axis, [0, 1], {}, lambda m: m["value"])
    legend_of_foils(figure, {})
    assert len(axis.lines) == 3
    assert not figure.legends


def test_panels_have_letters():
    _, axes = new_figure(3)
    letter_panels(axes[:2])
    assert [[text.get_text() for text in axis.texts] for axis in axes] == [["a"], ["b"], []]


# What is shown, as a table.


def draw():
    with style():
        figure, (left, right) = new_figure(2)
    letter_panels([left, right])
    left.set(title="Means", xlabel="trial", ylabel="reward")
    left.plot([1, 2], [0.5, 0.75], label="agent")
    left.plot([1, 2], [0.1, 0.2])
    left.axhline(0.7, label="ideal")
    left.fill_between([1, 2], [0.4, 0.7], [0.6, 0.8])
    left.vlines([3], [0.1], [0.3])
    right.bar([0, 1], [2.0, -3.0], label="up")
    right.barh([5], [4.0])
    right.scatter([1, 2], [3, 4], c=[0.1, 0.9])
    right.imshow([[1.0, 2.0]])
    return figure


def test_the_table_of_a_figure_holds_what_it_shows():
    table = plotted_data(draw())
    where = ["panel", "title", "x_label", "y_label"]
    assert table[where].drop_duplicates().fillna("").values.tolist() == [
        ["a", "Means", "trial", "reward"],
        ["b", "", "", ""],
    ]
    nan, columns = math.nan, ["kind", "series", "x", "y", "low", "high", "value"]
    expected = [
        ("line", "agent", 1, 0.5, nan, nan, nan),
        ("line", "agent", 2, 0.75, nan, nan, nan),
        ("line", "1", 1, 0.1, nan, nan, nan),
        ("line", "1", 2, 0.2, nan, nan, nan),
        ("line", "ideal", nan, 0.7, nan, nan, nan),
        ("line", "ideal", nan, 0.7, nan, nan, nan),
        ("interval", "0", 1, nan, 0.4, 0.6, nan),
        ("interval", "0", 2, nan, 0.7, 0.8, nan),
        ("interval", "1", 3, nan, 0.1, 0.3, nan),
        ("bar", "up", 0, 2, nan, nan, nan),
        ("bar", "up", 1, -3, nan, nan, nan),
        ("bar", "1", 4, 5, nan, nan, nan),
        ("points", "0", 1, 3, nan, nan, 0.1),
        ("points", "0", 2, 4, nan, nan, 0.9),
        ("image", "0", 0, 0, nan, nan, 1),
        ("image", "0", 1, 0, nan, nan, 2),
    ]
    pd.testing.assert_frame_equal(table[columns], pd.DataFrame(expected, columns=columns))


def test_a_figure_is_saved_with_its_data_twice_alike(tmp_path):
    save_figure(draw(), tmp_path / "f.png")
    assert {file.name for file in tmp_path.iterdir()} == {"f.png", "f.svg", "f.csv"}
    before = (tmp_path / "f.svg").read_text()
    assert ">reward</text>" in before  # words stay words
    assert len(pd.read_csv(tmp_path / "f.csv")) == len(plotted_data(draw()))
    save_figure(draw(), tmp_path / "f.png")
    assert (tmp_path / "f.svg").read_text() == before


@pytest.mark.parametrize("kind", ["plot", "scatter"])
@pytest.mark.parametrize("more", [0, 1])
def test_many_points_are_one_picture_in_the_svg(kind, more, tmp_path):
    figure, axes = new_figure(2)
    x = np.arange(MOST_POINTS + more) % 7
    getattr(axes[0], kind)(x, x, **({"marker": "o"} if kind == "plot" else {"c": x}))
    axes[0].set_title("many")
    axes[1].plot([1, 2], [3, 4], "o")
    save_figure(figure, tmp_path / "f.png")
    drawing = (tmp_path / "f.svg").read_text()
    assert drawing.count("<image") == more
    assert (drawing.count("<use") > MOST_POINTS) == (not more)
    assert ">many</text>" in drawing
    assert len(pd.read_csv(tmp_path / "f.csv")) == len(x) + 2


def test_places_in_the_svg_have_two_decimals_and_words_keep_theirs(tmp_path):
    figure, (axis,) = new_figure(1)
    axis.plot([0.0, 0.1234567, 1.0], [0, 1, 0.7654321])
    axis.set_title("0.12345")
    save_figure(figure, tmp_path / "f.png")
    drawing = (tmp_path / "f.svg").read_text()
    places = re.findall(r' (?:d|x|y)="([^"]*)"', drawing)
    decimals = {len(found) for found in re.findall(r"\.(\d+)", " ".join(places))}
    assert max(decimals) == 2
    assert ">0.12345</text>" in drawing


def test_a_line_with_few_markers_stays_a_line(tmp_path):
    figure, (axis,) = new_figure(1)
    axis.plot(np.arange(2 * MOST_POINTS), "o", markevery=(9, 100))
    save_figure(figure, tmp_path / "f.png")
    assert "<image" not in (tmp_path / "f.svg").read_text()


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_lines_in_the_svg_lack_only_vertices_that_do_not_show(scale, tmp_path):
    """Those of a line with corners are all there; the data are those of every vertex."""
    figure, (axis,) = new_figure(1)
    x = np.arange(1, 200)
    axis.plot(x, x / 7, gid="smooth")
    axis.plot(x[:20], 5 + 4 * (-1.0) ** x[:20], gid="corners")
    axis.set_yscale(scale)
    save_figure(figure, tmp_path / "f.png")
    drawing = (tmp_path / "f.svg").read_text()
    lines = {
        name: np.array(re.search(rf'id="{name}">\s*<path d="M ([^"]*)"', drawing)[1].split(), float)
        for name in ("smooth", "corners")
    }
    assert len(lines["corners"]) // 2 >= 20
    assert len(lines["smooth"]) // 2 < 40
    places = axis.transData.transform(np.column_stack([x, x / 7])) * 72 / figure.dpi
    places[:, 1] = 72 * figure.get_figheight() - places[:, 1]
    drawn_places, along = lines["smooth"].reshape(-1, 2), np.linspace(0, 1, 1000)[:, np.newaxis]
    starts, ends = drawn_places[:-1, np.newaxis], drawn_places[1:, np.newaxis]
    on_the_line = (starts + along * (ends - starts)).reshape(-1, 2)
    assert cdist(places, on_the_line).min(axis=1).max() < 0.25  # points, half a pixel
    assert len(pd.read_csv(tmp_path / "f.csv")) == 199 + 20
    assert len(axis.lines[0].get_xdata()) == 199


# Copies in the documentation.


@pytest.fixture
def report(tmp_path):
    """Return a directory with the report of every experiment, of one learner each."""
    directory = tmp_path / "report"
    noise = np.random.default_rng(0).integers(256, size=(300, 500, 3), dtype=np.uint8)
    plain = np.zeros_like(noise)
    for name, experiment in EXPERIMENTS.items():
        learner = experiment.algorithms[0]
        measures = {learner: {100: {"seconds": 1.0}}}
        Part(name, "command", 1.0, False, [], measures, {learner: [100]}).write(directory)
        Image.fromarray(noise if name == "two-step" else plain).save(
            directory / f"{name}-{learner}.png"
        )
        for suffix in ("svg", "csv"):
            (directory / f"{name}-{learner}.{suffix}").write_text(f"{suffix} of {name}")
    (directory / "claims.json").write_text("[]")
    (directory / "results.md").write_text("# Results\n")
    return directory


def test_results_are_copied(report, tmp_path, capsys):
    docs = tmp_path / "docs"
    assert results.main([str(report), "--docs", str(docs)]) == 0
    written = {str(file.relative_to(docs)) for file in docs.rglob("*") if file.is_file()}
    assert written == {"claims.json", "results.md"} | {
        f"figures/{name}-{e.algorithms[0]}.{suffix}"
        for name, e in EXPERIMENTS.items()
        for suffix in ("png", "svg", "csv")
    }
    assert capsys.readouterr().out.count("\n") == len(written)
    assert (docs / "results.md").read_text() == "# Results\n"
    assert (docs / "figures" / "two-step-a2c.csv").read_text() == "csv of two-step"
    for figure in (docs / "figures").glob("*.png"):
        assert figure.stat().st_size <= results.LARGEST
        with Image.open(figure) as image:
            assert (image.size, image.mode) == ((500, 300), "P")


@pytest.mark.parametrize("quick", [True, False])
def test_a_report_that_is_not_whole_is_refused(quick, report, tmp_path, capsys):
    part = report / "two-step.json"
    if quick:
        part.write_text(json.dumps(json.loads(part.read_text()) | {"quick": True}))
    else:
        part.unlink()
    assert results.main([str(report), "--docs", str(tmp_path / "docs")]) == 1
    assert "got none of two-step." in capsys.readouterr().err
    assert not (tmp_path / "docs").exists()


def test_a_figure_without_its_data_is_refused(report, tmp_path, capsys):
    (report / "two-step-a2c.csv").unlink()
    assert results.main([str(report), "--docs", str(tmp_path / "docs")]) == 1
    assert "got none of two-step-a2c.csv." in capsys.readouterr().err
    assert not (tmp_path / "docs").exists()

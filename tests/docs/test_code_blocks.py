"""Every code block of the README and of the pages runs, in short."""

import codeop
import re
import shlex
import tomllib
from importlib.util import find_spec
from pathlib import Path

import markdown
import pytest
from sybil.document import Document
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

from neurotasks_baselines.agents.recurrent_ppo import FusedRecurrentPPO
from neurotasks_baselines.cli.commands import COMMANDS, parser
from neurotasks_baselines.sweeps.spec import read_sweep

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
# What stands in shell lines next to our own command, and is not run here.
PROGRAMS = {".", "apptainer", "bash", "docker", "git", "mkdocs", "mypy", "pre-commit", "pytest"}
PROGRAMS |= {"ruff", "sbatch", "tensorboard"}


def document(page):
    """Return a page with the snippets it includes; whole scripts, which CI runs, stay out."""
    text = re.sub(r"^``` \{ \.python title=.*?^```$", "", page.read_text(), flags=re.M | re.S)
    text = text.replace("``` { .python }", "```python")
    snippets = {"base_path": [str(ROOT)], "check_paths": True}
    reader = markdown.Markdown(
        extensions=["pymdownx.snippets"], extension_configs={"pymdownx.snippets": snippets}
    )
    lines = reader.preprocessors["snippet"].run(text.splitlines())
    return Document("\n".join(lines), str(page))


def blocks(page, kind):
    """Return the examples of a page that a Sybil parser finds."""
    found = document(page)
    for region in kind(found):
        found.add(region)
    return list(found.examples())


def commands(page):
    """Return the command lines of a page as words: of its shell blocks, and within sentences."""
    shell = CodeBlockParser("sh", evaluator=print)
    for block in blocks(page, shell):
        for line in block.parsed.replace("\\\n", " ").splitlines():
            for command in re.split(r"&&|;", line):
                if words := shlex.split(command, comments=True):
                    yield words
    for text in re.findall(r"`(neurotasks [^`]+)`", page.read_text()):
        words = shlex.split(text)
        if len(words) == 2 and words[1] in COMMANDS:
            continue  # the name of a subcommand
        if not any(re.search(r"^[A-Z]+$|\[|\.\.\.", word) for word in words):  # a usage line
            yield words


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python(page, tmp_path, monkeypatch):
    learn = FusedRecurrentPPO.learn

    def short(model, steps, *more, **options):
        return learn(model, min(steps, 3e4), *more, **options)

    monkeypatch.setattr(FusedRecurrentPPO, "learn", short)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    for example in blocks(page, PythonCodeBlockParser()):
        example.evaluate()


def refused(source):
    """Return why an interactive Python before 3.13 refuses a pasted block, None if it takes it."""
    compiler, lines = codeop.CommandCompiler(), []
    for line in [*source.splitlines(), ""]:  # Enter, once more, at the end
        lines.append(line)
        try:
            if compiler("\n".join(lines), symbol="single") is not None:
                lines = []
        except SyntaxError as error:
            return f"{error.msg}: {line!r}"
    return f"not complete: {lines}" if any(lines) else None


@pytest.mark.parametrize("name", ["README.md", "docs/index.md", "docs/tutorial.md"])
def test_blocks_can_be_pasted_into_an_interactive_session(name):
    found = blocks(ROOT / name, PythonCodeBlockParser())
    assert found
    assert [reason for block in found if (reason := refused(block.parsed))] == []


@pytest.mark.parametrize(
    "source", ["for i in (1, 2):\n    print(i)\nprint(3)", "if True:\n    a = 1\n\n    b = 2"]
)
def test_a_block_that_cannot_be_pasted_is_found(source):
    assert refused(source)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_shell(page):
    for words in commands(page):
        check(words)


def test_every_sweep_of_a_page_is_valid(tmp_path):
    found = blocks(ROOT / "docs/sweeps.md", CodeBlockParser("toml", evaluator=print))
    assert len(found) == 2
    for block in found:
        (tmp_path / "sweep.toml").write_text(block.parsed)
        read_sweep(tmp_path / "sweep.toml")


def check(words):
    """Refuse a command line that names an option, a file or an extra that is not there."""
    program, *rest = words
    while "=" in program:  # a variable of the environment
        program, *rest = rest
    if program == "neurotasks":
        if not {"-h", "--help"} & set(rest):
            parser().parse_args(rest)
    elif program == "taskset":
        check(rest[2:])
    elif "pip" in program:
        check_install(rest)
    elif "python" in program:
        assert find_spec(rest[1]) if rest[0] == "-m" else (ROOT / rest[0]).exists(), words
    elif program.endswith((".sh", ".ci/run", ".ci/full")):
        assert (ROOT / program).exists(), words
    else:
        assert program in PROGRAMS, words


def check_install(words):
    """Refuse a requirement that is no name, an unknown extra, a file that is not there."""
    assert words.pop(0) == "install"
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    while words:
        word = words.pop(0)
        if word == "-c":
            assert (ROOT / words.pop(0)).exists()
        elif own := re.fullmatch(r"(?:\.|neurotasks)(?:\[(.*)\])?", word):
            named = set((own[1] or "").split(",")) - {""}
            assert named <= extras["optional-dependencies"].keys(), word
        else:
            assert word in ("-e", "-q") or re.fullmatch(r"[a-z][a-z0-9_-]+(==[0-9.]+)?", word), word


@pytest.mark.parametrize(
    "line",
    [
        "neurotasks train neurotasks/TwoStep-v0 --outt runs",
        "neurotasks benchmark nothing",
        'pip install ".[baseline]"',
        "pip install -c constraint.txt .",
        "python examples/nothing.py",
        "rm -r runs",
    ],
)
def test_a_wrong_command_line_is_found(line):
    with pytest.raises((AssertionError, SystemExit)):
        check(shlex.split(line))

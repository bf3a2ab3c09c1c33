"""Every source that a parameter names by its key is on the page of sources."""

import dataclasses
import json
import re
from pathlib import Path

import neurotasks
from neurotasks.core.task import load

PAGE = Path(__file__).parents[2] / "docs/sources.md"
TEXT = PAGE.read_text()
KEYS = set(re.findall(r"^## (.+)$", TEXT, re.M))
SOURCES = [
    field.metadata["source"]
    for place in {entry["task"] for entry in neurotasks.TASKS.values()}
    for field in dataclasses.fields(load(place).parameters)
]


def test_keys_are_those_of_the_page():
    used = {key for source in SOURCES for key in re.findall(r"\[(.+?)\]", source)}
    assert used == KEYS


def test_keys_of_the_results_are_on_the_page():
    claims = json.loads((PAGE.parent / "claims.json").read_text())
    used = {key for claim in claims for key in re.findall(r"\[([A-Z0-9]+)\]", claim["source"])}
    assert used
    assert used <= KEYS


def test_no_reproduction_goes_without_its_key():
    assert not [source for source in SOURCES if re.search("reproduction|recordings$", source)]


def test_every_entry_but_the_nameless_has_an_address():
    entries = re.split(r"^## ", TEXT, flags=re.M)[1:]
    assert [entry.split()[0] for entry in entries if "<https://" not in entry] == ["KOR"]

"""Agent files that are damaged, or do not fit together: refused by name, in one line."""

import json
import math
import re

import pytest
import torch as th
from doctored import rewrite, sign, tensors_of, write
from safetensors.torch import save

from neurotasks_baselines.errors import AgentFileError
from neurotasks_baselines.training import agent_files
from neurotasks_baselines.training.agent_files import agent_file, load, read_description
from neurotasks_baselines.training.tensor_files import BLANK, LARGEST, LARGEST_HEADER


def refused(path, message):
    """Check that a file is refused, with one line that names it and says what to do."""
    with pytest.raises(AgentFileError, match=message) as error:
        load(path)
    text = str(error.value)
    assert text.count("\n") == 0
    assert len(text) < 700
    assert agent_file(path).name in text
    assert text.endswith(".")


def test_a_flipped_bit(saved):
    """Anywhere: in the length of the header, the header, its padding, the digest, the tensors."""
    file = agent_file(saved)
    whole = file.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    digest = whole.index(b"sha256") + 20
    places = {*range(16), *range(header - 8, header + 8), *range(digest, digest + 64, 7)}
    places |= {*range(0, len(whole), 61), len(whole) - 1}
    for place in sorted(places):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        file.write_bytes(flipped)
        for read in (load, read_description):
            with pytest.raises(AgentFileError, match=str(file)):
                read(saved)
    file.write_bytes(whole)
    assert load(saved).num_timesteps == 108


def test_a_flipped_letter_in_an_escape(saved):
    """The JSON stays the same, the file does not."""
    rewrite(saved, versions={"neurotasks": "1.0é"})
    file = agent_file(saved)
    whole = file.read_bytes()
    assert whole.count(rb"\\u00e9") == 1
    file.write_bytes(whole.replace(rb"\\u00e9", rb"\\u00E9"))
    refused(saved, "is damaged: its digest does not fit")


@pytest.mark.parametrize("part", [0, 1, 7, 8, 9, 0.1, 0.5, 0.9, -2])
def test_truncated_file(saved, part):
    file = agent_file(saved)
    whole = file.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    assert 0.1 * len(whole) < header < 0.9 * len(whole)
    cut = whole[: part if isinstance(part, int) else int(part * len(whole))]
    file.write_bytes(cut)
    refused(saved, "is truncated|is damaged")
    assert file.read_bytes() == cut


@pytest.mark.parametrize("more", [b"\0", b"\0" * 64, b"{}"])
def test_a_file_with_something_behind_it(saved, more):
    file = agent_file(saved)
    file.write_bytes(file.read_bytes() + more)
    refused(saved, "is damaged")
    rewritten = file.read_bytes()[: -len(more)]
    digest = json.loads(read_text(rewritten))["sha256"].encode()
    file.write_bytes(sign(rewritten.replace(digest, BLANK) + more))  # the digest fits
    refused(saved, "is damaged .*not fully covered")


def read_text(content):
    """Return the text of the description in a file."""
    header = content[8 : 8 + int.from_bytes(content[:8], "little")]
    return json.loads(header)["__metadata__"]["description"]


def test_files_of_older_formats(saved):
    file = agent_file(saved)
    file.write_bytes(save(tensors_of(saved), {"token": "abc"}))
    refused(saved, "holds tensors, but no description")
    file.write_bytes(save({}))
    refused(saved, "holds tensors, but no description")
    for number, versions in ((2, {"neurotasks": "0.1.0"}), (99, {})):
        text = json.dumps({"format": number, "versions": versions})
        write(saved, text, {})
        writer = versions.get("neurotasks", "(version unknown)")
        refused(
            saved,
            rf"format of .* must be 3; got {number}, written with neurotasks {re.escape(writer)}",
        )


SIZED = {"total_steps": 1, "n_steps": 9}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hyperparameters": {"total_steps": 1, "banana": 2}}, "banana"),
        ({"hyperparameters": {"units": 8}}, "total_steps"),
        ({"hyperparameters": SIZED | {"units": 16}}, "do not fit"),
        ({"hyperparameters": SIZED | {"units": 7}}, "do not fit"),
        ({"hyperparameters": SIZED | {"trunk": "separate"}}, "do not fit"),
        ({"hyperparameters": SIZED | {"channels": 3}}, "do not fit"),
        ({"hyperparameters": SIZED | {"cell": "gru"}}, "do not fit"),
        ({"hyperparameters": None}, "must have the fields"),
        ({"hyperparameters": SIZED | {"units": "eight"}}, "units must be an int in .* got 'eight'"),
        ({"hyperparameters": SIZED | {"units": 8.5}}, "must be an int in .*; got 8.5"),
        ({"hyperparameters": SIZED | {"units": None}}, "must be an int in .*; got None"),
        ({"hyperparameters": {"total_steps": True}}, "total_steps must be an int.*; got True"),
        ({"hyperparameters": SIZED | {"whole_episodes": 1}}, "whole_episodes must be a bool"),
        ({"hyperparameters": SIZED | {"gamma": "0.9"}}, "gamma must be a float in .* got '0.9'"),
        ({"hyperparameters": SIZED | {"trunk": "both"}}, "must be one of .*; got 'both'"),
        ({"hyperparameters": SIZED | {"trunk": []}}, r"must be one of .*; got \[\]"),
        ({"hyperparameters": SIZED | {"channels": 2}}, "channels must be odd"),
        ({"hyperparameters": SIZED | {"cell": "rnn", "forget_bias": 1}}, "forget_bias must be 0"),
        ({"hyperparameters": [1]}, r"hyperparameters in .* must be a dict; got \[1\]"),
        ({"id": 7}, "id in .* must be a string; got 7"),
        ({"seed": "3"}, "seed in .* must be None or an int; got '3'"),
        ({"seed": True}, "seed in .* must be None or an int; got True"),
        ({"seed": -3}, "agent that cannot be built.*seed must be in 0 to"),
        ({"seed": 10**4000}, "seed must be in 0 to"),
        ({"num_timesteps": 1.5}, "num_timesteps in .* must be an int; got 1.5"),
        ({"num_timesteps": -1}, "num_timesteps in .* must be in 0 to"),
        ({"num_timesteps": 10**16}, "num_timesteps in .* must be in 0 to"),
        ({"task_kwargs": {"trialz": 3}}, "cannot be built.*trialz.*Did you mean 'trials'"),
        ({"task_kwargs": {"trials": "3"}}, "agent that cannot be built.*trials must be"),
        ({"task_kwargs": {"p_common": 2}}, "agent that cannot be built.*p_common must be"),
        ({"versions": ["1.0"]}, "versions in .* must be a dict"),
        ({"versions": {"torch": 2}}, "versions in .* must be a dict"),
        ({"history": {}}, "history in .* must be a list"),
        ({"history": [3]}, "history in .* must be a list"),
        ({"history": [{"steps": "3"}]}, "history in .* must be a list"),
        ({"seconds": "3"}, "seconds in .* must be a float"),
        ({"format": 99}, r"format of .* must be 3; got 99, written with neurotasks \d"),
        ({"format": None}, "format of .* must be 3; got None"),
        ({"sha256": None}, "digest does not fit"),
        ({"sha256": 5}, "digest does not fit"),
        ({"sha256": "F" * 64}, "digest does not fit"),
        ({"id": "neurotasks/TwoStep2016-v0"}, "do not fit"),
        ({"id": "neurotasks/TwoStep-v1"}, "must be that of a registered task"),
        ({"id": ""}, "must be that of a registered task"),
    ],
)
def test_description_that_does_not_fit(saved, fields, message):
    rewrite(saved, **fields)
    refused(saved, message)


RANGES = {
    "total_steps": (0, 10**15 + 1),
    "num_envs": (0, 10**9),
    "n_steps": (0, 10**9),
    "columns": (0, 10**9),
    "n_epochs": (0, 10**9),
    "learning_rate": (-1e-9, 11),
    "learning_rate_end": (-1e-9, 11),
    "gamma": (-0.1, 1.1),
    "gae_lambda": (-0.1, 1.1),
    "ent_coef": (-1e7, 1e300),
    "ent_coef_end": (-1e7, 1e300),
    "vf_coef": (-1, 1e300),
    "max_grad_norm": (-1, 1e300),
    "units": (0, 10**9),
    "forget_bias": (-1e300, 1e300),
    "channels": (-1, 10**9 + 1),
}


@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize("end", [0, 1])
def test_hyperparameters_out_of_range(saved, name, end):
    value = RANGES[name][end]
    rewrite(saved, hyperparameters=SIZED | {name: value})
    refused(saved, rf"cannot be built.*\({name} must be .* in .*; got {re.escape(str(value)[:4])}")


def test_rollouts_that_no_memory_holds(saved):
    """Each number is possible, all together are not."""
    rewrite(saved, hyperparameters={"total_steps": 1, "num_envs": 2**16, "n_steps": 2**16})
    refused(saved, r"n_steps \* num_envs must be at most 16,777,216; got 65,536 \* 65,536")
    rewrite(saved, hyperparameters={"total_steps": 1}, task_kwargs={"trials": 10**6})
    refused(saved, r"n_steps \* num_envs must be at most 16,777,216; got 3,000,000 \* ")


@pytest.mark.parametrize("fields", [{"gamma": 1}, {"learning_rate_end": 0}, {"ent_coef_end": None}])
def test_a_float_may_be_written_as_an_int(fields, agent, saved):
    rewrite(saved, hyperparameters=agent.description["hyperparameters"] | fields)
    assert load(saved).num_timesteps == agent.num_timesteps


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", "format of .* must be 3; got None"),
        ("3", "format of .* must be 3; got None"),
        ('{"format"', "header of .* is damaged"),
        ('{"format": 3, "format": 3}', "header of .* is damaged .*'format' is repeated"),
        ('{"format": 3, "task_kwargs": {"a": 1, "a": 1}}', "'a' is repeated"),
        ('{"format": NaN}', "NaN is no finite number"),
        ('{"format": 3, "seconds": -Infinity}', "-Infinity is no finite number"),
        ('{"format": 3, "seconds": 1e999}', "1e999 is no finite number"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("9" * 5000, "header of .* is damaged"),
        ('{"format": 3, "versions": {"neurotasks": "\\ud800\\n"}}', "digest"),
        ('{"format": "\\ud800\\n", "versions": {"neurotasks": "\\udc00\\n"}}', "must be 3; got '"),
    ],
)
def test_description_that_is_no_object(saved, text, message):
    write(saved, text, {})
    refused(saved, message)


def test_tensors_that_do_not_fit(saved):
    tensors = tensors_of(saved)
    last = sorted(tensors)[-1]
    for changed, message in (
        ({k: v for k, v in tensors.items() if k != last}, f"lacks '{last}'"),
        ({}, "lacks 'policy"),
        (tensors | {"policy.banana": th.zeros(1)}, "has an unknown 'policy.banana'"),
        (tensors | {"banana": th.zeros(1)}, "has an unknown 'banana'"),
        (tensors | {"training.banana": th.zeros(1)}, "must hold an agent; got .* 'banana'"),
        (tensors | {"optimizer.0.step": th.zeros(1)}, "has an unknown 'optimizer.0.step'"),
        (tensors | {last: th.zeros(3, 3, 3)}, rf"{last} must be .*float32.*got .*\(3, 3, 3\)"),
        (tensors | {last: tensors[last].flatten()}, "do not fit"),
        (tensors | {last: tensors[last][..., :0].clone()}, "do not fit"),
    ):
        rewrite(saved, changed)
        refused(saved, message)
    rewrite(saved, tensors)
    assert load(saved).num_timesteps == 108


@pytest.mark.parametrize(
    "dtype", [th.float64, th.float16, th.bfloat16, th.int32, th.int64, th.uint8, th.bool]
)
def test_tensors_of_another_type(saved, dtype):
    tensors = tensors_of(saved)
    for name in tensors:
        rewrite(saved, tensors | {name: tensors[name].to(dtype)})
        refused(saved, f"{name} must be torch.float32 .*got {dtype}")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_weights_that_are_not_finite(saved, value):
    tensors = tensors_of(saved)
    for name in tensors:
        changed = tensors[name].clone()
        changed.view(-1)[-1] = value
        rewrite(saved, tensors | {name: changed})
        refused(saved, f"{name} in .* must be finite; got NaN or an infinity")


@pytest.mark.parametrize(("value", "size"), [(3e38, "3e.38"), (-2e6, "2e.06")])
def test_weights_whose_outputs_are_not_finite(saved, value, size):
    """Saved agents have smaller ones, by far."""
    tensors = tensors_of(saved)
    for name in tensors:
        rewrite(saved, tensors | {name: th.full_like(tensors[name], value)})
        refused(saved, f"{name} in .* must be at most 1,000,000 in size; got {size}")


@pytest.mark.parametrize("value", [math.nan, math.inf, 2e6])
def test_diverged_agents_are_not_saved(agent, saved, value):
    before = agent_file(saved).read_bytes()
    with th.no_grad():
        agent.policy.value_net.weight[0, 0] = value
    with pytest.raises(AgentFileError, match=r"policy\.value_net\.weight in .* must be at most"):
        agent_files.save(agent, saved)
    assert agent_file(saved).read_bytes() == before


def header_of(file, **entries):
    """Write a file whose header is given as a text, or as entries, with 64 bytes of tensors."""
    text = entries.pop("text", None) or json.dumps(entries)
    file.write_bytes(sign(len(text).to_bytes(8, "little") + text.encode() + b"\0" * 64))


ABOUT = {"description": json.dumps({"sha256": BLANK.decode(), "format": 3})}
WHOLE = {"dtype": "F32", "shape": [16], "data_offsets": [0, 64]}


@pytest.mark.parametrize(
    "entries",
    [
        {"a": WHOLE, "b": WHOLE},
        {"a": WHOLE | {"shape": [8], "data_offsets": [0, 32]}},
        {"a": WHOLE | {"data_offsets": [0, 2**40], "shape": [2**38]}},
        {"a": WHOLE | {"shape": [2**62, 2**62]}},
        {"a": WHOLE | {"shape": [-16]}},
        {"a": WHOLE | {"data_offsets": [64, 0]}},
        {"a": WHOLE | {"dtype": "pickle"}},
        {"a": {"dtype": "F8_E8M0", "shape": [64], "data_offsets": [0, 64]}},
        {"a": {"dtype": "F4", "shape": [128], "data_offsets": [0, 64]}},
        {"a": 5},
        {"__metadata__": 5},
        {"__metadata__": {"description": 5}},
        {"__metadata__": ABOUT | {"other": 5}, "a": WHOLE},
    ],
    ids=str,
)
def test_headers_that_lie(saved, entries):
    header_of(agent_file(saved), **{"__metadata__": ABOUT} | entries)
    refused(saved, "is damaged")


@pytest.mark.parametrize(
    "text", ["[]", "7", "null", '{"__metadata__": {}, "__metadata__": {}}', "[" * 100_000, "\x00{}"]
)
def test_headers_that_are_no_object(saved, text):
    header_of(agent_file(saved), text=text)
    refused(saved, "is damaged")


def test_sizes_that_no_agent_has(saved):
    file = agent_file(saved)
    for size in (LARGEST_HEADER + 1, 2**32, 2**63, 2**64 - 1):
        file.write_bytes(size.to_bytes(8, "little") + b"{}")
        refused(saved, "is truncated")
    with file.open("wb") as sparse:
        sparse.write((LARGEST_HEADER + 1).to_bytes(8, "little"))
        sparse.truncate(LARGEST_HEADER + 100)
    refused(saved, "at most 1,073,741,824 bytes and a header of 16,777,216")
    with file.open("wb") as sparse:
        sparse.truncate(LARGEST + 1)
    refused(saved, "cannot be read .*it has 1,073,741,825 bytes")


def test_what_cannot_be_loaded_is_not_saved(agent, saved):
    """The old file stays."""
    before = agent_file(saved).read_bytes()
    agent.description["history"] = [{"steps": i, "x" * 1000: 0.5} for i in range(20_000)]
    with pytest.raises(AgentFileError, match="fewer evaluations"):
        agent_files.save(agent, saved)
    assert agent_file(saved).read_bytes() == before
    assert [file.name for file in saved.parent.iterdir()] == ["agent.safetensors"]

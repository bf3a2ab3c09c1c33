"""Agent files written by somebody else, with the digest that fits whatever they hold."""

import hashlib
import json

from safetensors.torch import load, save

from neurotasks_baselines.training.agent_files import agent_file, read_description
from neurotasks_baselines.training.tensor_files import BLANK


def sign(content):
    """Return the bytes of a file with its digest, where one belongs."""
    return content.replace(BLANK, hashlib.sha256(content).hexdigest().encode(), 1)


def tensors_of(path):
    """Return the tensors of an agent, in memory of their own."""
    return load(agent_file(path).read_bytes())


def write(path, text, tensors):
    """Write a file with the text of its description as given."""
    agent_file(path).write_bytes(sign(save(tensors, {"description": text})))


def rewrite(path, tensors=None, **fields):
    """Replace fields of the description, or all tensors; a field of None goes."""
    description = read_description(path) | {"sha256": BLANK.decode()} | fields
    description = {name: value for name, value in description.items() if value is not None}
    tensors = tensors_of(path) if tensors is None else tensors
    write(path, json.dumps(description), tensors)

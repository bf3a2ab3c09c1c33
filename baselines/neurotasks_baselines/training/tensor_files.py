"""Safetensors files with a description, which come back whole and unchanged, or not at all.

The header holds the description as JSON, and in it the SHA-256 digest of the file: of all its
bytes, with zeros in the place of the digest.
"""

from __future__ import annotations

import hashlib
import re
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch as th
from safetensors import SafetensorError
from safetensors.torch import load, save

from neurotasks.files import replacing
from neurotasks_baselines.errors import AgentFileError
from neurotasks_baselines.files import json_text, parse_json, read_regular

FORMAT = 3
LARGEST, LARGEST_HEADER = 2**30, 2**24  # bytes; the largest file shipped has half a million
BLANK = b"0" * 64  # in the place of the digest while it is computed
RETRY = "Restore the file from a copy, or train the agent anew."


def write_tensors(
    file: Path, description: Mapping[str, Any], tensors: Mapping[str, th.Tensor]
) -> None:
    """Write a file, replacing an old one when the new one is whole.

    Args:
        file: Path of the file.
        description: What JSON can hold.
        tensors: Tensors by name.

    Raises:
        AgentFileError: If the file would be larger than 1 GiB, or its header than 16 MiB.
        OSError: If it cannot be written.
    """
    # One entry: several come in a random order, and equal agents shall have equal files.
    text = json_text({"sha256": BLANK.decode(), "format": FORMAT, **description})
    content = save(dict(tensors), {"description": text})
    content = content.replace(BLANK, hashlib.sha256(content).hexdigest().encode(), 1)
    _description(file, content)  # what is saved can be loaded
    with replacing(file) as new:
        new.write_bytes(content)


def read_tensors(file: Path) -> tuple[dict[str, Any], dict[str, th.Tensor]]:
    """Read a file.

    Args:
        file: Path of the file.

    Returns:
        The description and the tensors, in memory of their own: the file may be replaced meanwhile.

    Raises:
        AgentFileError: If the file is missing, damaged or of another format.
    """
    try:
        content = read_regular(file, LARGEST)
    except FileNotFoundError as error:
        raise AgentFileError(
            f"There is no {file}. Check the path: an agent is a file NAME{file.suffix}, or the "
            "directory of a training."
        ) from error
    except (OSError, ValueError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AgentFileError(
            f"{file} cannot be read ({reason}). Check the path, or whose file it is."
        ) from error
    description = _description(file, content)
    digest = description.get("sha256")
    if not isinstance(digest, str) or digest != _digest(content, digest):
        raise AgentFileError(f"{file} is damaged: its digest does not fit its content. {RETRY}")
    try:
        return description, load(content)
    except (SafetensorError, ValueError, LookupError, TypeError, RuntimeError) as error:
        raise AgentFileError(f"{file} is damaged ({one_line(error)}). {RETRY}") from error


def one_line(error: BaseException) -> str:
    """Return the message of an error in one line of bearable length, to put into another."""
    text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return text if len(text) <= 300 else f"{text[:300]}..."


def _digest(content: bytes, digest: str) -> str:
    """Return the digest of a file that holds another digest, or this one already."""
    if not re.fullmatch("[0-9a-f]{64}", digest):
        return ""
    at, whole = content.find(digest.encode()), memoryview(content)
    found = hashlib.sha256(whole[:at])
    found.update(BLANK)
    found.update(whole[at + len(BLANK) :])
    return found.hexdigest()


def _description(file: Path, content: bytes) -> dict[str, Any]:
    """Return the description in the header of a file.

    Raises:
        AgentFileError: If there is none, or one of another format.
    """
    size = int.from_bytes(content[:8], "little")
    if not 0 < size <= len(content) - 8:
        raise AgentFileError(f"{file} is truncated, or no safetensors file. {RETRY}")
    if size > LARGEST_HEADER or len(content) > LARGEST:
        raise AgentFileError(
            f"{file} must have at most {LARGEST:,} bytes and a header of {LARGEST_HEADER:,}; got "
            f"{len(content):,} and {size:,}. Use fewer units, or fewer evaluations."
        )
    try:
        header = parse_json(content[8 : 8 + size])
        metadata = header.get("__metadata__", {})
        description = parse_json(metadata["description"]) if "description" in metadata else None
    except (ValueError, TypeError, AttributeError) as error:
        reason = one_line(error)
        raise AgentFileError(f"The header of {file} is damaged ({reason}). {RETRY}") from error
    if description is None:
        raise AgentFileError(f"{file} holds tensors, but no description of an agent. {RETRY}")
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise AgentFileError(_other_format(file, description))
    return description


def _other_format(file: Path, description: Any) -> str:
    """Return what to say of a description of another format."""
    fields = description if isinstance(description, dict) else {}
    versions = fields.get("versions")
    number = versions.get("neurotasks") if isinstance(versions, dict) else None
    writer = reprlib.repr(number).strip("'") if number else "(version unknown)"
    return (
        f"The format of {file} must be {FORMAT}; got {reprlib.repr(fields.get('format'))}, written "
        f"with neurotasks {writer}. Use that version, or train the agent anew."
    )

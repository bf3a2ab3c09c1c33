"""Files that are never seen half-written: a full disk or a kill leaves the old one, or none."""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(file: Path | str) -> Iterator[Path]:
    """Write a file next to the one wanted, which it replaces once it is whole.

    Args:
        file: Path of the file wanted; a link is followed. Its directory is made if need be.

    Yields:
        Path to write to, with the same suffix.

    Raises:
        OSError: If it cannot be written, naming `file`; nothing is left behind.
    """
    target = Path(os.path.realpath(file))
    new = target.with_name(f".{uuid.uuid4().hex}{target.suffix}")
    try:
        check_writable(file)
        yield new
        with new.open("rb+") as written:
            os.fsync(written.fileno())  # some systems notice a full disk only here
        new.replace(target)
    except OSError as error:
        raise _about(file, error) from error
    finally:
        if new.exists():
            new.unlink()


def write_whole(file: Path | str, text: str) -> None:
    """Write a text file in UTF-8 so that a reader meets the old text or the new one.

    Args:
        file: Path of the file.
        text: Its text.

    Raises:
        OSError: If it cannot be written, naming `file`.
    """
    with replacing(file) as new:
        new.write_text(text, encoding="utf-8", errors="backslashreplace")


def check_writable(file: Path | str) -> None:
    """Refuse before the work a file that could not be written after it.

    Args:
        file: Path of the file; its directory is made if need be.

    Raises:
        OSError: If it is a directory, or its directory is a file or cannot be written to.
    """
    target = Path(os.path.realpath(file))
    try:
        with contextlib.suppress(FileExistsError):  # not a directory, as is seen next
            target.parent.mkdir(parents=True, exist_ok=True)
        if not target.parent.is_dir():
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if target.is_dir():
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        if target.exists() and not target.is_file():  # a device or pipe, which nothing replaces
            raise OSError(errno.EINVAL, "Not a regular file")
        if not os.access(target.parent, os.W_OK | os.X_OK):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise _about(file, error) from error


def _about(file: Path | str, error: OSError) -> OSError:
    """Return an error of the same kind that names the file."""
    return OSError(error.errno or errno.EIO, error.strerror or str(error), str(file))

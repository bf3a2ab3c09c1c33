"""Programs that run in processes of their own: ours, and those of other libraries."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from neurotasks.errors import nearest
from neurotasks_baselines.benchmarks.harness import Result
from neurotasks_baselines.errors import PeerError

PEERS = Path(__file__).parent / "peers"


class Worker:
    """A program in a process of its own, which runs once for every line on its input.

    It gets its configuration as one argument in JSON, and answers each line with a line of JSON:
    ``steps``, ``seconds``, and optionally ``versions``, see `Result`. The process starts with the
    first run and stays, so that compilation is not counted.

    Args:
        command: Interpreter and script, or interpreter, ``"-m"`` and module.
        configuration: Contents of the program's argument.
    """

    def __init__(self, command: Sequence[str], configuration: Mapping[str, Any]) -> None:
        self.command = [*command, json.dumps(configuration)]
        self.process: subprocess.Popen[str] | None = None

    def __call__(self) -> Result:
        """Run once."""
        self.begin()
        return self.end()

    def begin(self) -> None:
        """Tell the program to run once.

        Raises:
            PeerError: If its interpreter cannot be started, or it has ended.
        """
        try:
            if self.process is None:
                self.process = subprocess.Popen(
                    self.command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    start_new_session=True,  # Ctrl-C is for this process, which ends the other
                )
            self.process.stdin.write("run\n")  # type: ignore[union-attr]
            self.process.stdin.flush()  # type: ignore[union-attr]
        except BrokenPipeError:
            self._raise_ended()
        except OSError as error:
            raise PeerError(
                f"{self.command[0]} could not be started ({error.strerror}). Give the Python "
                "interpreter of the environment the program is installed in."
            ) from error

    def end(self) -> Result:
        """Wait for the answer.

        Raises:
            PeerError: If the program has ended without one.
        """
        line = ""
        while not line.startswith("{"):  # what libraries print is no answer
            line = self.process.stdout.readline()  # type: ignore[union-attr]
            if not line:
                self._raise_ended()
        fields = json.loads(line)
        size = peak_bytes(self.process.pid)  # type: ignore[union-attr]
        return Result(fields["steps"], fields["seconds"], size, fields.get("versions", {}))

    def __enter__(self) -> Worker:
        """Return itself."""
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        """End the process: at the end of its input, or at once after an error."""
        if self.process is not None:
            if error is not None:
                self.process.terminate()
            self.process.communicate()
            self.process = None

    def _raise_ended(self) -> NoReturn:
        code = self.process.wait()  # type: ignore[union-attr]
        raise PeerError(
            f"{' '.join(self.command)} must answer with a result; it ended with code {code}, and "
            "what it wrote is above. Install what its first lines name."
        )


def in_parallel(workers: Sequence[Worker]) -> Callable[[], Result]:
    """Return the program that runs several workers at once and adds up their steps."""

    def run() -> Result:
        start = time.perf_counter()
        for worker in workers:
            worker.begin()
        results = [worker.end() for worker in workers]
        return Result(sum(result.steps for result in results), time.perf_counter() - start)

    return run


def serve(run: Callable[[], Result]) -> None:
    """Run once for every line on the input: the other side of `Worker`."""
    for _ in sys.stdin:
        sys.stdout.write(json.dumps(asdict(run())) + "\n")
        sys.stdout.flush()


def peak_bytes(process: int) -> int | None:
    """Return the peak memory of a running process; None where the system is not Linux.

    Not from ``resource``: its value begins with that of the process that started the other.

    Args:
        process: Id of the process.
    """
    file = Path(f"/proc/{process}/status")
    lines = file.read_text().splitlines() if file.exists() else []
    sizes = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")]
    return sizes[0] if sizes else None


def peer_script(peer: str, benchmark: str) -> Path:
    """Return the script that is a peer's side of a benchmark.

    Args:
        peer: Name of the other library.
        benchmark: Name of the benchmark, ``"envs"`` or ``"train"``.

    Raises:
        PeerError: If there is none.
    """
    ending = f"_{benchmark}"
    found = {path.stem.removesuffix(ending): path for path in PEERS.glob(f"*{ending}.py")}
    if peer not in found:
        raise PeerError(
            f"--peer must name a peer of `benchmark {benchmark}`; got {peer!r}. "
            f"{nearest(peer, found)}"
        )
    return found[peer]

"""A real Slurm of one node, from unpacked packages of Debian, without installing anything."""

import contextlib
import os
import platform
import secrets
import signal
import socket
import subprocess
import time

LIBRARIES = "usr/lib/x86_64-linux-gnu"
CONFIGURATION = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}
SlurmdSpoolDir={folder}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
PluginDir={packages}/usr/lib/x86_64-linux-gnu/slurm-wlm
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
KillWait=1
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=short Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


@contextlib.contextmanager
def running(packages, folder):
    """Start the daemons, and end them; yields what to set, None if they do not start."""
    folder.mkdir()
    folder.chmod(0o755)
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o400)
    ports = [free_port(), free_port()]
    (folder / "slurm.conf").write_text(
        CONFIGURATION.format(host=platform.node(), folder=folder, packages=packages, ports=ports)
    )
    libraries = packages / LIBRARIES
    env = {
        "LD_LIBRARY_PATH": f"{libraries}:{libraries}/slurm-wlm",
        "SLURM_CONF": str(folder / "slurm.conf"),
        "PATH": f"{packages}/usr/bin:{os.environ['PATH']}",
    }
    munge = [f"--{n}={folder}/munge.{n.partition('-')[0]}" for n in ("key-file", "socket")]
    munge += [f"--{n}-file={folder}/munged.{n}" for n in ("pid", "log", "seed")]
    sbin = packages / "usr/sbin"
    commands = [
        [sbin / "munged", "--foreground", "--force", *munge],
        [sbin / "slurmctld-wlm", "-D"],
        [sbin / "slurmd-wlm", "-D", "-d", sbin / "slurmstepd-wlm"],
    ]
    daemons = []
    try:
        for command in commands:
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            daemons.append(subprocess.Popen(command, env=os.environ | env, **quiet))
            time.sleep(1)
        yield env if idle(os.environ | env) else None
    except OSError:
        yield None
    finally:
        for daemon in reversed(daemons):
            daemon.send_signal(signal.SIGTERM)
            daemon.wait()


def idle(env):
    """Return whether the node is ready within some seconds."""
    for _ in range(20):
        found = subprocess.run(["sinfo", "-h", "-o", "%T"], env=env, capture_output=True, text=True)
        if found.stdout.strip() == "idle":
            return True
        time.sleep(0.5)
    return False


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]

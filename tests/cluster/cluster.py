"""A Slurm cluster on this machine, for tests: one controller and some node daemons, on loopback.

    python tests/cluster/cluster.py up      # install what is missing, start, write /etc/slurm
    python tests/cluster/cluster.py down    # end what was started, and nothing else

Needs root, and Debian's or Ubuntu's slurm-wlm and munge (or apt to install them). The configuration
has to be in /etc/slurm, since jobs of Snakemake's plugin do not pass SLURM_CONF on; a configuration
there that is not this script's is never touched. Nothing is kept of the cluster but its packages.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

CONFIG = Path("/etc/slurm/slurm.conf")
MARK = "# Written by Netlift's tests/cluster/cluster.py; taken away when the tests end.\n"
STATE = Path("/tmp/netlift-cluster")
PACKAGES = ("slurm-wlm", "munge")
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "munged")
PARTITIONS = {"main": ("n1", "n2"), "faults": ("n3", "n4")}
"""The first is the default of jobs; in the other, a node may be killed while they run."""
NODES = tuple(node for nodes in PARTITIONS.values() for node in nodes)
CONTROLLER_PORT, FIRST_NODE_PORT = 16817, 16821
# More than the machine may have: nodes of two CPUs let a group run two steps at a time.
NODE_CPUS, NODE_MB = 2, 6000

# jobacct_gather/linux samples the memory of a job's processes each second, and OverMemoryKill ends
# the job that is over: that needs no cgroups, which a container seldom lets Slurm have. A job of a
# node that failed starts again after cred_expire seconds, 120 by default.
TEMPLATE = """{mark}ClusterName=netlift
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CryptoType=crypto/munge
AuthInfo=socket={socket},cred_expire=20
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={state}/controller
SlurmdSpoolDir={state}/%n
SlurmctldPidFile={state}/slurmctld.pid
SlurmdPidFile={state}/%n.pid
SlurmctldLogFile={state}/slurmctld.log
SlurmdLogFile={state}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout=10
MinJobAge=3600
KillWait=5
SchedulerParameters=sched_min_interval=100000,batch_sched_delay=1
{nodes}
{partitions}
"""


class NoCluster(Exception):
    """No cluster can be started here; the message says why."""


def install() -> None:
    """Install Slurm and munge where they are missing.

    Raises
    ------
    NoCluster
        If root or apt is needed and missing, or apt fails.
    """
    if os.geteuid() != 0:
        raise NoCluster("it takes root to start slurmctld and slurmd")
    if CONFIG.exists() and not CONFIG.read_text().startswith(MARK):
        raise NoCluster(f"{CONFIG} is there and not of these tests; it is left alone")
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    if all(map(shutil.which, PROGRAMS)):
        return
    if not shutil.which("apt-get"):
        raise NoCluster(f"there is no apt-get to install {' and '.join(PACKAGES)} with")
    quiet = {"env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, "capture_output": True}
    subprocess.run(["apt-get", "update", "-qq"], **quiet)
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES]
    done = subprocess.run(command, text=True, **quiet)
    if done.returncode:
        raise NoCluster(f"apt-get could not install Slurm: {done.stderr.strip()[-300:]}")


def configuration() -> str:
    """Return slurm.conf for this machine."""
    host = socket.gethostname().split(".")[0]
    nodes = [
        f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={FIRST_NODE_PORT + number} "
        f"CPUs={NODE_CPUS} RealMemory={NODE_MB} State=UNKNOWN"
        for number, name in enumerate(NODES)
    ]
    partitions = [
        f"PartitionName={name} Nodes={','.join(members)} Default={'NO' if place else 'YES'} "
        "MaxTime=INFINITE State=UP OverSubscribe=NO LLN=YES"
        for place, (name, members) in enumerate(PARTITIONS.items())
    ]
    return TEMPLATE.format(
        mark=MARK,
        host=host,
        controller_port=CONTROLLER_PORT,
        socket=STATE / "munge.socket",
        state=STATE,
        nodes="\n".join(nodes),
        partitions="\n".join(partitions),
    )


def wait_for(condition: Callable[[], object], what: str, seconds: float = 30) -> None:
    """Wait until a condition holds.

    Raises
    ------
    NoCluster
        If it does not in so many seconds.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise NoCluster(f"{what} did not come up in {seconds:.0f} s; see {STATE}/*.log")
        time.sleep(0.2)


def slurm(*command: str) -> str:
    """Return what a Slurm command prints; empty if it fails."""
    return subprocess.run(command, capture_output=True, text=True).stdout


def state_of(pid: int) -> tuple[str, str]:
    """Return the name and the state of a process; empty texts if there is none."""
    try:
        name, rest = Path(f"/proc/{pid}/stat").read_text().split("(", 1)[1].rsplit(")", 1)
    except OSError:
        return "", ""
    return name, rest.split()[0]


def alive(pid: int) -> bool:
    """Return whether a process is a daemon that may be ours, and still runs."""
    name, state = state_of(pid)
    return name in ("munged", "slurmctld", "slurmd") and state != "Z"


def kill(pid: int, number: int) -> None:
    """Send a signal to a process, which may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def processes_with(setting: str) -> list[int]:
    """Return the processes that have a setting, as NAME=value, in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if setting.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def parent_of(pid: int) -> int:
    """Return the parent of a process; 0 if it is gone."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    return 0


def steps_on(node: str) -> list[int]:
    """Return the processes of jobs on a node, the daemons that watch over them first."""
    found = processes_with(f"SLURMD_NODENAME={node}")
    parents = {parent_of(pid) for pid in found}
    return [*(pid for pid in parents if state_of(pid)[0].startswith("slurmstepd")), *found]


class Cluster:
    """The cluster's daemons, by their process numbers, which a file keeps for ``down``."""

    def __init__(self) -> None:
        self.file = STATE / "pids.json"
        self.pids: dict[str, int] = {}
        self.owner = 0
        if self.file.exists():
            kept = json.loads(self.file.read_text())
            self.pids, self.owner = kept["pids"], kept["owner"]

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start a daemon in the foreground of its own session."""
        with (STATE / f"{name}.out").open("a") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
        self.pids[name] = process.pid
        self._remember()

    def _remember(self) -> None:
        self.file.write_text(json.dumps({"owner": os.getpid(), "pids": self.pids}))

    def start_node(self, name: str) -> None:
        """Start a node's daemon."""
        self.start(name, ["slurmd", "-D", "-N", name])

    def up(self) -> None:
        """Start everything, and wait until the nodes are idle.

        Raises
        ------
        NoCluster
            If that cannot be here; nothing is left of it.
        """
        install()
        if self.owner != os.getpid() and state_of(self.owner)[0].startswith(("python", "pytest")):
            raise NoCluster(f"process {self.owner} uses the one on this machine")
        self.down()
        try:
            self._up()
        except NoCluster:
            self.down(keep_logs=True)
            raise

    def _up(self) -> None:
        for folder in (STATE, STATE / "controller", *(STATE / node for node in NODES)):
            folder.mkdir(parents=True, exist_ok=True)
        STATE.chmod(0o755)
        CONFIG.parent.mkdir(exist_ok=True)
        CONFIG.write_text(configuration())
        self._start_munge()
        self.start("slurmctld", ["slurmctld", "-D", "-i"])
        for node in NODES:
            self.start_node(node)
        wait_for(lambda: self.states().count("idle") == len(NODES), "Slurm")

    def _start_munge(self) -> None:
        """Start munge with its own key and socket: another one may be running."""
        key, address = STATE / "munge.key", STATE / "munge.socket"
        key.write_bytes(os.urandom(64))
        key.chmod(0o400)
        files = {"key-file": key, "socket": address}
        files |= {"pid-file": STATE / "munged.pid", "log-file": STATE / "munged.log"}
        files |= {"seed-file": STATE / "munge.seed"}
        options = [f"--{name}={path}" for name, path in files.items()]
        self.start("munged", ["munged", "--foreground", "--force", *options])
        wait_for(address.exists, "munge")

    def states(self) -> list[str]:
        """Return the state of each node."""
        return slurm("sinfo", "--noheader", "--Node", "--format=%T").split()

    def kill_node(self, name: str) -> None:
        """Kill a node's daemon and all that runs on it, as a power cut does."""
        for pid in (self.pids.pop(name), *steps_on(name)):
            kill(pid, signal.SIGKILL)
        self._remember()

    def down(self, *, keep_logs: bool = False) -> None:
        """End the jobs, then the daemons, then take the configuration away."""
        if "slurmctld" in self.pids and alive(self.pids["slurmctld"]):
            slurm("scancel", "--user=root")
            wait_for(lambda: not slurm("squeue", "--noheader"), "an empty queue", 20)
        for name, pid in reversed(self.pids.items()):
            if alive(pid):
                kill(pid, signal.SIGTERM)
            wait_for(lambda pid=pid: not alive(pid), f"the end of {name}", 20)
        self.pids = {}
        if CONFIG.exists() and CONFIG.read_text().startswith(MARK):
            CONFIG.unlink()
        if not keep_logs:
            shutil.rmtree(STATE, ignore_errors=True)


def main() -> None:
    """Start or end the cluster, as the command line says."""
    if sys.argv[1:] not in (["up"], ["down"]):
        sys.exit(__doc__)
    try:
        getattr(Cluster(), sys.argv[1])()
    except NoCluster as error:
        sys.exit(f"NO CLUSTER: {error}")


if __name__ == "__main__":
    main()

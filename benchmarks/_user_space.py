"""A Debian for arm64 in a folder, whose programs this machine runs with qemu-user. Needs root.

Each command has private mounts, so none is left behind. If binfmt_misc does not know arm64, it is registered for as
long as it is needed. Knows nothing of music; Python's standard library only.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from _bench import fail, show_progress

BINFMT = Path("/proc/sys/fs/binfmt_misc")
QEMU = "qemu-aarch64-static"
# An ELF header: 64 bits, little-endian, an executable or shared object (the mask accepts both), machine 183.
MAGIC = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xb7\x00"
MASK = b"\xff" * 7 + b"\x00" + b"\xff" * 8 + b"\xfe\xff\xff\xff"
NATIVE = ("aarch64", "arm64")
INSIDE = ("env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "PIP_NO_INDEX=1",
          "PIP_FIND_LINKS=/wheels", "PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_ROOT_USER_ACTION=ignore")  # fmt: skip
CPUINFO, QEMU_CPU = "opt/cpuinfo", "opt/qemu-cpu"
MOUNTED = f"""
mount --rbind /dev "$0/dev" && mount -t proc proc "$0/proc" && mount --bind "$0/{CPUINFO}" "$0/proc/cpuinfo" &&
exec chroot "$0" "$@"
"""
_BASE = "fp asimd evtstrm crc32 cpuid"
_NEWER = f"{_BASE} aes pmull sha1 sha2 atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp"
PROCESSORS = {3: ("cortex-a53", 0xD03, _BASE), 4: ("cortex-a72", 0xD08, _BASE), 5: ("cortex-a76", 0xD0B, _NEWER)}
"""Each Raspberry Pi's processor: QEMU's name, Arm's part number, and the features that Linux lists."""
CORES = 4


def run_quietly(command: Sequence[str | Path], what: str, **how: Any) -> str:
    """Run a command and return what it prints; if it fails, end the script with its last line."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **how)
    if done.returncode:
        ended = f"ended by signal {-done.returncode}" if done.returncode < 0 else f"ended with {done.returncode}"
        lines = [line for line in (done.stderr + done.stdout).strip().splitlines() if line.strip()]
        fail(f"{what}: {ended}: {lines[-1] if lines else 'it printed nothing'}")
    return done.stdout


def in_private_mounts(*command: str | Path) -> list[str]:
    """The command at low priority in private mounts, so that it leaves none behind, however it ends."""
    prefix = ("nice", "-n", "10", "unshare", "--mount", "--propagation", "private")
    return [*prefix, *map(str, command)]


def in_user_space(root: Path, *command: str) -> list[str]:
    """The command inside the user space, with /dev and /proc, but without this machine's environment."""
    return in_private_mounts(
        "sh", "-c", MOUNTED, root, *INSIDE, f"QEMU_CPU={(root / QEMU_CPU).read_text('ascii')}", *command
    )


def write_processor_files(root: Path, pi: int) -> None:
    """Write a Raspberry Pi's description of its processor into the user space, and select that processor in QEMU.

    Otherwise programs see this machine's processor in /proc and /sys, and cpuinfo, a library of ONNX Runtime (from
    1.28) and LiteRT, crashes, since it expects an Arm processor there.
    """
    name, part, features = PROCESSORS[pi]
    (root / QEMU_CPU).write_text(name, "ascii")
    core = (f"BogoMIPS\t: 108.00\nFeatures\t: {features}\nCPU implementer\t: 0x41\nCPU architecture: 8\n"
            f"CPU variant\t: 0x0\nCPU part\t: 0x{part:x}\nCPU revision\t: 3\n\n")  # fmt: skip
    (root / CPUINFO).write_text("".join(f"processor\t: {i}\n{core}" for i in range(CORES)), "ascii")
    all_cores = f"0-{CORES - 1}"
    files = dict.fromkeys(("possible", "present", "online"), all_cores)
    for i in range(CORES):
        shared = dict.fromkeys(("core_siblings_list", "cluster_cpus_list", "package_cpus_list"), all_cores)
        own = dict.fromkeys(("core_id", "core_cpus_list", "thread_siblings_list"), str(i))
        for kind, value in {**shared, **own, "physical_package_id": "0"}.items():
            files[f"cpu{i}/topology/{kind}"] = value
        files[f"cpu{i}/cpufreq/cpuinfo_max_freq"] = "1500000"
        files[f"cpu{i}/regs/identification/midr_el1"] = f"0x00000000410f{part:x}3"
    for kind, value in files.items():
        file = root / "sys/devices/system/cpu" / kind
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{value}\n", "ascii")


def check_requirements(folder: Path) -> None:
    """End the script with a one-line error if something is missing, before anything is made."""
    if platform.system() != "Linux" or platform.machine() in NATIVE:
        fail("this compares x86-64 Linux with an emulated arm64; on this machine just compose, and compare the files")
    if os.geteuid() != 0:
        fail("making a user space needs root: run it with sudo")
    for tool, package in (("debootstrap", "debootstrap"), (QEMU, "qemu-user-static"), ("unshare", "util-linux")):
        if shutil.which(tool) is None:
            fail(f"{tool} is not installed: apt install {package}")
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / "wheels").is_dir())):
        fail(f"{folder}: the folder has other files; give a new or empty folder, or one that this script made")


def kernel_runs_arm64() -> bool:
    """Whether the kernel passes arm64 programs to an emulator, wherever they are."""
    for entry in BINFMT.glob("*"):
        if entry.name not in ("register", "status"):
            lines = entry.read_text("ascii").split("\n")
            flags = next((line for line in lines if line.startswith("flags:")), "")
            if "enabled" in lines and f"magic {MAGIC.hex()}" in lines and "F" in flags:
                return True
    return False


@contextlib.contextmanager
def arm64_emulation() -> Iterator[None]:
    """In this block the kernel runs arm64 programs. What was not registered or mounted before is not behind it."""
    mounted = registered = False
    name = f"playbach-arm64-{os.getpid()}"
    try:
        if not (BINFMT / "register").exists():
            run_quietly(("mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT), "binfmt_misc cannot be mounted here")
            mounted = True
        if not kernel_runs_arm64():
            escaped = ["".join(f"\\x{byte:02x}" for byte in part) for part in (MAGIC, MASK)]
            # F: the interpreter is opened now, so that it need not lie in the user space
            line = f":{name}:M::{escaped[0]}:{escaped[1]}:{shutil.which(QEMU)}:F"
            try:
                (BINFMT / "register").write_text(line, "ascii")
            except OSError as error:
                fail(
                    f"the kernel cannot register an emulator ({error.strerror}); in a container, register it outside"
                )
            registered = True
        yield
    finally:
        if registered:
            (BINFMT / name).write_text("-1", "ascii")
        if mounted:
            subprocess.run(["umount", str(BINFMT)], check=False)


def mirror_of(suite: str) -> str:
    """The mirror from which apt on this machine gets this Debian."""
    command = ("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)", "Created-By: Packages")
    for line in run_quietly(command, "apt cannot list its mirrors; give one with --mirror").splitlines():
        uri, codename, component = line.rsplit(" ", 2)
        if (codename, component) == (suite, "main"):
            return uri
    return fail(f"apt on this machine knows no mirror of {suite}; give one with --mirror")


def make_user_space(folder: Path, suite: str, mirror: str | None) -> Path:
    """The folder of a Debian for arm64 with Python. It is made if it is missing, completely or not at all."""
    root, draft = folder / "root", folder / "root.part"
    if root.is_dir():
        return root
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "wheels").mkdir(exist_ok=True)
    shutil.rmtree(draft, ignore_errors=True)
    show_progress(f"debootstrap {suite} (some minutes)")
    variant = ("--variant=minbase", "--arch=arm64", "--include=python3,python3-venv")
    run_quietly(
        in_private_mounts("debootstrap", *variant, suite, draft, mirror or mirror_of(suite)),
        f"debootstrap (its log: {draft}/debootstrap/debootstrap.log)",
    )
    for archive in (draft / "var/cache/apt/archives").glob("*.deb"):
        archive.unlink()
    draft.rename(root)
    return root

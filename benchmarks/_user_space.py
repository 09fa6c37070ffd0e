"""A Debian for arm64 in a folder, whose programs this machine runs through qemu-user. Root only.

Mounts are private to each command, so that none stays; binfmt_misc is told of arm64 where it does not know it, for as
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

from _bench import fail, say

BINFMT = Path("/proc/sys/fs/binfmt_misc")
QEMU = "qemu-aarch64-static"
# An ELF header: 64 bits, little-endian, an executable or a shared one (the mask lets both pass), machine 183.
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
"""A Raspberry Pi's by its number: QEMU's name for it, Arm's number, and what Linux says that it can."""
CORES = 4


def quietly(command: Sequence[str | Path], what: str, **how: Any) -> str:
    """What a command prints; where it fails, its last line ends the script."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **how)
    if done.returncode:
        ended = f"ended by signal {-done.returncode}" if done.returncode < 0 else f"ended with {done.returncode}"
        lines = [line for line in (done.stderr + done.stdout).strip().splitlines() if line.strip()]
        fail(f"{what}: {ended}: {lines[-1] if lines else 'it said nothing'}")
    return done.stdout


def private(*command: str | Path) -> list[str]:
    """A command, gently, in mounts of its own: whatever becomes of it, it leaves none behind."""
    gently = ("nice", "-n", "10", "unshare", "--mount", "--propagation", "private")
    return [*gently, *map(str, command)]


def inside(root: Path, *command: str) -> list[str]:
    """A command in the user space, with /dev and /proc, and nothing of this machine's environment."""
    return private("sh", "-c", MOUNTED, root, *INSIDE, f"QEMU_CPU={(root / QEMU_CPU).read_text('ascii')}", *command)


def describe(root: Path, pi: int) -> None:
    """Lay a Raspberry Pi's description of its processor into the user space, and have QEMU emulate that.

    Without it programs there see this machine's processor in /proc and /sys; and cpuinfo, the library that ONNX
    Runtime (from 1.28) and LiteRT ask about processors, crashes on finding x86's where it looks for Arm's.
    """
    name, part, features = PROCESSORS[pi]
    (root / QEMU_CPU).write_text(name, "ascii")
    core = (f"BogoMIPS\t: 108.00\nFeatures\t: {features}\nCPU implementer\t: 0x41\nCPU architecture: 8\n"
            f"CPU variant\t: 0x0\nCPU part\t: 0x{part:x}\nCPU revision\t: 3\n\n")  # fmt: skip
    (root / CPUINFO).write_text("".join(f"processor\t: {i}\n{core}" for i in range(CORES)), "ascii")
    all_of_them = f"0-{CORES - 1}"
    files = dict.fromkeys(("possible", "present", "online"), all_of_them)
    for i in range(CORES):
        shared = dict.fromkeys(("core_siblings_list", "cluster_cpus_list", "package_cpus_list"), all_of_them)
        own = dict.fromkeys(("core_id", "core_cpus_list", "thread_siblings_list"), str(i))
        for kind, value in {**shared, **own, "physical_package_id": "0"}.items():
            files[f"cpu{i}/topology/{kind}"] = value
        files[f"cpu{i}/cpufreq/cpuinfo_max_freq"] = "1500000"
        files[f"cpu{i}/regs/identification/midr_el1"] = f"0x00000000410f{part:x}3"
    for kind, value in files.items():
        file = root / "sys/devices/system/cpu" / kind
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{value}\n", "ascii")


def demand(folder: Path) -> None:
    """All that is missing is said before anything is made."""
    if platform.system() != "Linux" or platform.machine() in NATIVE:
        fail("this compares x86-64 Linux with an emulated arm64; here just compose, and compare the files")
    if os.geteuid() != 0:
        fail("making a user space needs root: run it with sudo")
    for tool, package in (("debootstrap", "debootstrap"), (QEMU, "qemu-user-static"), ("unshare", "util-linux")):
        if shutil.which(tool) is None:
            fail(f"{tool} is not installed: apt install {package}")
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / "wheels").is_dir())):
        fail(f"{folder}: there is something else; name a new or empty folder, or one that this script has made")


def knows_arm64() -> bool:
    """Whether the kernel hands arm64 programs to an emulator, wherever they lie."""
    for entry in BINFMT.glob("*"):
        if entry.name not in ("register", "status"):
            told = entry.read_text("ascii").split("\n")
            flags = next((line for line in told if line.startswith("flags:")), "")
            if "enabled" in told and f"magic {MAGIC.hex()}" in told and "F" in flags:
                return True
    return False


@contextlib.contextmanager
def emulated() -> Iterator[None]:
    """In this block the kernel runs arm64 programs. What was not registered or mounted before is not behind it."""
    mounted = registered = False
    name = f"playbach-arm64-{os.getpid()}"
    try:
        if not (BINFMT / "register").exists():
            quietly(("mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT), "binfmt_misc cannot be mounted here")
            mounted = True
        if not knows_arm64():
            escaped = ["".join(f"\\x{byte:02x}" for byte in part) for part in (MAGIC, MASK)]
            # F: the interpreter is opened now, so that it need not lie in the user space
            line = f":{name}:M::{escaped[0]}:{escaped[1]}:{shutil.which(QEMU)}:F"
            try:
                (BINFMT / "register").write_text(line, "ascii")
            except OSError as error:
                fail(f"the kernel takes no emulator ({error.strerror}); in a container, register it outside")
            registered = True
        yield
    finally:
        if registered:
            (BINFMT / name).write_text("-1", "ascii")
        if mounted:
            subprocess.run(["umount", str(BINFMT)], check=False)


def mirror_of(suite: str) -> str:
    """Where apt on this machine gets this Debian from."""
    command = ("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)", "Created-By: Packages")
    for line in quietly(command, "apt cannot be asked for its mirrors; name one with --mirror").splitlines():
        uri, codename, component = line.rsplit(" ", 2)
        if (codename, component) == (suite, "main"):
            return uri
    return fail(f"apt on this machine knows no mirror of {suite}; name one with --mirror")


def user_space(folder: Path, suite: str, mirror: str | None) -> Path:
    """A Debian for arm64 with Python, made where it is not there yet; it appears whole or not at all."""
    root, draft = folder / "root", folder / "root.part"
    if root.is_dir():
        return root
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "wheels").mkdir(exist_ok=True)
    shutil.rmtree(draft, ignore_errors=True)
    say(f"debootstrap {suite}, some minutes")
    quietly(
        private("debootstrap", "--variant=minbase", "--arch=arm64", "--include=python3,python3-venv", suite, draft,
                mirror or mirror_of(suite)),
        f"debootstrap (its log: {draft}/debootstrap/debootstrap.log)",
    )  # fmt: skip
    for archive in (draft / "var/cache/apt/archives").glob("*.deb"):
        archive.unlink()
    draft.rename(root)
    return root

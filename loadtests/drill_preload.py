"""Small libraries that are loaded before those of a process: what it believes of the disk and of the clock is ours.

They are compiled where a drill runs, from `preload/`, so a C compiler must be there.
"""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import subprocess
from pathlib import Path

SOURCES = Path(__file__).parent / "preload"
FILES_MAX = 1_024
PAIR = struct.Struct("<QQ")
JUMP = struct.Struct("<q")


class Fsyncs:
    """What was synced to the disk, by a process with `environment`."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "fsyncs"
        self._file.write_bytes(bytes(FILES_MAX * PAIR.size))
        self.environment = {
            "LD_PRELOAD": str(compiled("fsyncs", folder)),
            "STANCHION_DRILL_FSYNCS": str(self._file),
        }

    def sizes(self) -> dict[int, int]:
        """How many bytes of each file are on the disk for sure, by inode."""
        return {inode: size for inode, size in PAIR.iter_unpack(self._file.read_bytes()) if inode}

    def synced(self, file: Path) -> int:
        """How many bytes of ``file`` are on the disk for sure."""
        return self.sizes().get(file.stat().st_ino, 0)

    def cut(self, folder: Path) -> int:
        """The process is dead: leave of every file of ``folder`` what was synced, as a power cut would; how many bytes
        are gone. (That a name is there is taken for granted: the store syncs its folder before it counts on one.)"""
        sizes, gone, left = self.sizes(), 0, b""
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            there = file.stat()
            kept = min(there.st_size, sizes.get(there.st_ino, 0))
            os.truncate(file, kept)
            gone += there.st_size - kept
            left += PAIR.pack(there.st_ino, kept)
        self._file.write_bytes(left.ljust(FILES_MAX * PAIR.size, b"\0"))
        return gone


class Clock:
    """The wall clock of all processes with ``environment``."""

    def __init__(self, folder: Path, name: str) -> None:
        file = folder / f"clock-{name}"
        file.write_bytes(JUMP.pack(0))
        with file.open("r+b") as opened:
            self._shared = mmap.mmap(opened.fileno(), JUMP.size)
        self.environment = {
            "LD_PRELOAD": str(compiled("clock", folder)),
            "STANCHION_DRILL_CLOCK": str(file),
        }

    def jump(self, ms: int) -> None:
        """From now on it is so much further ahead (negative: back)."""
        (before,) = JUMP.unpack(self._shared[:])
        self._shared[:] = JUMP.pack(before + ms)


def compiled(name: str, folder: Path) -> Path:
    """The library of ``preload/<name>.c``, compiled in ``folder``. Raises RuntimeError without a C compiler."""
    compiler, library = shutil.which("cc") or shutil.which("gcc"), folder / f"{name}.so"
    if compiler is None:
        raise RuntimeError("this drill needs a C compiler (cc or gcc), and there is none on this machine")
    if not library.exists():
        command = [compiler, "-shared", "-fPIC", "-O2", "-Wall", "-Werror", str(SOURCES / f"{name}.c")]
        subprocess.run([*command, "-o", str(library), "-ldl", "-lpthread"], check=True)
    return library

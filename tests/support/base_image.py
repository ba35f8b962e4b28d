"""A stand-in for AWS's base image, made of this machine's own CPython: laid out alike, imported without a network.

It holds what the real one does, as far as anything here can tell: Python below /var/lang, pip, the runtime client with
its bootstrap, the emulator, a shell, and the task's folder in LAMBDA_TASK_ROOT.
"""

import ast
import configparser
import hashlib
import io
import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.support.docker_engine import DockerEngine
from tests.support.paths import REPO, missing

_EMULATOR = REPO / ".cache" / "rie" / "aws-lambda-rie-x86_64"
_RUNTIME_CLIENT = REPO / ".cache" / "base-image"

PYTHON = "3.13"
"""The image's."""

_LANG = "var/lang"
_LIBRARIES = "usr/lib/x86_64-linux-gnu"
_CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
_LEFT_OUT = frozenset({"test", "idlelib", "tkinter", "turtledemo", "site-packages"})
_NOT_USED = (".a", ".opt-1.pyc", ".opt-2.pyc")
_GRAPHICS = ("libX", "libxcb", "libtk", "libtcl")
_ALWAYS = (
    *("libexpat.so.1", "libstdc++.so.6", "libgcc_s.so.1", "libz.so.1", "libm.so.6", "libpthread.so.0", "libdl.so.2"),
    *("librt.so.1", "libutil.so.1", "libresolv.so.2", "libnss_dns.so.2", "libnss_files.so.2"),
)
_BOOTSTRAP = f'#!/bin/sh\nexec /{_LANG}/bin/python{PYTHON} -m awslambdaric "$_HANDLER"\n'
_SET = (
    f"ENV PATH=/{_LANG}/bin:/usr/local/bin:/usr/bin:/bin",
    f"ENV LD_LIBRARY_PATH=/{_LANG}/lib",
    "ENV LAMBDA_TASK_ROOT=/var/task",
    "WORKDIR /var/task",
    f"ENV SSL_CERT_FILE=/{_CERTIFICATES}",
)
_PIP_SETTINGS = frozenset({"index-url", "extra-index-url", "proxy", "trusted-host", "default-timeout", "timeout"})


def add_base_image(engine: DockerEngine, name: str) -> None:
    """Give the engine a base image under a name. Skips where this machine lacks what it is made of."""
    changes = (word for change in _SET for word in ("--change", change))
    with tempfile.TemporaryDirectory() as folder:
        tree = _archive(Path(folder))
        engine.docker("import", *changes, tree, name)


def add_empty_image(engine: DockerEngine, name: str, architecture: str) -> None:
    """Give the engine an image without a file that says it is for such processors (Docker's word)."""
    layer = io.BytesIO()
    tarfile.open(fileobj=layer, mode="w").close()
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    files = {
        "config.json": json.dumps(config).encode(),
        "manifest.json": json.dumps(manifest).encode(),
        "layer.tar": layer.getvalue(),
    }
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as packed:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    engine.docker("load", given=archive.getvalue())


def _archive(folder: Path) -> Path:
    """The image's files as tar."""
    python = _python()
    root = folder / "root"
    root.mkdir()
    _add_python(root, python)
    _add_libraries(root, python)
    _add_shell(root)
    _add_runtime(root)
    _add_settings(root)
    archive = folder / "base.tar"
    with tarfile.open(archive, "w") as packed:
        packed.add(root, "", filter=_for_everyone)
    return archive


def _for_everyone(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Owned by root and readable by the user that Lambda runs as."""
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mode |= 0o755 if member.isdir() or member.mode & stat.S_IXUSR else 0o644
    return member


@cache
def _python() -> Path:
    """Prefix of this machine's CPython of the image's version."""
    found = subprocess.run(
        [REPO / ".ci/find-python", PYTHON], check=True, capture_output=True, text=True
    ).stdout.strip()
    if not found:
        missing(f"no Python {PYTHON} for a base image: install it on PATH or with pyenv")
    asked = subprocess.run(
        [found, "-c", "import sys; print(sys.base_prefix)"], check=True, capture_output=True, text=True
    )
    return Path(asked.stdout.strip())


def _add_python(root: Path, python: Path) -> None:
    lang = root / _LANG
    (lang / "bin").mkdir(parents=True)
    program = lang / "bin" / f"python{PYTHON}"
    shutil.copy2(python / "bin" / program.name, program)
    for alias in ("python", "python3"):
        program.with_name(alias).symlink_to(program.name)

    def left_out(folder: str, names: list[str]) -> set[str]:
        del folder
        return {name for name in names if name in _LEFT_OUT or name.startswith("config-") or name.endswith(_NOT_USED)}

    library = lang / "lib" / program.name
    shutil.copytree(python / "lib" / program.name, library, ignore=left_out)
    for shared in (python / "lib").glob("libpython*.so*"):
        shutil.copy2(shared, lang / "lib", follow_symlinks=False)
    (pip,) = (library / "ensurepip" / "_bundled").glob("pip-*.whl")
    with zipfile.ZipFile(pip) as wheel:
        wheel.extractall(library / "site-packages")


def _add_libraries(root: Path, python: Path) -> None:
    """What Python and its modules are linked with, and what wheels count on."""
    place = root / _LIBRARIES
    place.mkdir(parents=True)
    (root / "lib").symlink_to("usr/lib")
    (root / "lib64").mkdir()
    modules = sorted((python / "lib" / f"python{PYTHON}" / "lib-dynload").glob("*.so"))
    linked = set(_linked([python / "bin" / f"python{PYTHON}", *modules], python))
    machine = Path("/lib/x86_64-linux-gnu")
    for library in linked | {machine / name for name in _ALWAYS}:
        if not library.name.startswith(_GRAPHICS):
            shutil.copy2(library, place)
    loader = "lib64/ld-linux-x86-64.so.2"
    shutil.copy2(Path("/") / loader, root / loader)


def _linked(programs: list[Path], python: Path) -> Iterator[Path]:
    said = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    for line in said.splitlines():
        _, arrow, place = line.partition(" => /")
        path = Path("/") / place.split(" (")[0]
        if arrow and not path.is_relative_to(python):
            yield path


def _add_shell(root: Path) -> None:
    """Busybox, the only program of the stand-in that is not Python."""
    busybox = shutil.which("busybox")
    if busybox is None:
        missing("busybox is not installed: as root, `make servers` installs busybox-static")
    programs = root / "bin"
    programs.mkdir()
    shutil.copy2(str(busybox), programs / "busybox")
    names = subprocess.run([str(busybox), "--list"], check=True, capture_output=True, text=True).stdout.split()
    for name in set(names) - {"busybox"}:
        (programs / name).symlink_to("busybox")
    for folder in ("tmp", "root", "proc", "sys", "dev", "etc", "usr/bin", "usr/local/bin", "var/task", "var/runtime"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    (root / "etc/nsswitch.conf").write_text("hosts: files dns\n")


def _add_runtime(root: Path) -> None:
    """AWS's runtime client and emulator."""
    for needed in (_EMULATOR, _RUNTIME_CLIENT / ".ready"):
        if not needed.exists():
            missing(f"{needed.relative_to(REPO)} is missing: `make {needed.relative_to(REPO)}` fetches it")
    place = root / "usr/local/bin/aws-lambda-rie"
    shutil.copy2(_EMULATOR, place)
    place.chmod(0o755)
    packages = root / _LANG / "lib" / f"python{PYTHON}" / "site-packages"
    shutil.copytree(_RUNTIME_CLIENT, packages, dirs_exist_ok=True)
    bootstrap = root / "var/runtime/bootstrap"
    bootstrap.write_text(_BOOTSTRAP)
    bootstrap.chmod(0o755)


def _add_settings(root: Path) -> None:
    """How this machine's pip reaches the package index, and whose certificates it trusts: for the build's steps."""
    target = root / _CERTIFICATES
    target.parent.mkdir(parents=True)
    trusted = os.environ.get("SSL_CERT_FILE") or f"/{_CERTIFICATES}"
    if Path(trusted).exists():
        shutil.copy2(trusted, target)
    config = configparser.ConfigParser(interpolation=None)
    config["global"] = {"cert": f"/{_CERTIFICATES}", **_pip_settings()}
    text = io.StringIO()
    config.write(text)
    (root / "etc/pip.conf").write_text(text.getvalue())


def _pip_settings() -> dict[str, str]:
    """Those of this machine's pip that mean something elsewhere: addresses, not folders."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    settings = {}
    for line in said.splitlines():
        name, _, value = line.partition("=")
        short = name.rpartition(".")[2]
        words = [word for word in ast.literal_eval(value).split() if "file:" not in word]
        if short in _PIP_SETTINGS and words:
            settings[short] = " ".join(words)
    proxy = os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy")
    return {**({"proxy": proxy} if proxy else {}), **settings}

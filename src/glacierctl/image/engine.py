"""The Docker engine: what it holds, and the door to building, pushing and running."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import docker

from glacierctl.errors import ImageError
from glacierctl.image import registry
from glacierctl.image.build import build_with_buildx, build_with_sdk, buildx_program
from glacierctl.image.context import Context
from glacierctl.image.emulator import Emulator, Limits, Mount, Response, emulate
from glacierctl.image.failures import engine_failures, no_engine

PROCESSOR = {"x86_64": "amd64", "arm64": "arm64"}
"""Docker's name for each of Lambda's architectures."""

_SILENCE_S = 300
"""How long an engine may say nothing."""


@dataclass(frozen=True)
class BuiltImage:
    """An image in the local engine."""

    id: str
    """Its digest in the engine, `sha256:...`; not that of the registry."""
    name: str
    """Such as `glacierctl:lean-x86_64-0123456789abcdef`."""
    architecture: str
    """Docker's name of its processors: `amd64` or `arm64`."""
    size_bytes: int
    """Unpacked, its base included."""


class Engine:
    """A Docker engine that answers."""

    def __init__(self, client: Any, host: str | None) -> None:
        """Use `connect`."""
        self._client = client
        self._host = host

    @classmethod
    def connect(cls, host: str | None = None) -> Self:
        """Reach the engine at `host`, such as `unix:///var/run/docker.sock`; by default where Docker's own tools look.

        Raises:
            ImageError: there is none, or it may not be used.
        """
        try:
            make = docker.from_env if host is None else docker.DockerClient
            place = {} if host is None else {"base_url": host}
            return cls(make(timeout=_SILENCE_S, **place), host)
        except (docker.errors.DockerException, docker.errors.TLSParameterError) as error:
            raise no_engine(host, error) from error

    @property
    def version(self) -> str:
        """Of the engine."""
        with engine_failures("the Docker engine cannot be asked for its version"):
            version: str = self._client.version()["Version"]
            return version

    @property
    def has_buildkit(self) -> bool:
        """Whether images are built by `docker buildx`, which is faster than the SDK."""
        return buildx_program() is not None

    def close(self) -> None:
        """Let go of the engine."""
        self._client.close()

    def find(self, context: Context) -> BuiltImage | None:
        """The image of this very content, if it was built before.

        Raises:
            ImageError: the engine does not answer, or holds an image for other processors under that name.
        """
        with engine_failures("the Docker engine cannot be asked for its images"):
            try:
                found = self._client.api.inspect_image(context.name)
            except docker.errors.ImageNotFound:
                return None
        image = BuiltImage(found["Id"], context.name, found["Architecture"], found["Size"])
        if image.architecture != PROCESSOR[context.architecture]:
            raise _wrong_architecture(image, context)
        return image

    def build(
        self, context: Context, *, on_line: Callable[[str], None] = lambda _line: None, network: str | None = None
    ) -> BuiltImage:
        """Build an image; layers that did not change are taken from the engine's cache.

        Args:
            context: what it is made of.
            on_line: told each line of the build.
            network: Docker's network mode for its steps, such as `host`; by default Docker's own.

        Raises:
            ImageError: a step fails, or the result is for other processors. No image has the context's name then.
        """
        platform = f"linux/{PROCESSOR[context.architecture]}"
        program = buildx_program()
        if program:
            build_with_buildx(program, self._host, context, platform=platform, network=network, on_line=on_line)
        else:
            build_with_sdk(self._client.api, context, platform=platform, network=network, on_line=on_line)
        try:
            image = self.find(context)
        except ImageError:
            self.remove(context.name)
            raise
        if image is None:
            raise ImageError(
                f"the image {context.name} is not there after its build",
                why="the build ended well, but the engine does not hold the image",
                hint="Check that `docker buildx` builds for this engine (docker buildx ls), then try again.",
            )
        return image

    def remove(self, name: str) -> None:
        """Take a name off an image; an image without a name goes. If there is none, nothing happens.

        Raises:
            ImageError: the engine refuses.
        """
        with engine_failures(f"{name} cannot be removed from the Docker engine"):
            try:
                self._client.api.remove_image(name)
            except docker.errors.ImageNotFound:
                return

    def push(
        self,
        image: BuiltImage,
        reference: str,
        login: registry.Login | None,
        *,
        on_progress: Callable[[registry.LayerProgress], None] = lambda _progress: None,
    ) -> registry.Pushed:
        """Push an image; layers that the registry holds are not sent again.

        Args:
            image: what to push.
            reference: where to, as `host[:port]/repository:tag`. If the registry keeps tags for ever and has this one,
                it is the image that it has: equal content, equal tag.
            login: for the registry; none for an open one. Nothing of it is written anywhere.
            on_progress: told how far each layer is.

        Raises:
            ImageError: the registry refuses, goes away, or keeps the image in a form that Lambda refuses.
        """
        return registry.push(self._client.api, image.id, reference, login, on_progress=on_progress)

    def published(self, reference: str, login: registry.Login | None) -> registry.Pushed | None:
        """What a registry holds under `host[:port]/repository:tag` (or `@digest`), or None.

        Raises:
            ImageError: the registry refuses or does not answer.
        """
        return registry.look_up(self._client.api, reference, login)

    @contextmanager
    def emulator(
        self,
        image: str,
        limits: Limits,
        *,
        environment: Mapping[str, str] | None = None,
        mounts: Sequence[Mount] = (),
        network: str | None = None,
        user: str | None = None,
    ) -> Iterator[Emulator]:
        """Run an image as Lambda does, for as long as the context lasts: see `emulate`."""
        with emulate(
            self._client.api,
            image,
            limits,
            environment=environment or {},
            mounts=mounts,
            network=network,
            user=user,
        ) as running:
            yield running

    def run(
        self,
        image: BuiltImage,
        event: object,
        limits: Limits,
        *,
        environment: Mapping[str, str] | None = None,
        mounts: Sequence[Mount] = (),
        network: str | None = None,
        user: str | None = None,
    ) -> Response:
        """Run one event in a fresh container: see `emulate`."""
        with self.emulator(
            image.name, limits, environment=environment, mounts=mounts, network=network, user=user
        ) as running:
            return running.invoke(event)


def _wrong_architecture(image: BuiltImage, context: Context) -> ImageError:
    return ImageError(
        f"the image {context.name} is for the wrong processors",
        why=f"{context.architecture} was asked for and it is for {image.architecture}",
        hint=(
            "Remove what the engine holds of the base image (docker image rm), let the engine run programs of that "
            "architecture (QEMU's binfmt), or deploy the architecture of this machine with --arch."
        ),
    )

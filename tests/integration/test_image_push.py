"""The image in a real registry that asks for a password: sent, found there, pulled by digest, and what goes wrong."""

import base64
import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support import base_image, bowdoin, command
from tests.support import docker_engine as docker_engine_support
from tests.support import registry as registry_support
from tests.support.catalogs import write_static_catalog
from tests.support.docker_engine import DockerEngine
from tests.support.processes import free_port
from tests.support.registry import PASSWORD, USER, DyingProxy, Registry

from glacierctl.choices import Architecture
from glacierctl.errors import ImageError
from glacierctl.image.context import Context, build_context
from glacierctl.image.emulator import Limits, Mount
from glacierctl.image.engine import BuiltImage, Engine
from glacierctl.image.registry import LayerProgress, Login, Pushed

pytestmark = pytest.mark.slow

_MB = 10**6
_LOGIN = Login(USER, PASSWORD)
_TAG = "lean"


@dataclass(frozen=True)
class Sent:
    """The lean image, pushed once."""

    pushed: Pushed
    reference: str
    progress: list[LayerProgress]


@dataclass(frozen=True)
class Bare:
    """A run without a container, and the event that would have been sent for it."""

    folder: Path
    scenes: Path
    event: dict

    @classmethod
    def of(cls, scene: bowdoin.BowdoinScene, folder: Path) -> "Bare":
        catalog = write_static_catalog(folder / "catalog", [scene.item])
        days = ("--start-date", f"{bowdoin.PASSES[0].sensed_at:%Y-%m-%d}", "--end-date", "2017-12-31")
        words = ("run-local", "--satellite", "sentinel2", "--regions", "163_Bowdoin", *days)
        ran = command.run(*words, "--catalog", catalog, "--output", folder / "bare", cwd=folder)
        assert ran.code == 0, ran.stderr
        (task,) = (folder / "bare" / "runs").glob("*/tasks/*.json")
        return cls(folder / "bare", scene.nir.parent, json.loads(task.read_text()))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """One that nothing was pushed to yet: Docker remembers which layers a registry holds, and would not send them."""
    with registry_support.serve(tmp_path_factory.mktemp("empty-registry")) as running:
        yield running


@pytest.fixture(scope="module")
def sent(engine: Engine, lean_image: BuiltImage, registry: Registry) -> Sent:
    progress: list[LayerProgress] = []
    reference = f"{registry.host}/glaciers/processor:{_TAG}"
    return Sent(engine.push(lean_image, reference, _LOGIN, on_progress=progress.append), reference, progress)


@pytest.fixture(scope="module")
def tiny(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltImage]:
    """An image that is built at once: the base and a label."""
    image = engine.build(labelled(tmp_path_factory.mktemp("tiny")))
    yield image
    engine.remove(image.name)


def labelled(folder: Path, architecture: Architecture = Architecture.X86_64, *, base: str | None = None) -> Context:
    named = build_context().base
    (folder / "Dockerfile").write_text(f"ARG BASE={named}\nFROM ${{BASE}}\nLABEL size=tiny\n")
    return build_context(architecture=architecture, container=folder, base=base)


@pytest.fixture(scope="module", autouse=True)
def broken_push(docker_engine: DockerEngine, registry: Registry, tiny: BuiltImage) -> Iterator[Future]:
    """A push whose registry dies in the middle of it. Docker tries again for a minute; tests go on meanwhile."""
    proxy = DyingProxy(registry, after_bytes=5 * _MB)

    def push() -> Pushed:
        with closing(Engine.connect(docker_engine.host)) as own:
            return own.push(tiny, f"{proxy.host}/broken/processor:1", _LOGIN)

    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(push)
    proxy.close()


def test_it_is_pushed_and_named_by_the_registrys_own_digest(
    sent: Sent, registry: Registry, lean_image: BuiltImage
) -> None:
    manifest = registry.manifest("glaciers/processor", _TAG)
    assert sent.pushed.digest == manifest["digest"]
    assert sent.pushed.reference == f"{registry.host}/glaciers/processor@{manifest['digest']}"
    assert sent.pushed.media_type == manifest["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
    assert manifest["config"]["digest"] == lean_image.id


def test_the_lean_stack_is_at_most_250_mb_compressed(sent: Sent, registry: Registry) -> None:
    layers = [
        layer["size"] for layer in registry.manifest("glaciers/processor", sent.reference.rpartition(":")[2])["layers"]
    ]
    own = sum(layers[1:])
    print(f"the lean stack is {own / _MB:.0f} MB compressed, beside {layers[0] / _MB:.0f} MB of its base")
    assert 50 * _MB < own <= 250 * _MB


def test_each_layer_says_how_far_it_is(sent: Sent) -> None:
    pushing = [one for one in sent.progress if one.state == "Pushing" and one.total_bytes > 200 * _MB]
    assert len({one.layer for one in pushing}) == 1
    done = [one.done_bytes for one in pushing]
    assert len(done) > 3
    assert done == sorted(done)
    assert pushing[0].layer in {one.layer for one in sent.progress if one.state == "Pushed"}


def test_pushing_leaves_no_name_of_the_registry_behind(
    sent: Sent, docker_engine: DockerEngine, lean_image: BuiltImage
) -> None:
    assert not docker_engine.holds(sent.reference)
    assert docker_engine.holds(lean_image.name)


def test_what_is_there_is_found_and_what_is_not_is_not(sent: Sent, engine: Engine, registry: Registry) -> None:
    assert engine.published(sent.reference, _LOGIN) == sent.pushed
    assert engine.published(sent.pushed.reference, _LOGIN) == sent.pushed
    assert engine.published(f"{registry.host}/glaciers/processor:other", _LOGIN) is None
    assert engine.published(f"{registry.host}/glaciers/nothing:{_TAG}", _LOGIN) is None


def test_pulled_by_digest_into_another_engine_it_makes_the_same_bytes_as_a_bare_run(
    sent: Sent,
    lean_image: BuiltImage,
    registry: Registry,
    bowdoin_scenes: tuple[bowdoin.BowdoinScene, ...],
    tmp_path: Path,
) -> None:
    """As on Lambda: nobody's rights, a root that is read-only, and real pixels."""
    bare = Bare.of(bowdoin_scenes[0], tmp_path)
    login = {"auths": {registry.host: {"auth": base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}}}
    (tmp_path / "config.json").write_text(json.dumps(login))
    results = tmp_path / "results"
    results.mkdir()
    results.chmod(0o777)
    with docker_engine_support.serve_empty() as elsewhere, closing(Engine.connect(elsewhere.host)) as engine:
        elsewhere.docker("--config", tmp_path, "pull", "--quiet", sent.pushed.reference)
        (document,) = json.loads(elsewhere.docker("image", "inspect", sent.pushed.reference))
        assert (document["Id"], document["RepoDigests"]) == (lean_image.id, [sent.pushed.reference])
        mounts = [Mount(results, str(bare.folder), writable=True), Mount(bare.scenes, str(bare.scenes))]
        limits = Limits(memory_mb=2048, ephemeral_mb=512, timeout_s=300)
        with engine.emulator(sent.pushed.reference, limits, mounts=mounts) as running:
            response = running.invoke(bare.event)
            assert response.error_type is None, running.log()
    assert response.payload["product"] == 1
    made = {path.relative_to(results): path.read_bytes() for path in results.glob("sentinel2/**/*.*")}
    assert made == {path.relative_to(bare.folder): path.read_bytes() for path in bare.folder.glob("sentinel2/**/*.*")}
    assert {path.suffix for path in made} == {".tif", ".json", ".png", ".csv"}
    assert {path.stat().st_uid for path in results.rglob("*")} == {993}


@pytest.mark.parametrize("login", [Login(USER, "wrong"), None])
def test_a_wrong_password_is_one_clear_error(
    engine: Engine, docker_engine: DockerEngine, tiny: BuiltImage, registry: Registry, login: Login | None
) -> None:
    reference = f"{registry.host}/refused/processor:1"
    for use in (lambda: engine.push(tiny, reference, login), lambda: engine.published(reference, login)):
        with pytest.raises(ImageError, match="cannot be") as raised:
            use()
        assert "password" in raised.value.hint
        assert "wrong" not in raised.value.why
    assert not registry.holds("refused/processor", "1")
    assert not docker_engine.holds(reference)


def test_no_login_is_written_anywhere(sent: Sent, tmp_path: Path) -> None:
    del sent
    assert not (Path.home() / ".docker").exists()
    assert PASSWORD not in repr(_LOGIN)
    assert not list(tmp_path.rglob("config.json"))


def test_a_registry_that_is_not_there_is_one_clear_error(engine: Engine, tiny: BuiltImage) -> None:
    reference = f"127.0.0.1:{free_port()}/glaciers/processor:1"
    for use in (lambda: engine.push(tiny, reference, _LOGIN), lambda: engine.published(reference, _LOGIN)):
        with pytest.raises(ImageError, match="cannot be") as raised:
            use()
        assert "The registry cannot be reached" in raised.value.hint


def test_an_image_for_other_processors_than_asked_for_is_none(
    engine: Engine, docker_engine: DockerEngine, tmp_path: Path
) -> None:
    for base, asked, got in (("arm64", Architecture.X86_64, "arm64"), ("amd64", Architecture.ARM64, "amd64")):
        base_image.add_empty_image(docker_engine, f"stub-{base}:1", base)
        context = labelled(tmp_path, asked, base=f"stub-{base}:1")
        with pytest.raises(ImageError, match="wrong processors") as raised:
            engine.build(context)
        assert f"{asked} was asked for and it is for {got}" in raised.value.why
        assert "--arch" in raised.value.hint
        assert not docker_engine.holds(context.name)


def test_an_image_for_arm64_is_one_where_its_base_is(
    engine: Engine, docker_engine: DockerEngine, tmp_path: Path
) -> None:
    base_image.add_empty_image(docker_engine, "stub-arm64:1", "arm64")
    image = engine.build(labelled(tmp_path, Architecture.ARM64, base="stub-arm64:1"))
    assert image.architecture == "arm64"
    engine.remove(image.name)


def test_what_is_there_is_not_sent_again(
    sent: Sent, broken_push: Future, engine: Engine, lean_image: BuiltImage, registry: Registry
) -> None:
    broken_push.exception()  # else its uploads are counted here
    before = registry.uploads()
    progress: list[LayerProgress] = []
    assert engine.push(lean_image, sent.reference, _LOGIN, on_progress=progress.append) == sent.pushed
    assert registry.uploads() - before == 1  # the manifest
    assert {one.state for one in progress if one.layer != _TAG} <= {"Preparing", "Waiting", "Layer already exists"}


def test_a_registry_that_dies_in_the_middle_is_one_clear_error_and_the_next_push_completes(
    broken_push: Future, engine: Engine, tiny: BuiltImage, registry: Registry
) -> None:
    error = broken_push.exception()
    assert isinstance(error, ImageError)
    assert "cannot be pushed" in error.what
    assert "The registry cannot be reached" in error.hint
    assert not registry.holds("broken/processor", "1")
    pushed = engine.push(tiny, f"{registry.host}/broken/processor:1", _LOGIN)
    assert pushed.digest == registry.manifest("broken/processor", "1")["digest"]

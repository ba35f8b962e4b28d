"""`glacierctl run-local --container`: the same job in the image, byte for byte."""

import datetime as dt
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support import bowdoin, command, moto_server, small
from tests.support.catalogs import write_static_catalog
from tests.support.docker_engine import DockerEngine
from tests.support.processes import stop

from glacierctl.image import makers
from glacierctl.image.engine import BuiltImage
from glacierctl.runs.ledger import Ledger
from glacierctl.storage import FolderStore

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Place:
    """A catalogue, and how the command line finds the engine."""

    folder: Path
    catalog: Path
    environment: dict[str, str]

    def words(self, output: str, *flags: str, days: tuple[str, str] = ("2016-04-10", "2016-08-08")) -> list[str]:
        where = ("--regions", "163_Bowdoin") if days[0].startswith("2016") else (f"--bbox={small.BBOX}",)
        dates = ("--start-date", days[0], "--end-date", days[1])
        places = ("--catalog", str(self.catalog), "--output", str(self.folder / output))
        return ["run-local", "--satellite", "sentinel2", *where, *dates, *places, *flags]


@pytest.fixture
def place(docker_engine: DockerEngine, lean_image: BuiltImage, tmp_path: Path) -> Callable[..., Place]:
    """Makes a `Place` of items; the image is built already."""
    del lean_image

    def make(items: list[dict]) -> Place:
        environment = {**docker_engine.environment, "GLACIERCTL_DOCKER_NETWORK": "host"}
        return Place(tmp_path, write_static_catalog(tmp_path / "catalog", items), environment)

    return make


def products(folder: Path) -> dict[str, bytes]:
    """All that the tools read that take the results: images, items, quicklooks, lineage."""
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("sentinel2/**/*") if path.is_file()
    }


def test_two_real_dates_are_the_same_bytes_as_without_a_container(
    place: Callable[..., Place], bowdoin_scenes: tuple[bowdoin.BowdoinScene, ...], docker_engine: DockerEngine
) -> None:
    here = place([scene.item for scene in bowdoin_scenes[:2]])
    bare = command.run(*here.words("bare", "--json"), cwd=here.folder)
    ran = command.run(*here.words("contained", "--json", "--container"), cwd=here.folder, env=here.environment)
    assert (bare.code, ran.code) == (0, 0), ran.stderr
    assert "is built already" in ran.stderr
    assert all(f"[{number}/2] 163_Bowdoin" in ran.stderr for number in (1, 2))
    made, expected = products(here.folder / "contained"), products(here.folder / "bare")
    assert (
        sorted(path.rpartition(".")[2] for path in expected) == ["csv"] * 3 + ["json"] * 2 + ["png"] * 2 + ["tif"] * 2
    )
    assert made.keys() == expected.keys()
    assert [path for path, content in made.items() if content != expected[path]] == []
    assert docker_engine.containers() == []
    assert {path.stat().st_uid for path in (here.folder / "contained").rglob("*")} == {os.getuid()}


def test_it_says_the_same_as_without_a_container(place: Callable[..., Place], tmp_path: Path) -> None:
    """A product, one too cloudy, one that cannot be read; and the same again when it is repeated."""
    scenes = [
        small.scene(tmp_path / "scenes", 3),
        small.scene(tmp_path / "scenes", 5, cloudy=1.0),
        small.scene(tmp_path / "scenes", 8),
    ]
    scenes[2].image.write_bytes(b"<html>gone</html>")
    here = place([scene.item for scene in scenes])
    days = ("2024-07-01", "2024-07-31")
    documents = []
    for output, flags, environment in (("bare", (), {}), ("contained", ("--container",), here.environment)):
        for _ in range(2):
            ran = command.run(
                *here.words(output, "--json", "--max-cloud", "0.5", *flags, days=days), cwd=tmp_path, env=environment
            )
            assert ran.code == 1, ran.stderr
            documents.append(timeless(json.loads(ran.stdout), tmp_path / output))
    assert documents[:2] == documents[2:]
    assert documents[0]["total"] == {"products": 1, "skipped": {"cloud": 1}, "failed": 1}
    assert documents[1]["total"] == {"products": 0, "skipped": {"cloud": 1, "exists": 1}, "failed": 1}
    assert products(tmp_path / "contained") == products(tmp_path / "bare")
    reports = sorted(path.name for path in (tmp_path / "contained/runs").rglob("reports/*/*.json"))
    assert reports == ["1.json", "2.json"]


def timeless(document: dict, output: Path) -> dict:
    """A document without what no two runs share: seconds, memory, folders."""
    text = json.dumps(document).replace(str(output), "OUTPUT")
    plain = json.loads(text)
    assert plain["usage"].pop("peak_memory_mb") > 50
    for usage in (plain["usage"], *(one["usage"] for one in plain["outcomes"])):
        usage.pop("seconds")
    return plain


def test_its_ledger_is_like_that_of_any_run_here_and_overwriting_makes_all_anew_each_time(
    place: Callable[..., Place], tmp_path: Path
) -> None:
    here = place([small.scene(tmp_path / "scenes", 3).item])
    days = ("2024-07-01", "2024-07-31")
    bare = json.loads(command.run(*here.words("out", "--json", days=days), cwd=tmp_path).stdout)
    at = ("--output", str(tmp_path / "out"))
    assert Ledger(FolderStore(tmp_path / "out"), bare["run_id"]).cancel(dt.datetime.now(dt.UTC))
    for path in (tmp_path / "out").rglob("sentinel2/**/*.json"):
        path.unlink()
    made = [
        json.loads(
            command.run(
                *here.words("out", "--json", "--container", *flags, days=days), cwd=tmp_path, env=here.environment
            ).stdout
        )
        for flags in ((), ("--overwrite",), ("--overwrite",))
    ]
    assert [one["total"]["products"] for one in made] == [1, 1, 1], "not called off, and not told that it exists"
    assert made[0]["run_id"] == bare["run_id"]
    assert len({one["run_id"] for one in made}) == 3
    for one in made:
        status = command.run("status", one["run_id"], "--json", *at, cwd=tmp_path)
        assert (status.code, json.loads(status.stdout)["state"]) == (0, "ended"), status.stderr


def test_a_bucket_is_written_to_by_the_container_itself(
    place: Callable[..., Place], moto: moto_server.Moto, tmp_path: Path
) -> None:
    moto.s3().create_bucket(Bucket="results", CreateBucketConfiguration={"LocationConstraint": moto_server.AWS_REGION})
    here = place([small.scene(tmp_path / "scenes", 3).item])
    days = ("2024-07-01", "2024-07-31")
    words = here.words("out", "--container", days=days)
    words[words.index("--output") + 1] = "s3://results/there"
    bare = command.run(*here.words("bare", days=days), cwd=tmp_path)
    ran = command.run(*words, cwd=tmp_path, env=here.environment)
    assert (bare.code, ran.code) == (0, 0), ran.stderr
    found = moto.s3().list_objects_v2(Bucket="results", Prefix="there/sentinel2/")["Contents"]
    made = {one["Key"].removeprefix("there/"): moto.s3().get_object(Bucket="results", Key=one["Key"]) for one in found}
    assert {key: answer["Body"].read() for key, answer in made.items()} == products(tmp_path / "bare")


def test_too_little_memory_is_a_failure_with_its_reason(
    place: Callable[..., Place], docker_engine: DockerEngine, tmp_path: Path
) -> None:
    """A block that takes 128 MB once it is decoded."""
    scenes = [small.scene(tmp_path / "scenes", day, block=side) for day, side in ((3, 8192), (5, 128))]
    here = place([scene.item for scene in scenes])
    ran = command.run(
        *here.words("out", "--container", "--json", days=("2024-07-01", "2024-07-31")),
        cwd=here.folder,
        env={**here.environment, "GLACIERCTL_MEMORY_MB": "256"},
    )
    assert ran.code == 1, ran.stderr
    outcomes = json.loads(ran.stdout)["outcomes"]
    assert [one["outcome"] for one in outcomes] == ["failed", "failed"]
    assert "memory" in outcomes[0]["why"] + outcomes[0]["hint"]
    assert docker_engine.containers() == []
    (report,) = (here.folder / "out/runs").rglob("reports/*/*.json")
    assert json.loads(report.read_text())["outcomes"] == outcomes


def test_an_interrupted_run_leaves_no_container_and_goes_on(
    place: Callable[..., Place], bowdoin_scenes: tuple[bowdoin.BowdoinScene, ...], docker_engine: DockerEngine
) -> None:
    here = place([scene.item for scene in bowdoin_scenes[:2]])
    words = here.words("out", "--container")
    code, said = ended_in_the_middle(here, words, docker_engine, signal.SIGINT)
    assert code == 130, said
    assert "Interrupted" in said
    assert docker_engine.containers() == []
    again = command.run(*words, cwd=here.folder, env=here.environment)
    assert again.code == 0, again.stderr


def ended_in_the_middle(
    here: Place, words: list[str], docker_engine: DockerEngine, by: signal.Signals
) -> tuple[int, str]:
    """Begin a run and send it a signal while its container works: exit code, and what it said."""
    process = subprocess.Popen(
        [command.PROGRAM, *words],
        cwd=here.folder,
        env={**os.environ, **here.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        end = time.monotonic() + 120
        while not any((here.folder / "out").rglob("*.json")) or not docker_engine.containers():
            assert time.monotonic() < end
            time.sleep(0.05)
        process.send_signal(by)
        _, said = process.communicate(timeout=60)
    finally:
        stop(process, signal.SIGKILL)
    return process.returncode, said


def test_the_container_of_a_killed_run_is_removed_by_the_next_and_nobody_else_s(
    place: Callable[..., Place],
    bowdoin_scenes: tuple[bowdoin.BowdoinScene, ...],
    docker_engine: DockerEngine,
    lean_image: BuiltImage,
) -> None:
    here = place([scene.item for scene in bowdoin_scenes[:2]])
    words = here.words("out", "--container")
    code, said = ended_in_the_middle(here, words, docker_engine, signal.SIGKILL)
    assert code == -signal.SIGKILL, said
    (left,) = docker_engine.containers()
    ((name, maker),) = makers.labels().items()
    elsewhere = f"{name}=another-{maker}"
    others = {
        docker_engine.docker("run", "--detach", *label, "--entrypoint", "sleep", lean_image.name, "600")
        for label in ((), ("--label", f"{name}={maker}"), ("--label", elsewhere), ("--label", f"{name}=x"))
    }
    try:
        again = command.run(*words, cwd=here.folder, env=here.environment)
        assert again.code == 0, again.stderr
        assert set(docker_engine.containers()) == others
        assert left not in others
    finally:
        docker_engine.docker("rm", "--force", *others)
    assert len(list((here.folder / "out").rglob("*.tif"))) == 2


def test_without_an_engine_there_is_one_clear_error(place: Callable[..., Place], tmp_path: Path) -> None:
    here = place([small.scene(tmp_path / "scenes", 3).item])
    words = here.words("out", "--container", days=("2024-07-01", "2024-07-31"))
    ran = command.run(*words, cwd=tmp_path, env={"DOCKER_HOST": f"unix://{tmp_path}/none.sock"})
    assert ran.code == 1
    assert "there is no Docker engine" in ran.stderr
    assert "DOCKER_HOST" in ran.stderr
    assert not (tmp_path / "out" / "runs").exists()


def test_scenes_on_s3_are_read_with_the_callers_credentials(
    place: Callable[..., Place], moto: moto_server.Moto, tmp_path: Path
) -> None:
    """From the same account, at the same address."""
    scene = small.scene(tmp_path / "scenes", 3, address="s3://scenes")
    moto.s3().create_bucket(Bucket="scenes", CreateBucketConfiguration={"LocationConstraint": moto_server.AWS_REGION})
    for path in (scene.image, scene.clouds):
        moto.s3().upload_file(str(path), "scenes", str(path.relative_to(tmp_path / "scenes")))
    here = place([scene.item])
    days = ("2024-07-01", "2024-07-31")
    bare = command.run(*here.words("bare", days=days), cwd=tmp_path)
    ran = command.run(*here.words("out", "--container", days=days), cwd=tmp_path, env=here.environment)
    assert (bare.code, ran.code) == (0, 0), ran.stderr
    assert products(tmp_path / "out") == products(tmp_path / "bare")
    assert len(products(tmp_path / "out")) == 5

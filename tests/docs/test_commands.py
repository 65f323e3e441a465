"""Every command block of README and docs runs: as it stands, on drawn faces, with less to train and to judge."""

import hashlib
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import httpx
import numpy as np
import pytest
from conftest import ROOT, SHARED, Run
from hydra import compose, initialize_config_module
from pages import blocks, write_files
from served import free_port

from twoface_pl.cli.demo import MADE
from twoface_pl.cli.demo_folder import MARKER, clear_folder
from twoface_pl.cli.shape import check_shape, choices
from twoface_pl.data.protocol import Trial, trials_text
from twoface_pl.faces.image import decode_image, write_image
from twoface_pl.faces.sample import Tear, draw_sample
from twoface_pl.faces.synthetic import synthetic_photo

PAGES = ["README.md", "CONTRIBUTING.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))]
# Of programs that are not here: what they name is looked at.
ELSEWHERE = {"docker", "kubectl", "tritonserver", "serving/scripts/start.sh", "serving/scripts/stop.sh",
             "serving/scripts/sample_request.sh"}  # fmt: skip
FACENET = SHARED / "weights" / "facenet_casia_webface_fp16.pt"
NO_IDENTITY = "identity=none"
SMALL = ["generator=ours_tiny", "discriminator=conv_small", "data.workers=0", "data.batch_size=2", "max_batches=2",
         "validate_every=2", "data.validation_photos=2", "losses=reconstruction", NO_IDENTITY, "trainer=cpu",
         "logger=csv", "progress=false"]  # fmt: skip


def _less_to_train(given: list[str]) -> list[str]:
    """The package's model has its own generator; an option of a config belongs to that config."""
    kept = [option for option in SMALL if "experiment=own_photos" not in given or not option.startswith("generator")]
    return [option for option in kept if option != NO_IDENTITY or not _has_identity(given)]


def _has_identity(given: list[str]) -> bool:
    return any(option.startswith("identity.") for option in given)


# Beside what the page says; the last of an option counts.
LESS: dict[str, Callable[[list[str]], list[str]]] = {
    "train": _less_to_train,
    "evaluate": lambda given: ["photos=2"] if _has_identity(given) else ["photos=2", NO_IDENTITY],
    "benchmark": lambda _: ["recogniser=none", "trials=1", "holes=center64", "force=true"],
}


def commands(page: str) -> list[list[str]]:
    """The commands of a page's sh blocks, a line each, without what is said of them."""
    found = []
    for kind, _, text in blocks(page):
        if kind == "sh":
            for line in text.replace("\\\n", " ").splitlines():
                line = re.sub(r"<[^<>]*>", lambda place: place[0].replace("'", "").replace(" ", "_"), line)
                words = shlex.split(line, comments=True)
                if words:
                    found.append(words)
    return found


COMMANDS = {page: found for page in PAGES if (found := commands(page))}


def test_every_command_is_known() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert len(COMMANDS) >= 10
    for page, found in COMMANDS.items():
        for words in found:
            program = Path(words[0]).name
            if program == "make":
                assert set(words[1:]) <= targets, (page, words)
            elif words[0] in ELSEWHERE:
                named = [word for word in words if (ROOT / word).is_file() or "serving/" in word]
                assert all((ROOT / word).is_file() for word in named), (page, words)
            else:
                assert program in ("twoface", "curl", "python", "pre-commit"), (page, words)


@pytest.fixture
def desk(tmp_path: Path, raw: Path) -> Path:
    """A folder with the files that pages speak of."""
    sample = draw_sample(person=11, photo=4, reference=1, tear=Tear(1, 0.5, 0.4), size=256)
    hole = np.repeat(sample.hole[..., None] * np.uint8(255), 3, axis=2)
    for suffix in ("jpg", "png"):
        write_image(tmp_path / f"damaged.{suffix}", sample.photo)
    write_image(tmp_path / "hole.png", hole)
    write_image(tmp_path / "other.jpg", sample.reference)
    shutil.copytree(raw, tmp_path / "photos")
    for person in list((tmp_path / "photos").iterdir()):
        if person.is_dir() and person.name > "person_0007":
            shutil.rmtree(person)
    write_image(tmp_path / "my_masks" / "bar.png", hole)
    return tmp_path


def _run_all(
    page: str, desk: Path, run: Run, changes: Callable[[str, list[str]], list[str]] | None = None
) -> list[str]:
    said = []
    for words in COMMANDS[page]:
        if Path(words[0]).name != "twoface" or words[1:2] == ["serve"]:
            continue
        given = [_filled_in(word, desk) for word in words[1:]]
        less = LESS.get(words[1], lambda _: [])(given)
        more = changes(words[1], given) if changes is not None else []
        done = run(*given, *less, *more, cwd=desk, timeout=600)
        assert done.returncode == 0, (words, done.stderr[-2000:])
        said.append(done.stdout)
    return said


def _filled_in(word: str, desk: Path) -> str:
    """``<time>`` and ``<run>`` are the newest run."""
    runs = sorted((desk / "runs").iterdir()) if (desk / "runs").is_dir() else []
    return re.sub(r"<(time|run)>", runs[-1].name if runs else "none", word)


@pytest.mark.parametrize("page", ["README.md", "docs/start.md"])
def test_the_first_repair(page: str, desk: Path, twoface: Run) -> None:
    assert any("inpaint" in words for words in COMMANDS[page])
    _run_all(page, desk, twoface)
    changed = decode_image(next(desk.glob("damaged-filled.*"))) != decode_image(desk / "damaged.jpg")
    assert changed.any()


def test_the_demo(twoface: Run, tmp_path: Path) -> None:
    done = twoface("demo", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    picture = decode_image(tmp_path / "demo" / "filled-compare.jpg")
    assert picture.shape[1] > 2.9 * picture.shape[0]
    photo, filled, hole = (decode_image(tmp_path / "demo" / f"{name}.png") for name in ("photo", "filled", "mask"))
    assert photo.shape == (1024, 1024, 3)
    assert ((photo != filled).any(axis=2) <= (hole > 0).any(axis=2)).all()
    assert str(tmp_path / "demo" / "filled-compare.jpg") in done.stdout
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "own.txt").write_text("mine")
    assert "holds something else" in twoface("demo", "--folder", "mine", cwd=tmp_path).stderr
    assert (tmp_path / "mine" / "own.txt").exists()
    (tmp_path / "demo" / "own.txt").write_text("mine")
    (tmp_path / "demo" / "filled.png").write_text("of an earlier demo, which is replaced")
    clear_folder(tmp_path / "demo", MADE)
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == [MARKER, "own.txt"]


def test_repairing_photos(desk: Path, twoface: Run) -> None:
    for name in ("masks", "references"):
        (desk / name).mkdir()
    people = sorted(path for path in (desk / "photos").iterdir() if path.is_dir())
    shutil.rmtree(desk / "photos")
    lines = ["image,mask,references"]
    for person in range(len(people[:2])):
        write_image(desk / "photos" / f"{person}.jpg", synthetic_photo(11 + person, 0, 256))
        shutil.copyfile(desk / "hole.png", desk / "masks" / f"{person}.png")
        write_image(desk / "references" / f"{person}.jpg", synthetic_photo(11 + person, 1, 256))
        lines.append(f"photos/{person}.jpg,masks/{person}.png,references/{person}.jpg")
    (desk / "jobs.csv").write_text("\n".join(lines) + "\n")
    _run_all("docs/repair.md", desk, twoface)
    assert (desk / "damaged-filled-placement.png").is_file()
    for folder in ("filled", "filled-too/photos"):
        assert len(list((desk / folder).iterdir())) == 2, folder


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(not FACENET.is_file(), reason="no FaceNet weights beside the project")
def test_training_on_your_own(desk: Path, twoface: Run) -> None:
    shutil.copyfile(FACENET, desk / "facenet.pt")

    def changes(command: str, given: list[str]) -> list[str]:
        of_drawings = ["same_picture=2", "too_alike=2"]  # which are more alike than photos are
        rule = (
            ["force=true"]
            if "split=own_photos" in given
            else ["split.validation=0.33", "split.test=0.33", "split.seed=1"]
        )
        return {"prepare": [*of_drawings, *rule], "evaluate": ["force=true"]}.get(command, [])

    said = _run_all("docs/train.md", desk, twoface, changes)
    assert "compared generator" in said[-1]
    assert (desk / "models" / "two_face_model" / "1" / "repair.onnx").is_file()


def test_the_benchmark(desk: Path, twoface: Run) -> None:
    people = sorted(path.name for path in (desk / "photos").iterdir() if path.is_dir())[:2]
    for person in people:
        for path in (desk / "photos" / person).iterdir():
            write_image(desk / "lfw" / person / f"{path.stem}.jpg", decode_image(path))
            write_image(desk / "img_align_celeba" / f"{person}-{path.stem}.jpg", decode_image(path))
    lists = {}
    for name, file in (("lfw", "{}/{:03d}.jpg"), ("celeba", "{}/{}-{:03d}.jpg")):

        def photo(person: str, number: int, file: str = file) -> str:
            return file.format(*[person] * (file.count("{}")), number)

        own, other = people
        text = trials_text([
            Trial(photo(own, 0), photo(own, 1), photo(own, 2), photo(other, 0), 1),
            Trial(photo(other, 0), photo(other, 1), photo(other, 2), photo(own, 0), 2),
        ])  # fmt: skip
        (desk / f"{name}.list").write_text(text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        lists[name] = [f"protocol.trials={desk / name}.list", f"protocol.sha256={digest}", f"protocol.name=own-{name}"]

    def changes(_: str, given: list[str]) -> list[str]:
        if "against=theirs" in given:  # what another system would have written
            shutil.copytree(desk / "given" / "center64" / "reference", desk / "theirs" / "center64" / "right")
        return lists["celeba" if "protocol=celeba" in given else "lfw"]

    said = _run_all("docs/benchmark.md", desk, twoface, changes)
    assert "| compared generator |" in said[-1]


def test_parts_of_ones_own(desk: Path, twoface: Run) -> None:
    """Training with them is `test_extend`'s; here, masks as files."""
    prepared = twoface(
        "prepare",
        "source.root=photos",
        "frame=none",
        "image_size=64",
        "split.validation=0.4",
        "split.test=0.4",
        cwd=desk,
    )
    assert prepared.returncode == 0, prepared.stderr
    write_files(desk, "extend/masks.md")
    _run_all("docs/extend/masks.md", desk, twoface,
             lambda command, _: {"train": ["image_size=64"]}.get(command, []))  # fmt: skip
    assert (desk / "my_masks.png").is_file()


def test_asking_the_server(desk: Path) -> None:
    port = free_port()
    log = (desk / "log").open("wb")
    served = subprocess.Popen(
        [sys.executable, "-m", "twoface_pl", "serve", "--port", str(port)], cwd=desk, stdout=log, stderr=log
    )
    try:
        with httpx.Client(transport=httpx.HTTPTransport(retries=8), timeout=60) as client:
            assert client.get(f"http://127.0.0.1:{port}/healthz").json()["status"] == "ok"
        asked = [words for words in COMMANDS["docs/serving.md"] if words[0] == "curl"]
        assert asked
        for words in asked:
            line = [word.replace(":8501", f":{port}") for word in words]
            done = subprocess.run(["curl", "-sS", "--fail", *line[1:]], cwd=desk, capture_output=True, check=False)
            assert done.returncode == 0, done.stderr
        assert decode_image(desk / "filled.jpg").shape == (256, 256, 3)
    finally:
        served.terminate()
        served.wait(60)
        log.close()


def test_commands_of_the_training_notes_are_still_understood() -> None:
    """They took hours; what they ask for must compose, and have the shape of today's configs."""
    checked = 0
    composed = cache(lambda overrides: compose("train", list(overrides)))
    with initialize_config_module("twoface_pl.conf", version_base="1.3"):
        for words in COMMANDS["docs/training-notes.md"]:
            given = [word for word in words[2:] if "..." not in word and "<" not in word and "|" not in word]
            if words[:2] != ["twoface", "train"] or any("<" in word or ";" in word for word in words):
                given = [word for word in given if "=" in word]
            if words[0] != "twoface" or words[1] != "train":
                continue
            overrides = tuple(word for word in given if "=" in word and not word.endswith(">"))
            check_shape(dict(composed(overrides)), dict(composed(tuple(choices(given)))))
            checked += 1
    assert checked > 20

"""A training that a signal stops: what it saves, what it says, and how it goes on."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from conftest import TESTS, tiny_data, tiny_module, tiny_options
from pytorch_lightning.callbacks import Callback

from twoface_pl.errors import Stopped
from twoface_pl.networks.checkpoint import read_checkpoint
from twoface_pl.training import train as training
from twoface_pl.training.module import InpaintingModule
from twoface_pl.training.stop import Signals
from twoface_pl.training.train import TrainResult, train


@pytest.fixture
def send(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Sends this process a signal when a hook is called in the next training, once so many batches are done."""
    callbacks = training._callbacks
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    def at(hook: str, batches: int, number: int = signal.SIGINT) -> None:
        class Sender(Callback):
            pass

        sent = []

        def fire(_: Sender, __: object, module: InpaintingModule, *___: object) -> None:
            if module.batches_done >= batches and not sent:
                sent.append(number)
                os.kill(os.getpid(), number)

        setattr(Sender, hook, fire)
        monkeypatch.setattr(training, "_callbacks", lambda *arguments: [Sender(), *callbacks(*arguments)])

    yield at
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers  # they came back


RUN: dict = {"max_batches": 6, "validate_every": 3}


def _seeded() -> InpaintingModule:
    torch.manual_seed(0)
    return tiny_module()


@pytest.fixture(scope="module")
def unbroken(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    return train(_seeded(), tiny_data(prepared), tiny_options(tmp_path_factory.mktemp("unbroken"), **RUN))


@pytest.mark.parametrize(
    ("hook", "batches", "saved"),
    [
        ("on_train_batch_end", 2, 2),  # between two validations
        ("on_train_batch_start", 3, 4),
        ("on_train_batch_end", 3, 3),  # where a validation is due
        ("on_validation_batch_end", 3, 3),
        ("on_validation_end", 3, 4),
        ("on_validation_batch_end", 6, 6),  # where only the validation is left
    ],
)
def test_a_stop_is_saved_and_a_resume_ends_where_an_unbroken_training_does(
    hook: str, batches: int, saved: int, unbroken: TrainResult, prepared: Path, tmp_path: Path, send
) -> None:
    last = tmp_path / "last.ckpt"
    send(hook, batches)
    with pytest.raises(Stopped) as stopped:
        train(_seeded(), tiny_data(prepared), tiny_options(tmp_path, **RUN))
    assert stopped.value.number == signal.SIGINT
    counted = "all 6" if saved == RUN["max_batches"] else saved
    assert stopped.value.kept == f"{counted} batches are saved in {last}"
    assert read_checkpoint(last)["batches_done"] == saved
    result = train(tiny_module(), tiny_data(prepared), tiny_options(tmp_path, resume=last, **RUN))
    weights, wanted = (read_checkpoint(path)["state_dict"] for path in (result.last, unbroken.last))
    assert all(torch.allclose(value, weights[name], atol=1e-6) for name, value in wanted.items())
    assert result.figures == pytest.approx(unbroken.figures, abs=1e-4)
    pictures = sorted(path.name for path in (tmp_path / "pictures").iterdir())  # of every validation that was due
    assert pictures == ["0000003.png", "0000006.png"]
    best, wanted_best = (read_checkpoint(path)["batches_done"] for path in (result.best, unbroken.best))
    assert best == wanted_best


def test_a_stop_before_the_first_batch_saves_nothing(prepared: Path, tmp_path: Path, send) -> None:
    send("on_train_start", 0, signal.SIGTERM)
    with pytest.raises(Stopped, match="no batch was saved") as stopped:
        train(tiny_module(), tiny_data(prepared), tiny_options(tmp_path / "run"))
    assert stopped.value.number == signal.SIGTERM
    assert not list(tmp_path.rglob("*.ckpt"))


def test_a_second_signal_ends_at_once(prepared: Path, tmp_path: Path, send) -> None:
    send("on_train_batch_start", 3, signal.SIGTERM)
    module = tiny_module()

    def second(*_: object) -> None:
        if module.batches_done == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    module.generator.register_forward_hook(second)
    with pytest.raises(Stopped) as stopped:
        train(module, tiny_data(prepared), tiny_options(tmp_path / "run"))
    assert module.batches_done == 3  # the batch was not finished
    assert stopped.value.kept == f"2 batches are saved in {tmp_path / 'run' / 'last.ckpt'}"  # by the last validation


def test_a_stop_at_the_last_batch_says_that_all_are_done(prepared: Path, tmp_path: Path, send) -> None:
    send("on_validation_end", 4)
    with pytest.raises(Stopped, match=r"^all 4 batches are saved in"):
        train(tiny_module(), tiny_data(prepared), tiny_options(tmp_path / "run"))


def test_a_signal_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Signals() as signals:
            os.kill(os.getpid(), signal.SIGINT)
            assert signals.number == 0
    finally:
        signal.signal(signal.SIGINT, before)


TWO_PROCESSES = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from conftest import tiny_data, tiny_module, tiny_options
from twoface_pl.errors import Stopped
from twoface_pl.training.train import TrainResult, train
if __name__ == "__main__":
    module = tiny_module()
    def stop(*_):
        if os.environ.get("LOCAL_RANK") == "1" and module.training and module.batches_done == 2:
            os.kill(os.getpid(), signal.SIGTERM)
    module.generator.register_forward_hook(stop)
    trainer = dict(accelerator="cpu", devices=2, strategy="ddp_find_unused_parameters_true")
    try:
        train(module, tiny_data(Path({data!r})), tiny_options(Path({run!r}), max_batches=9, trainer=trainer))
    except Stopped as stopped:
        print(stopped.kept)
        sys.exit(128 + stopped.number)
"""


@pytest.mark.slow
def test_two_processes_stop_together(prepared: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    run = tmp_path / "run"
    script.write_text(TWO_PROCESSES.format(tests=str(TESTS), data=str(prepared), run=str(run)))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 128 + signal.SIGTERM, done.stderr[-3000:]
    assert done.stdout == f"3 batches are saved in {run / 'last.ckpt'}\n"
    assert read_checkpoint(run / "last.ckpt")["batches_done"] == 3


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_with_loading_processes(prepared: Path, tmp_path: Path) -> None:
    """It goes to every process of the group; the line that goes on can be pasted as it is."""
    folder = tmp_path / "a run, (1)"
    command = [
        str(Path(sys.executable).with_name("twoface")), "train", "experiment=smoke", "losses=reconstruction",
        f"data.root={prepared}", "data.workers=2", "logger=csv", "progress=false", "max_batches=100000",
        "validate_every=100000", f"hydra.run.dir='{folder}'",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    metrics = folder / "csv" / "version_0" / "metrics.csv"
    try:
        until = time.monotonic() + 120
        while not metrics.exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, said
    assert "Traceback" not in said
    saved = read_checkpoint(folder / "last.ckpt")["batches_done"]
    assert f"twoface train: stopped; {saved} batches are saved in {folder / 'last.ckpt'}; go on with:" in said
    line = shlex.split(said.strip().splitlines()[-1])
    pasted = subprocess.run(
        [command[0], *line[1:], "--cfg", "job"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    shown = " ".join(pasted.stdout.split())  # long values go over several lines
    assert f"resume: {folder / 'last.ckpt'}" in shown, pasted.stderr
    assert "max_batches: 100000" in pasted.stdout

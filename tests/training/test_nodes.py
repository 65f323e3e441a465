"""A training of two machines, each a process here: as torchrun and as SLURM start them."""

import csv
import math
import os
import signal
import subprocess
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch
import yaml
from conftest import CPU, Run, tiny_data, tiny_module, tiny_options
from served import free_port
from warm import run_command, warm_context

from twoface_pl.cli.launched import shared_run
from twoface_pl.errors import TwoFaceError
from twoface_pl.networks.checkpoint import read_checkpoint
from twoface_pl.training.checkpoints import BEFORE, LAST
from twoface_pl.training.train import train

TRAIN = [
    "train", "experiment=smoke", "identity=none", "losses.identity.weight=0", "logger=csv", "augment=none",
    "optimizer.schedule=constant", "max_batches=30", "validate_every=5", "data.validation_photos=4", "progress=false",
    "resume=auto", "hydra.run.dir=run",
]  # fmt: skip
NODES = [*TRAIN, "data.batch_size=4", "trainer=multi_node", "trainer.accelerator=cpu", "trainer.devices=1"]
MOST_SECONDS = 150


def _losses(folder: Path) -> dict[int, float]:
    """The generator's total loss by batch, the last written counts."""
    found = {}
    for file in sorted(folder.glob("csv/version_*/metrics.csv")):
        for row in csv.DictReader(file.open()):
            if row["generator/total"]:
                found[int(row["step"])] = float(row["generator/total"])
    return found


def _waited(*paths: Path) -> None:
    end = time.monotonic() + MOST_SECONDS
    while not all(path.exists() for path in paths) and time.monotonic() < end:
        time.sleep(0.05)


def _torchrun(prepared: Path, folder: Path) -> list[subprocess.Popen[bytes]]:
    nodes = []
    port = free_port()
    for node in range(2):
        launcher = ["--nnodes=2", f"--node-rank={node}", "--nproc-per-node=1", f"--rdzv-endpoint=127.0.0.1:{port}"]
        command = [sys.executable, "-m", "torch.distributed.run", *launcher, "-m", "twoface_pl", *NODES]
        with (folder / f"said{node}").open("ab") as said:
            nodes.append(
                subprocess.Popen(
                    [*command, f"data.root={prepared}"],
                    cwd=folder,
                    stdout=said,
                    stderr=said,
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                )
            )
    return nodes


def _kill(node: subprocess.Popen[bytes]) -> None:
    """torchrun and its workers, as a machine that goes dark."""
    workers = Path(f"/proc/{node.pid}/task/{node.pid}/children").read_text().split()
    for process in (*map(int, workers), node.pid):
        os.kill(process, signal.SIGKILL)
    node.wait()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="processes are looked up in /proc")
def test_two_nodes_of_torchrun_one_killed_and_both_resumed_end_as_one_process(
    twoface: Run, prepared: Path, tmp_path: Path
) -> None:
    first, second = _torchrun(prepared, tmp_path)
    try:
        _waited(tmp_path / "run" / BEFORE)
        _kill(second)
        assert first.wait(MOST_SECONDS) != 0
    finally:
        first.kill()
        first.wait()
    said = (tmp_path / "said0").read_text()
    assert "another process of this training has ended" in said, said[-3000:]
    assert "batches are saved in" in said
    done = read_checkpoint(tmp_path / "run" / LAST)["batches_done"]
    assert 10 <= done < 30
    for node in _torchrun(prepared, tmp_path):
        assert node.wait(MOST_SECONDS) == 0, (tmp_path / "said0").read_text()[-3000:]
    assert [*tmp_path.glob("run*")] == [tmp_path / "run"]
    starts = [*yaml.safe_load_all((tmp_path / "run" / "record.yaml").read_text())]
    assert [start["config"]["trainer"]["num_nodes"] for start in starts] == [2, 2]
    _same_as_alone(twoface, prepared, tmp_path)


def _same_as_alone(twoface: Run, prepared: Path, folder: Path) -> None:
    """Two processes of four photos end as one of eight: equal but for the order of sums."""
    alone = folder / "alone"
    alone.mkdir()
    done = twoface(*TRAIN, "data.batch_size=8", "trainer=cpu", f"data.root={prepared}", cwd=alone)
    assert done.returncode == 0, done.stderr
    of_two, of_one = _losses(folder / "run"), _losses(alone / "run")
    assert set(of_two) == set(of_one) == set(range(1, 31))
    assert of_two == pytest.approx(of_one, rel=1e-4)


def _as_of_slurm(command: list[str], folder: Path, rank: int, port: int) -> None:
    output = folder / f"rank{rank}"
    output.mkdir(exist_ok=True)
    environment = {
        **os.environ, "SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "train", "SLURM_NTASKS": "2", "SLURM_NNODES": "2",
        "SLURM_NTASKS_PER_NODE": "1", "SLURM_PROCID": str(rank), "SLURM_NODEID": str(rank), "SLURM_LOCALID": "0",
        "SLURM_NODELIST": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1",
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
    }  # fmt: skip
    run_command(command, folder, output, environment)


def _srun(prepared: Path, folders: tuple[Path, Path], *more: str) -> list[BaseProcess]:
    """Two processes; each in its machine's folder."""
    context, port = warm_context(), free_port()
    command = [*NODES, f"data.root={prepared}", *more]
    nodes: list[BaseProcess] = [
        context.Process(target=_as_of_slurm, args=(command, folder, rank, port)) for rank, folder in enumerate(folders)
    ]
    for node in nodes:
        node.start()
    return nodes


def _ended(nodes: list[BaseProcess]) -> list[int | None]:
    for node in nodes:
        node.join(MOST_SECONDS)
    return [node.exitcode for node in nodes]


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="this system has no SIGUSR1")
def test_two_nodes_of_slurm_save_are_requeued_once_and_end_as_one_process(
    twoface: Run, prepared: Path, tmp_path: Path
) -> None:
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.parent.mkdir()
    scontrol.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    scontrol.chmod(0o755)
    both = (tmp_path, tmp_path)
    nodes = _srun(prepared, both)
    _waited(tmp_path / "run" / LAST)
    for node in nodes:
        os.kill(node.pid or 0, signal.SIGUSR1)
    said = tmp_path / "rank0" / "2"
    assert _ended(nodes) == [128 + signal.SIGUSR1, 0], said.read_text()
    assert (tmp_path / "asked").read_text() == "requeue 7\n"
    assert 5 <= read_checkpoint(tmp_path / "run" / LAST)["batches_done"] < 30
    assert _ended(_srun(prepared, both)) == [0, 0], said.read_text()
    _same_as_alone(twoface, prepared, tmp_path)
    apart = tmp_path / "apart"  # a machine that does not share the folder begins anew
    apart.mkdir()
    assert _ended(_srun(prepared, (tmp_path, apart), "max_batches=1000")) == [1, 1]
    for output in (said, apart / "rank1" / "2"):
        assert "begin at different checkpoints or have different data" in output.read_text()


def _with_a_bad_gradient(prepared: Path, folder: Path, rank: int, port: int) -> None:
    """A training of two processes, of whose second batches one has a gradient that is not finite."""
    os.environ.update(
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), WORLD_SIZE="2", RANK=str(rank), LOCAL_RANK="0",
        GROUP_RANK=str(rank), TORCHELASTIC_RUN_ID="test", OMP_NUM_THREADS="1",
    )  # fmt: skip
    module = tiny_module(not_finite="skip")
    weight = next(module.generator.parameters())
    weight.register_hook(lambda grad: grad * math.nan if rank and module.batches_done == 1 else None)
    trainer = {**CPU, "num_nodes": 2, "strategy": "ddp_find_unused_parameters_true"}
    train(module, tiny_data(prepared), tiny_options(folder, trainer=trainer))
    torch.save({"skipped": module.finite.skipped, "weights": module.state_dict()}, folder / f"rank{rank}.pt")


@pytest.mark.slow
def test_what_is_not_finite_in_one_process_is_left_out_by_all(prepared: Path, tmp_path: Path) -> None:
    context, port = warm_context(), free_port()
    nodes: list[BaseProcess] = [
        context.Process(target=_with_a_bad_gradient, args=(prepared, tmp_path, rank, port)) for rank in range(2)
    ]
    for node in nodes:
        node.start()
    assert _ended(nodes) == [0, 0]
    one, other = (torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in range(2))
    assert one["skipped"] == other["skipped"] == {2}
    assert all(torch.equal(value, other["weights"][name]) for name, value in one["weights"].items())
    assert read_checkpoint(tmp_path / LAST)["batches_skipped"] == 1


def test_processes_without_one_folder_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(TwoFaceError, match=r"need one folder, which each is given: hydra\.run\.dir=runs/<name>"):
        shared_run(["max_batches=3"])
    given = ["hydra.run.dir=runs/a"]
    assert shared_run(given) == [*given, "hydra.job.name=train_rank1", "hydra.output_subdir=null"]
    monkeypatch.setenv("RANK", "0")
    assert shared_run(given) == given
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert shared_run([]) == []

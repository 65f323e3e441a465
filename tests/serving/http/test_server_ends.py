"""A server under load that is stopped, loses its core, gets a new version, or more than it can do: nothing is lost."""

import asyncio
import os
import shutil
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from served import INFER, Served, serving

from twoface_pl.model_file import SHIPPED
from twoface_pl.serving.http import watch
from twoface_pl.serving.http.core import CoreLost, CoreProcess
from twoface_pl.serving.http.core_options import CoreOptions
from twoface_pl.serving.http.desk import AppOptions, Desk
from twoface_pl.serving.http.queue import Queue
from twoface_pl.serving.http.task import Reply, Task
from twoface_pl.serving.http.watch import Watcher
from twoface_pl.serving.http.work import FACES, INPAINT, OPEN_INFERENCE, TENSORFLOW

SIZE = 128
LENGTH = "Inference-Header-Content-Length"


def _binary(count: int = 1) -> tuple[bytes, dict[str, str]]:
    """A request of grey pictures in binary, and its headers."""
    image = np.full((count, SIZE, SIZE, 3), 0.5, "<f4").tobytes()
    size = len(image)
    shape = f"{SIZE},{SIZE},3]"
    text = (
        f'{{"parameters":{{"binary_data_output":true}},"inputs":['
        f'{{"name":"masked_image","datatype":"FP32","shape":[{count},{shape},'
        f'"parameters":{{"binary_data_size":{size}}}}},'
        f'{{"name":"reference_images","datatype":"FP32","shape":[{count},1,{shape},'
        f'"parameters":{{"binary_data_size":{size}}}}}]}}'
    ).encode()
    return text + image + image, {LENGTH: str(len(text)), "Content-Type": "application/octet-stream"}


def _core_of(served: Served) -> int:
    """The process that does the work."""
    threads = Path(f"/proc/{served.process.pid}/task").iterdir()
    children = [child for thread in threads for child in (thread / "children").read_text().split()]
    found = [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
    (core,) = [child for child in found if b"resource_tracker" not in Path(f"/proc/{child}/cmdline").read_bytes()]
    return core


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are looked up in /proc")
def test_sigterm_under_load_loses_no_accepted_request(tmp_path: Path) -> None:
    """What was sent whole before the signal is answered; afterwards connections are refused, never cut off."""
    content, headers = _binary()
    outcomes: list[str] = []
    with serving(tmp_path / "log") as served:
        url = f"http://{served.url}{INFER}"

        def ask_on(stop: threading.Event) -> None:
            while not stop.is_set():
                try:
                    answer = httpx.post(url, content=content, headers=headers, timeout=60)
                    outcomes.append("done" if answer.status_code == 200 else str(answer.status_code))
                except httpx.ConnectError:
                    return  # it listens no more
                except httpx.TransportError as error:
                    outcomes.append(repr(error))

        stop = threading.Event()
        with ThreadPoolExecutor(6) as pool:
            asking = [pool.submit(ask_on, stop) for _ in range(6)]
            time.sleep(2)
            served.process.send_signal(signal.SIGTERM)
            for _ in range(100):  # it says that it is not ready, until it does not listen
                try:
                    if httpx.get(f"http://{served.url}/v2/health/ready").status_code == 503:
                        outcomes.append("not ready")
                except httpx.TransportError:
                    break
                time.sleep(0.05)
            assert served.process.wait(20) in (143, -15)
            stop.set()
            for each in asking:
                each.result()
    assert outcomes.count("done") > 6
    assert "not ready" in outcomes
    assert set(outcomes) == {"done", "not ready"}


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are looked up in /proc")
def test_a_core_that_dies_is_replaced_and_its_server_lives(tmp_path: Path) -> None:
    content, headers = _binary()
    with serving(tmp_path / "log") as served:
        killed = _core_of(served)
        os.kill(killed, signal.SIGKILL)
        answers = [served.client.post(INFER, content=content, headers=headers) for _ in range(3)]
        assert [answer.status_code for answer in answers[1:]] == [200, 200]
        assert answers[0].status_code in (200, 500)
        assert _core_of(served) != killed
        assert served.client.get("/healthz").status_code == 200


def test_a_core_that_hangs_is_ended_and_the_next_request_served() -> None:
    core = CoreProcess(CoreOptions(SHIPPED, "cpu", 1, seconds=60))
    task = Task(OPEN_INFERENCE, *_binary())
    task = Task(task.kind, task.body, {name.lower(): value for name, value in task.headers.items()})
    try:
        assert core.start().version == "1"
        assert core.process is not None
        (reply,) = core.answer([task])
        assert reply.status == 200, reply.body
        hung = core.process
        os.kill(hung.pid or 0, signal.SIGSTOP)
        core.options = CoreOptions(SHIPPED, "cpu", 1, seconds=0.3)
        with pytest.raises(CoreLost, match="took over"):
            core.answer([task])
        assert not hung.is_alive()
        core.options = CoreOptions(SHIPPED, "cpu", 1, seconds=60)
        assert core.answer([task])[0].status == 200
    finally:
        core.close()


class _Stub:
    """A core that answers when it may, and may fail."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.asked: list[list[str]] = []

    def answer(self, tasks: Sequence[Task]) -> list[Reply]:
        assert self.may.wait(30)
        self.asked.append([bytes(task.body).decode() for task in tasks])
        if any(task.body == b"poison" for task in tasks):
            raise CoreLost("it died")
        return [Reply(task.body) for task in tasks]


async def _served_by(stub: _Stub, tasks: Sequence[Task], leave: Sequence[int] = ()) -> list[bytes]:
    queue = Queue(stub, 4)
    running = asyncio.ensure_future(queue.run())
    places = []
    for task in tasks:
        places.append(queue.put(task))
        await asyncio.sleep(0.02)  # the first is in work before the second comes
    for number in leave:
        places[number].answered.cancel()
    await asyncio.sleep(0)
    stub.may.set()
    answers = await asyncio.gather(*(place.answered for place in places), return_exceptions=True)
    running.cancel()
    return [answer.body if isinstance(answer, Reply) else b"" for answer in answers]


def _tasks(text: str) -> list[Task]:
    kinds = {"t": TENSORFLOW, "i": INPAINT, "f": FACES}
    return [Task(kinds.get(word[0], TENSORFLOW), word.encode()) for word in text.split()]


def test_who_comes_first_is_served_first_and_only_neighbours_of_a_kind_together() -> None:
    stub, tasks = _Stub(), _tasks("t0 t1 t2 i3 t4 t5 f6 t7 t8 t9 t10 t11")
    answers = asyncio.run(_served_by(stub, tasks))
    assert answers == [task.body for task in tasks]
    assert stub.asked == [["t0"], ["t1", "t2"], ["i3"], ["t4", "t5"], ["f6"], ["t7", "t8", "t9", "t10"], ["t11"]]


def test_who_hangs_up_leaves_the_queue() -> None:
    stub = _Stub()
    answers = asyncio.run(_served_by(stub, _tasks("t0 t1 i2 t3"), leave=[1, 2]))
    assert answers == [b"t0", b"", b"", b"t3"]
    assert stub.asked == [["t0"], ["t3"]]


def test_a_request_that_ends_the_core_costs_its_neighbours_nothing() -> None:
    stub = _Stub()
    answers = asyncio.run(_served_by(stub, _tasks("t0 t1 poison t3")))
    assert answers[0] == b"t0"
    assert answers[1::2] == [b"t1", b"t3"]
    assert b"the server failed" in answers[2]


def test_ten_times_what_it_can_do_is_refused_and_the_next_served(tmp_path: Path) -> None:
    content, headers = _binary()
    with serving(tmp_path / "log", "--queue", 4) as served:
        url = f"http://{served.url}{INFER}"
        with ThreadPoolExecutor(40) as pool:
            answers = [pool.submit(httpx.post, url, content=content, headers=headers, timeout=60) for _ in range(40)]
            statuses = [answer.result().status_code for answer in answers]
            told = {answer.result().headers.get("retry-after") for answer in answers}
        assert set(statuses) == {200, 503}
        assert statuses.count(200) >= 4
        assert told == {None, "2"}
        assert served.client.post(INFER, content=content, headers=headers).status_code == 200
        assert 'twoface_refused_total{kind="full"}' in served.client.get("/metrics").text


def test_a_deadline_is_kept(tmp_path: Path) -> None:
    content, headers = _binary(8)
    with serving(tmp_path / "log", "--deadline", 1) as served:
        url = f"http://{served.url}{INFER}"
        with ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(httpx.post, url, content=content, headers=headers, timeout=60) for _ in range(8)]
            statuses = {answer.result().status_code for answer in asked}
        assert 504 in statuses
        assert statuses <= {200, 504}
        small, headers = _binary()
        for _ in range(50):
            if served.client.post(INFER, content=small, headers=headers).status_code == 200:
                return
            time.sleep(0.2)
        pytest.fail("it has not recovered")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "1").mkdir(parents=True)
    shutil.copy(SHIPPED, folder / "1")
    return folder


def test_a_new_version_is_taken_and_a_broken_one_refused(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While requests come all the time: none is lost."""
    monkeypatch.setattr(watch, "LOOK_SECONDS", 0.1)
    content, headers = _binary()
    lowered = {name.lower(): value for name, value in headers.items()}
    versions: list[bytes] = []

    async def ask_all_the_time() -> None:
        options = CoreOptions(model / "1" / "model.onnx", "cpu", 1)
        core = CoreProcess(options)
        core.start()
        desk = Desk(core, AppOptions())
        beside = [asyncio.ensure_future(run()) for run in (desk.queue.run, Watcher(model, options, desk).run)]

        async def ask_until(wanted: str, least: float) -> None:
            end = time.monotonic() + 60
            start = time.monotonic()
            while desk.served.version != wanted or time.monotonic() < start + least:
                assert time.monotonic() < end
                reply = await desk.queue.put(Task(OPEN_INFERENCE, content, lowered)).answered
                assert reply.status == 200
                versions.append(reply.body[:90])

        (model / "2").mkdir()
        (model / "2" / "model.onnx").write_bytes(b"no model")
        await ask_until("1", 5)
        shutil.copytree(model / "1", model / "new")
        (model / "new").rename(model / "3")
        await ask_until("3", 0)
        await ask_until("3", 1)
        for task in beside:
            task.cancel()
        assert isinstance(desk.queue.core, CoreProcess)
        desk.queue.core.close()

    asyncio.run(ask_all_the_time())
    assert b'"model_version":"1"' in versions[0]
    assert b'"model_version":"3"' in versions[-1]


def test_a_server_that_took_a_new_version_ends(model: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "log", "--model", model, "--watch") as served:
        shutil.copytree(model / "1", model / "new")
        (model / "new").rename(model / "2")
        end = time.monotonic() + 60
        while served.client.get("/healthz").json()["version"] != "2":
            assert time.monotonic() < end
            time.sleep(0.1)
        pinned = served.client.post("/v1/models/two_face_model/versions/1:predict", json={})
        assert (pinned.status_code, pinned.json()) == (404, {"error": "version 1 is not served; 2 is"})
        core = _core_of(served)
        served.process.send_signal(signal.SIGHUP)  # as a terminal that closes
        assert served.process.wait(15) in (143, -15)
        assert not Path(f"/proc/{core}").exists()


def test_a_model_that_cannot_be_opened_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    core = CoreProcess(CoreOptions(tmp_path / "model.onnx"))
    with pytest.raises(Exception, match=r"model\.onnx"):
        core.start()
    assert not core.alive

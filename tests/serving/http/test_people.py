"""Photos as people send them: a form in, the repaired photo out."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from conftest import Run
from drawn_faces import CLEAR, drawn
from forged import huge_png
from PIL import Image
from profiles import rgb_profile
from served import serving

from twoface_pl.faces.image import decode_image
from twoface_pl.faces.synthetic import synthetic_photo

PERSON, SIDE = CLEAR[0], 240
TOKEN = "a-token-of-letters-and-digits-7"


def _file(pixels: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("serve")
    (folder / "token").write_text(f"{TOKEN}\n")
    options = "--token-file", folder / "token", "--max-megapixels", 2, "--allow-origin", "https://page.example"
    with serving(folder / "log", *options) as served:
        served.client.headers["Authorization"] = f"Bearer {TOKEN}"
        yield served.client


@pytest.fixture(scope="module")
def hole() -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[100:150, 90:150] = 255
    return mask


@pytest.fixture(scope="module")
def photo(hole: np.ndarray) -> np.ndarray:
    pixels = synthetic_photo(PERSON, 0, SIDE)
    pixels[hole > 0] = (30, 200, 60)
    return pixels


@pytest.fixture(scope="module")
def other() -> bytes:
    return _file(synthetic_photo(PERSON, 1, SIDE))


def _ask(
    client: httpx.Client, photo: bytes, *references: bytes, mask: bytes | None = None, accept: str = "*/*", **texts
):
    files = [("photo", ("photo", photo)), *(("reference", ("other", each)) for each in references)]
    files += [("mask", ("mask", mask))] if mask is not None else []
    return client.post("/inpaint", files=files, data=texts, headers={"Accept": accept})


@pytest.mark.parametrize(("kind", "suffix"), [("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp"), ("TIFF", "tiff")])
def test_the_answer_is_what_the_command_line_writes(
    client: httpx.Client, twoface: Run, tmp_path: Path, photo: np.ndarray, other: bytes, hole: np.ndarray,
    kind: str, suffix: str,
) -> None:  # fmt: skip
    options = {"lossless": True} if kind == "WEBP" else {"quality": 90} if kind == "JPEG" else {}
    content, mask = _file(photo, kind, **options), _file(hole)
    for name, each in ((f"photo.{suffix}", content), ("other.png", other), ("mask.png", mask)):
        (tmp_path / name).write_bytes(each)
    done = twoface(
        "inpaint", "--image", f"photo.{suffix}", "--reference", "other.png", "--mask", "mask.png",
        "--output", f"out.{suffix}", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer = _ask(client, content, other, mask=mask)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == f"image/{kind.lower()}"
    assert answer.content == (tmp_path / f"out.{suffix}").read_bytes()
    filled, given = decode_image(answer.content), decode_image(content)
    outside = hole == 0
    if kind == "JPEG":  # blocks of 16 pixels that the hole touches, and colours that reach out of them
        outside[94:162, 78:162] = False
    assert np.array_equal(filled[outside], given[outside])
    assert np.abs(filled[hole > 0].astype(int) - (30, 200, 60)).mean() > 30


def test_json_says_where_the_faces_are_and_what_there_is_to_say(
    client: httpx.Client, photo: np.ndarray, other: bytes, hole: np.ndarray
) -> None:
    small = _file(hole[::2, ::2])
    answer = _ask(client, _file(photo), other, other, mask=small, accept="application/json").json()
    assert decode_image(base64.b64decode(answer["picture"])).shape == photo.shape
    assert answer["media"] == "image/png"
    assert np.array(answer["frame"]).shape == (4, 2)
    assert np.array(answer["reference_frames"]).shape == (2, 4, 2)
    assert answer["likeness"] is None
    assert any("stretched" in remark for remark in answer["remarks"])
    as_picture = _ask(client, _file(photo), other, mask=small)
    assert "stretched" in as_picture.headers["x-remarks"]
    made = "a reference says that a model or this program made it: what was invented may come"
    assert made in _ask(client, _file(photo), as_picture.content, mask=_file(hole)).headers["x-remarks"]
    inks = Image.fromarray(photo).convert("CMYK")
    for kind, said in (
        ("TIFF", "format tiff: the photo is in CMYK, the result in sRGB"),
        ("JPEG", "alone; the answer is a PNG"),
    ):
        stream = io.BytesIO()
        inks.save(stream, kind)
        assert said in _ask(client, stream.getvalue(), other, mask=_file(hole)).headers["x-remarks"]


def test_options_are_the_command_lines(client: httpx.Client, photo: np.ndarray, other: bytes, hole: np.ndarray) -> None:
    content, outside = _file(photo), hole == 0
    by_colour = _ask(client, content, other, mask_colour="1ec83c")
    inverted = _ask(client, content, other, mask=_file(255 - hole), invert="true")
    plain = _ask(client, content, other, mask=_file(hole))
    assert inverted.content == plain.content
    found = decode_image(by_colour.content)
    assert np.abs(found[hole > 0].astype(int) - (30, 200, 60)).mean() > 30
    grown = decode_image(_ask(client, content, other, mask=_file(hole), grow="5").content)
    assert not np.array_equal(grown[outside], photo[outside])
    boxed = _ask(client, content, other, mask=_file(hole), box="40,40,160,160", format="webp")
    assert boxed.headers["content-type"] == "image/webp"
    encoded = _ask(client, _file(photo, "JPEG"), other, mask=_file(hole), reencode="true")
    assert encoded.headers["content-type"] == "image/jpeg"


def test_faces_are_found(client: httpx.Client, hole: np.ndarray, photo: np.ndarray) -> None:
    pixels = drawn(*CLEAR[:2])
    answer = client.post("/faces", files={"photo": _file(pixels)}).json()
    assert (answer["height"], answer["width"]) == pixels.shape[:2]
    assert len(answer["faces"]) == 2
    for face in answer["faces"]:
        assert (len(face["box"]), np.array(face["landmarks"]).shape) == (4, (5, 2))
        assert abs(face["angle"]) < 20
        assert 0.5 < face["confidence"] <= 1
    hidden = client.post("/faces", files={"photo": _file(photo), "mask": _file(hole)}).json()
    assert len(hidden["faces"]) == 1
    assert client.post("/faces", files={"photo": _file(np.zeros((64, 64, 3), np.uint8))}).json()["faces"] == []
    small = client.post("/faces", files={"photo": _file(photo), "mask": _file(hole[::2, ::2])}).json()
    assert small["remarks"] == ["mask is 120x120, the photo 240x240; it is stretched to that"]


def test_pictures_are_bounded_by_their_headers(client: httpx.Client, photo: np.ndarray, other: bytes) -> None:
    large = _file(np.zeros((1500, 1400, 3), np.uint8))
    whole = _file(np.zeros((1000, 1900, 3), np.uint8))
    for pictures, says in (
        ((large, other), "1400x1500 is more than 2 megapixels"),
        ((_file(photo), large), "1400x1500 is more than 2 megapixels"),
        ((_file(photo), whole, whole, whole), "together are more than 4 megapixels"),
        ((huge_png(), other), "more than 2 megapixels"),
    ):
        answer = _ask(client, *pictures)
        assert (answer.status_code, list(answer.json())) == (413, ["error"])
        assert says in answer.json()["error"]


def test_what_is_wrong_is_said(client: httpx.Client, photo: np.ndarray, other: bytes, hole: np.ndarray) -> None:
    content, empty = _file(photo), np.zeros((SIDE, SIDE, 3), np.uint8)
    cases = [
        (_ask(client, content), "reference is missing"),
        (_ask(client, content, *[other] * 9), "reference: more than 8"),
        (_ask(client, b"", other), "photo: an empty file"),
        (_ask(client, b"hello", other), "photo: not a picture"),
        (_ask(client, content, b"hello"), "reference: not a picture"),
        (_ask(client, content, other, bx="1"), "unknown field 'bx'; there are photo, reference, mask"),
        (_ask(client, content, other, box="1,2"), "box: '1,2' is not x,y,width,height"),
        (_ask(client, content, other, reference_box="1,2"), "reference_box: '1,2' is not x,y,width,height"),
        (_ask(client, content, other, frame="1,2"), "frame: '1,2' is not x,y,side,angle"),
        (_ask(client, content, other, reference_frames="1,2"), "reference_frames: '1,2' is not x,y,side,angle"),
        (_ask(client, content, other, mask_colour="pink"), "mask_colour: 'pink' is no colour"),
        (_ask(client, content, other, grow="-1"), "grow: '-1' is not a number of pixels"),
        *(
            (_ask(client, content, other, **{name: "yes"}), f"{name}: 'yes' is neither true nor false")
            for name in ("invert", "check", "opaque", "reencode")
        ),
        (_ask(client, content, other, box="x" * 300), "box: a text of 300 bytes"),
        (_ask(client, content, other, grow="4"), "invert and grow need a mask"),
        (_ask(client, content, other, format="gif"), "format: 'gif' is not written"),
        (
            _ask(client, _file(photo, icc_profile=rgb_profile()), other, format="bmp"),
            "format bmp: a BMP cannot keep the photo's colour profile; use .png or .tiff",
        ),
        (_ask(client, content, other, mask=_file(hole), mask_colour="white"), "not both"),
        (_ask(client, content, other, mask=_file(empty[:50])), "another shape"),
        (_ask(client, _file(empty), other), "no face found in the photo; say where it is: box x,y,width,height"),
        (_ask(client, content, _file(empty)), "no face found in the reference"),
        (client.post("/inpaint", data={"photo": "x"}, files={"reference": other}), "photo must be a file"),
        (client.post("/inpaint", files=[("photo", content)] * 2), "photo: more than 1"),
        (client.post("/faces", files={"photo": content, "reference": other}), "unknown field 'reference'"),
    ]
    for answer, says in cases:
        assert (answer.status_code, list(answer.json())) == (400, ["error"]), answer.text
        assert says in answer.json()["error"]
        assert "--" not in answer.json()["error"]


def test_fields_that_nobody_has_filled_in_are_as_if_they_were_not_there(
    client: httpx.Client, photo: np.ndarray, other: bytes, hole: np.ndarray
) -> None:
    files = [("photo", ("a.png", _file(photo))), ("reference", ("b.png", other)), ("mask", ("m.png", _file(hole)))]
    plain = client.post("/inpaint", files=files)
    blank = [("reference", ("", b"")), ("mask", ("", b""))]
    texts = dict.fromkeys(("box", "invert", "grow", "format", "check", "frame"), "")
    filled = client.post("/inpaint", files=[*files, *blank], data=texts)
    assert filled.status_code == 200, filled.text
    assert filled.content == plain.content
    assert "reference is missing" in client.post("/inpaint", files=[files[0], *blank]).text


def test_forms_that_are_none(client: httpx.Client) -> None:
    for content, kind, status in (
        (b"{}", "application/json", 415),
        (b"a=b", "application/x-www-form-urlencoded", 415),
        (b"--x\r\n", "multipart/form-data", 400),
        (b"--x\r\nContent-Disposition: form-data; name=photo\r\n\r\nabc", "multipart/form-data; boundary=x", 400),
        (b"--x\r\nContent-Disposition: attachment\r\n\r\nabc\r\n--x--\r\n", "multipart/form-data; boundary=x", 400),
        (b"\0" * 1000, "multipart/form-data; boundary=x", 400),
        (b"--x\r\nA: b\r\n\r\n\r\n" * 100 + b"--x--\r\n", "multipart/form-data; boundary=x", 400),
    ):
        answer = client.post("/inpaint", content=content, headers={"Content-Type": kind})
        assert (answer.status_code, list(answer.json())) == (status, ["error"]), answer.text


def test_the_token_is_asked_for_and_probes_need_none(client: httpx.Client) -> None:
    for path in ("/inpaint", "/faces", "/v1/models/two_face_model:predict", "/v2/models/two_face_model/infer"):
        answer = client.post(path, headers={"Authorization": "Bearer wrong"})
        assert (answer.status_code, list(answer.json())) == (401, ["error"])
        assert len(answer.headers["x-request-id"]) == 32
    for path in ("/healthz", "/v2/health/ready", "/v2/health/live"):
        assert httpx.get(client.base_url.join(path)).status_code == 200
    assert httpx.get(client.base_url.join("/metrics")).status_code == 401


def test_a_page_that_is_named_may_ask_and_another_may_not(client: httpx.Client) -> None:
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    allowed = client.options("/inpaint", headers={"Origin": "https://page.example", **asks})
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "https://page.example"
    assert "access-control-allow-credentials" not in allowed.headers
    assert client.options("/inpaint", headers={"Origin": "https://evil.example", **asks}).status_code == 403
    assert "access-control-allow-origin" not in client.get("/healthz").headers


def test_figures_are_told(client: httpx.Client, photo: np.ndarray, other: bytes) -> None:
    _ask(client, _file(photo), other, mask=_file(np.full((SIDE, SIDE), 255, np.uint8))).read()
    client.get("/" + "nowhere" * 10)
    text = client.get("/metrics").text
    for line in ('twoface_request_seconds_count{route="/inpaint"', 'twoface_model_info{provider="CPUExecutionProvider"',
                 "twoface_queue_depth 0.0", "twoface_batch_requests_bucket", "twoface_queue_seconds_sum",
                 'twoface_refused_total{kind="request"}', 'route="other",status="404"'):  # fmt: skip
        assert line in text
    assert "nowhere" not in text


def test_frames_that_faces_gives_are_taken_as_they_are(client: httpx.Client, hole: np.ndarray, other: bytes) -> None:
    photo, mask = _file(synthetic_photo(PERSON, 0, SIDE)), _file(hole)
    frames = [
        ",".join(map(str, client.post("/faces", files={"photo": each}).json()["faces"][0]["frame"]))
        for each in (photo, other)
    ]
    given = _ask(
        client, photo, other, mask=mask, accept="application/json", frame=frames[0], reference_frames=frames[1]
    )
    assert given.status_code == 200, given.text
    found = _ask(client, photo, other, mask=mask, accept="application/json").json()
    assert np.allclose(given.json()["reference_frames"], found["reference_frames"], atol=0.02)
    x, y, side, angle = (float(number) for number in frames[0].split(","))
    turned = f"{x},{y},{side},{angle + 90}"
    moved = _ask(client, photo, other, mask=mask, accept="application/json", frame=turned).json()
    assert np.allclose(moved["frame"], given.json()["frame"][1:] + given.json()["frame"][:1], atol=0.05)


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ({"frame": "1,2,3"}, "x,y,side,angle"),
        ({"frame": "1,2,nan,0"}, "x,y,side,angle"),
        ({"frame": "10,nan,50,0"}, "x,y,side,angle"),
        ({"frame": "10,10,50,nan"}, "x,y,side,angle"),
        ({"frame": "1,2,0,0"}, "x,y,side,angle"),
        ({"frame": "-9000,2,100,0"}, "lies beside it"),
        ({"frame": "100,100,3000000,0"}, "is far larger; give the middle and side"),
        ({"frame": "100,100,100,0", "reference_frames": "100,100,40000,0"}, "given for the reference, "),
        ({"frame": "100,100,100,0", "reference_frames": "1,2,3,4;1,2,3,4"}, "2 for 1 references"),
    ],
)
def test_frames_that_are_none_are_refused(
    client: httpx.Client, hole: np.ndarray, other: bytes, texts: dict[str, str], says: str
) -> None:
    answer = _ask(client, _file(synthetic_photo(PERSON, 0, SIDE)), other, mask=_file(hole), **texts)
    assert answer.status_code == 400
    assert says in answer.json()["error"]

"""What the server's paths take and give, in the words of OpenAPI 3.1; its examples work as they stand."""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image

from twoface_pl.model_signature import MASK, MASKED_IMAGE, OUTPUT, REFERENCE_IMAGES
from twoface_pl.serving.http import tensorflow_serving
from twoface_pl.serving.http.forms import FORM
from twoface_pl.serving.http.json_input import MAX_BATCH, MOST_REFERENCES
from twoface_pl.serving.http.open_inference import BINARY, DATATYPE
from twoface_pl.serving.http.task import JSON, Served
from twoface_pl.serving.parsing import MOST_GROWN

Schema = dict[str, Any]
ERROR: Schema = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
REASONS = {
    400: "something in the request is wrong; says what",
    401: "a token is needed",
    403: "from another web page",
    404: "no such model or version",
    408: "the body came too slowly",
    413: "too large",
    415: "a body of another type or encoding",
    421: "under another name",
    500: "the server failed; its log says why",
    501: "this model or server cannot",
    503: "busy, or ending; Retry-After says when to ask again",
    504: "no answer in time",
}


def _error(status: int) -> Schema:
    return {"description": REASONS[status], "content": {JSON: {"schema": ERROR}}}


NOT_READY: dict[int | str, Schema] = {503: _error(503)}
_PICTURE: Schema = {
    "description": "numbers in [0, 1], rows of pixels of red, green and blue; or a picture's file in base64",
    "oneOf": [
        {"type": "array", "items": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}},
        {
            "type": "object",
            "properties": {"b64": {"type": "string", "contentEncoding": "base64"}},
            "required": ["b64"],
            "additionalProperties": False,
        },
    ],
}
_MASK: Schema = {"description": "1 = hole, 0 = keep; numbers, or a picture's file", "oneOf": [
    {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}, _PICTURE["oneOf"][1]]}  # fmt: skip


def _answers(content: Schema) -> dict[str, Schema]:
    told: dict[str, Schema] = {str(status): _error(status) for status in REASONS}
    return {"200": {"description": "done", "content": content}, **told}


def version_of(path: str) -> Schema:
    """Of a path with a version in it."""
    if "{version}" not in path:
        return {"responses": {"404": _error(404)}} if path else {}
    number = {
        "name": "version",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"},
    }
    return {"parameters": [number], "responses": {"404": _error(404)}}


def _body(content: Schema) -> Schema:
    return {"required": True, "content": content}


def _example(size: int) -> str:
    stream = io.BytesIO()
    Image.linear_gradient("L").resize((size, size)).convert("RGB").save(stream, "PNG", optimize=True)
    return base64.b64encode(stream.getvalue()).decode()


def predict(served: Served, path: str) -> Schema:
    """TensorFlow Serving's predictions."""
    pictures = {"type": "array", "items": _PICTURE, "minItems": 1, "maxItems": MAX_BATCH}
    masks = {"type": "array", "items": _MASK, "minItems": 1, "maxItems": MAX_BATCH}
    names = tensorflow_serving.INPUTS
    needed = [name for name, must in names.items() if must]
    columns: Schema = {
        "type": "object",
        "properties": {name: masks if name == tensorflow_serving.MASK else pictures for name in names},
        "required": needed,
        "additionalProperties": False,
    }
    row: Schema = {
        "type": "object",
        "properties": {name: _MASK if name == tensorflow_serving.MASK else _PICTURE for name in names},
        "required": needed,
        "additionalProperties": False,
    }
    signature = {"type": "string", "enum": [tensorflow_serving.SIGNATURE, ""]}

    def one(layout: str, schema: Schema) -> Schema:
        properties = {layout: schema, "signature_name": signature}
        return {"type": "object", "properties": properties, "required": [layout], "additionalProperties": False}

    rows = {"type": "array", "items": row, "minItems": 1, "maxItems": MAX_BATCH}
    picture = {"b64": _example(served.image_size)}
    example = {"instances": [{tensorflow_serving.IMAGE: picture, tensorflow_serving.REFERENCE: picture}]}
    body = {"schema": {"oneOf": [one("inputs", columns), one("instances", rows)]}, "example": example}
    return {**version_of(path), "requestBody": _body({JSON: body}), "responses": _answers({JSON: {}})}


def infer(served: Served, path: str) -> Schema:
    """The Open Inference Protocol's."""
    tensor: Schema = {
        "type": "object",
        "properties": {
            "name": {"enum": [MASKED_IMAGE, MASK, REFERENCE_IMAGES]},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}, "maxItems": 5},
            "datatype": {"const": DATATYPE},
            "parameters": {"type": "object"},
            "data": {"type": "array", "items": {"type": "number"}},
        },
        "required": ["name", "shape", "datatype"],
        "additionalProperties": False,
    }
    output = {
        "type": "object",
        "properties": {"name": {"const": OUTPUT}, "parameters": {"type": "object"}},
        "required": ["name"],
        "additionalProperties": False,
    }
    schema = {
        "type": "object",
        "description": f"{MASKED_IMAGE} [N, S, S, 3], {MASK} [N, S, S, 1] (1 = hole; may be left out) and "
        f"{REFERENCE_IMAGES} [N, 1 to {MOST_REFERENCES}, S, S, 3], in [0, 1]; S is {served.image_size}"
        + (" or a larger multiple of 8" if served.any_size else ""),
        "properties": {
            "id": {"type": "string"},
            "inputs": {"type": "array", "items": tensor, "minItems": 1, "maxItems": 3},
            "outputs": {"type": "array", "items": output, "minItems": 1, "maxItems": 1},
            "parameters": {"type": "object"},
        },
        "required": ["inputs"],
        "additionalProperties": False,
    }
    binary: Schema = {"schema": {"type": "string", "format": "binary"}}
    body = _body({JSON: {"schema": schema}, BINARY: binary})
    return {**version_of(path), "requestBody": body, "responses": _answers({JSON: {}, BINARY: binary})}


_FILE: Schema = {"type": "string", "format": "binary"}
_PHOTO: Schema = {**_FILE, "description": "the photo: JPEG, PNG, TIFF, WebP, BMP, AVIF, HEIC; of any size"}
_HOLE: Schema = {
    **_FILE, "description": "white = hole, of the photo's shape; else what is transparent in the photo, else the "
    "model's own hole"
}  # fmt: skip
_NUMBER = r"-?[0-9]{1,7}(\.[0-9]{1,6})?"
_FRAME = f"{_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}"
_TRUTH: Schema = {"type": "string", "enum": ["true", "false"]}
_BOX: Schema = {"type": "string", "pattern": r"^-?[0-9]{1,6}(,-?[0-9]{1,6}){3,4}$"}


def _form(properties: Schema, required: list[str]) -> Schema:
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return _body({FORM: {"schema": schema}})


INPAINT: Schema = {
    "description": "curl -F photo=@photo.jpg -F reference=@other.jpg -F mask=@mask.png http://127.0.0.1:8501/inpaint "
    "-o filled.jpg",
    "requestBody": _form(
        {
            "photo": _PHOTO,
            "reference": {"type": "array", "items": _FILE, "description": "other photos of the person", "minItems": 1},
            "mask": _HOLE,
            "box": {**_BOX, "description": "x,y,width,height of the face, brow to chin, and perhaps its angle"},
            "reference_box": {**_BOX, "description": "of the face in the one reference"},
            "frame": {
                "type": "string", "pattern": f"^{_FRAME}$",
                "description": "x,y,side,angle of the square that the model sees: its middle, as /faces gives it",
            },
            "reference_frames": {
                "type": "string", "pattern": f"^{_FRAME}(;{_FRAME}){{0,7}}$",
                "description": "the same of each reference, in their order, between semicolons",
            },
            "invert": {**_TRUTH, "description": "black in the mask is the hole"},
            "grow": {"type": "string", "pattern": "^([0-9]{1,3}|1000)$", "description": f"pixels, 0 to {MOST_GROWN}"},
            "mask_colour": {
                "type": "string", "pattern": "^(#?[0-9a-fA-F]{6}|white|black)$",
                "description": "the hole is what was painted over in the photo itself with this colour",
            },
            "format": {
                "enum": ["jpg", "jpeg", "png", "tif", "tiff", "webp", "bmp"],
                "description": "of the answer; else the photo's own",
            },
            "reencode": {**_TRUTH, "description": "allow a JPEG that is encoded anew, which loses a little"},
            "opaque": {**_TRUTH, "description": "what is filled does not stay transparent"},
            "check": {**_TRUTH, "description": "say how much the fill looks like the references"},
        },
        ["photo", "reference"],
    ),
    "responses": _answers(
        {
            **{media: {"schema": _FILE} for media in
               ("image/jpeg", "image/png", "image/tiff", "image/webp", "image/bmp")},
            JSON: {"schema": {"type": "object", "description": "if Accept names it: the picture in base64, and where "
                              "its faces were found"}},
        }
    ),
}  # fmt: skip
FACES: Schema = {
    "description": "curl -F photo=@photo.jpg http://127.0.0.1:8501/faces",
    "requestBody": _form({"photo": _PHOTO, "mask": _HOLE}, ["photo"]),
    "responses": _answers({JSON: {"schema": {"type": "object", "required": ["width", "height", "faces"]}}}),
}

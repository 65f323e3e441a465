"""Forms with files (multipart/form-data), read in memory: nothing is written to disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from twoface_pl.errors import TwoFaceError
from twoface_pl.serving.http.task import Refusal

T = TypeVar("T")
FORM = "multipart/form-data"
MOST_FIELDS = 32
MOST_TEXT = 280  # bytes of a field that is no file: eight frames


@dataclass
class Field:
    """One part of a form."""

    name: str
    is_file: bool
    content: bytes
    is_blank: bool = False  # as browsers send what nobody has filled in


class _Reader:
    """Collects a form's parts while the parser goes over them."""

    def __init__(self) -> None:
        self.fields: list[Field] = []
        self.whole = False
        self._headers: dict[str, str] = {}
        self._name, self._value, self._content = bytearray(), bytearray(), bytearray()

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_part_data": lambda data, start, end: self._content.extend(memoryview(data)[start:end]),
            "on_part_end": self._end,
            "on_end": self._end_all,
        }

    def _begin(self) -> None:
        if len(self.fields) == MOST_FIELDS:
            raise Refusal(f"the form has more than {MOST_FIELDS} fields", 413)
        self._headers, self._content = {}, bytearray()

    def _end_header(self) -> None:
        self._headers[self._name.decode("latin-1").lower()] = self._value.decode("latin-1")
        self._name, self._value = bytearray(), bytearray()

    def _end(self) -> None:
        kind, options = parse_options_header(self._headers.get("content-disposition", ""))
        if kind != b"form-data" or not options.get(b"name"):
            raise Refusal("a part of the form has no name")
        name = options[b"name"].decode("utf-8", "replace")
        is_file, content = b"filename" in options, bytes(self._content)
        is_blank = not options.get(b"filename") and not content.strip()
        self.fields.append(Field(name, is_file, content, is_blank))

    def _end_all(self) -> None:
        self.whole = True


def read_form(body: bytes | bytearray, content_type: str) -> list[Field]:
    """A form's fields, in their order.

    Raises:
        Refusal: no form, a cut-off or broken one, or too many fields.
    """
    kind, options = parse_options_header(content_type.encode("latin-1", "replace"))
    if kind.decode("latin-1").lower() != FORM:
        raise Refusal(f"the body must be a form, {FORM}: curl -F photo=@photo.jpg -F reference=@other.jpg ...", 415)
    boundary = options.get(b"boundary")
    if not boundary:
        raise Refusal(f"the Content-Type {FORM} lacks its boundary; let your HTTP library set it")
    reader = _Reader()
    try:
        parser = MultipartParser(boundary, reader.callbacks())  # type: ignore[arg-type]
        parser.write(bytes(body))
        parser.finalize()
    except FormParserError as error:
        raise Refusal(f"the form cannot be read: {str(error)[:120]}") from None
    if not reader.whole:
        raise Refusal("the form is cut off before its end")
    return reader.fields


@dataclass(frozen=True)
class Form:
    """A form's files and texts by name."""

    files: dict[str, list[bytes]]
    texts: dict[str, str]

    def file(self, name: str) -> bytes | None:
        """The one file of a name."""
        found = self.files.get(name, [])
        return found[0] if found else None

    def parsed(self, name: str, parse: Callable[[str], T]) -> T | None:
        """What a text says; None where there is none of that name.

        Raises:
            TwoFaceError: names the field.
        """
        if name not in self.texts:
            return None
        try:
            return parse(self.texts[name])
        except TwoFaceError as error:
            raise TwoFaceError(f"{name}: {error}") from None


def sorted_form(fields: list[Field], files: Mapping[str, int], texts: frozenset[str]) -> Form:
    """Fields by what they are.

    Args:
        fields: of a form.
        files: names of files, and how many there may be.
        texts: names of other fields, each once.

    Raises:
        Refusal: an unknown field, one too many, an empty file, a text for a file.
    """
    form = Form({}, {})
    for field in fields:
        if field.name in files:
            if field.is_blank:
                continue
            if not field.is_file:
                raise Refusal(f"{field.name} must be a file: curl -F {field.name}=@photo.jpg")
            if not field.content:
                raise Refusal(f"{field.name}: an empty file")
            found = form.files.setdefault(field.name, [])
            found.append(field.content)
            if len(found) > files[field.name]:
                raise Refusal(f"{field.name}: more than {files[field.name]}")
        elif field.name in texts and not field.is_file:
            if field.is_blank:
                continue
            if field.name in form.texts:
                raise Refusal(f"{field.name} comes twice")
            if len(field.content) > MOST_TEXT:
                raise Refusal(f"{field.name}: a text of {len(field.content)} bytes")
            form.texts[field.name] = field.content.decode("utf-8", "replace").strip()
        else:
            known = ", ".join([*files, *sorted(texts)])
            raise Refusal(f"unknown field {field.name[:40]!r}; there are {known}")
    return form

"""LitServe with the package's generator, for `benchmarks/serve.py`: litserve_server.py BATCH PORT."""

from __future__ import annotations

import base64
import sys

import litserve
import numpy as np

from twoface_pl.model_file import SHIPPED
from twoface_pl.serving.fill import FillSession


class Fill(litserve.LitAPI):
    """Pictures and references as float32 in base64, within JSON: it takes no bodies of bytes."""

    def setup(self, device: str) -> None:
        self.session = FillSession(SHIPPED, "cpu")

    def decode_request(self, request: dict[str, list[str]]) -> np.ndarray:
        pair = [np.frombuffer(base64.b64decode(each), np.float32).reshape(128, 128, 3) for each in request["images"]]
        return np.stack(pair)

    def predict(self, pairs: np.ndarray) -> np.ndarray:
        several = pairs if pairs.ndim == 5 else pairs[None]
        mask = np.broadcast_to(self.session.default_mask, (len(several), 128, 128))
        return self.session.fill(several[:, 0], mask, several[:, 1])

    def encode_response(self, output: np.ndarray) -> dict[str, str]:
        return {"filled": base64.b64encode(np.ascontiguousarray(output).tobytes()).decode()}


if __name__ == "__main__":
    batch, port = map(int, sys.argv[1:])
    api = Fill(max_batch_size=batch, batch_timeout=0.005)
    litserve.LitServer(api, accelerator="cpu", timeout=120).run(port=port, generate_client_file=False)

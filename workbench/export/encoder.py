"""A file of an exported pipeline, run by ONNX Runtime: a picture to its descriptor and code."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from workbench.collections import images
from workbench.common.lazy import lazy_module
from workbench.common.packages import require_extra
from workbench.config.errors import WorkbenchError

onnxruntime = lazy_module("onnxruntime")

FORMAT = 1  # increased when inputs, outputs or entries of the file change
_KEY = "workbench"


@dataclass(frozen=True)
class Encoder:
    """An exported pipeline. ``about``: the pipeline, its collection, and the check against the pipeline.

    Call it with a file or an image: the descriptor float32 [D], and its code uint8 [B], None for a pipeline
    without one.
    """

    path: Path
    about: dict[str, Any]
    session: Any = field(repr=False)

    @classmethod
    def load(cls, path: Path | str, threads: int = 0) -> Encoder:
        """Read a file. Raises WorkbenchError if it is damaged, another model, or of another version."""
        require_packages()
        path, options = Path(path), onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, 3
        if not path.is_file():
            raise WorkbenchError(
                f"{str(path)!r} does not exist; make it with workbench export PIPELINE --out FILE"
            )
        try:
            session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            entries = session.get_modelmeta().custom_metadata_map
        except Exception as error:  # of a class of its own for each reason
            reason = str(error).strip().split("\n")[0][:200]
            raise WorkbenchError(f"{str(path)!r} is not a model that ONNX Runtime reads ({reason})") from None
        return cls(path, check(entries, path), session)

    def __call__(self, picture: Path | str | Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
        """Encode a picture. Raises WorkbenchError if its file cannot be read."""
        image = picture if isinstance(picture, Image.Image) else images.load(Path(picture))
        outputs = self.session.run(None, {"image": np.asarray(images.rgb(image))})
        return outputs[0], outputs[1] if len(outputs) > 1 else None


def check(entries: dict[str, str], path: Path) -> dict[str, Any]:
    """The description in a file's entries. Raises WorkbenchError if it is not ours or of another version."""
    try:
        about = json.loads(entries[_KEY])
        version = about["format"]
    except (KeyError, TypeError, ValueError):
        raise WorkbenchError(
            f"{str(path)!r} is not a pipeline that was exported by workbench export"
        ) from None
    if version != FORMAT:
        raise WorkbenchError(
            f"{str(path)!r} has format {version!r}, and this version reads {FORMAT}: "
            "export the pipeline again"
        )
    return dict(about)


def entry(about: dict[str, Any]) -> dict[str, str]:
    """The entries of a file with this description."""
    return {_KEY: json.dumps({"format": FORMAT, **about}, ensure_ascii=False)}


def require_packages() -> None:
    """Raise WorkbenchError with the install command if a package is missing."""
    require_extra("export", "exported pipelines", "onnx", "onnxruntime")

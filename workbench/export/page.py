"""A page that encodes a picture in the browser and ranks the collection by codes: one file, no request."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import html
import json
import lzma
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from workbench.collections.thumbnails import thumbnail
from workbench.common.files import replacing
from workbench.common.progress import Progress, silent
from workbench.config.config import Config
from workbench.config.errors import WorkbenchError
from workbench.config.printable import printable
from workbench.config.steps import BINARY
from workbench.engine.engine import Engine
from workbench.export.encoder import Encoder
from workbench.export.export import Export, export
from workbench.search.binary_index import CodeIndex
from workbench.search.spherical_hashing import Spheres

_STATIC = Path(__file__).with_name("static")
MOST_PICTURES = 5000  # of which a page contains thumbnails
MOST_IMAGES = 1_000_000
SIDE = 96  # pixels of a thumbnail
# In a script, ``</script>`` or ``<!--`` would end it or change how it is read.
_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def write_page(
    engine: Engine, config: Config, out: Path, precision: str = "fp16", progress: Progress = silent
) -> Export:
    """Write a page that runs a pipeline with binary codes: ONNX Runtime, the network, codes and thumbnails.

    The page opens from a file or a server, without a network. Raises WorkbenchError for a pipeline without
    ``itq``, ``lsh`` or ``sh``, and for more than a million images.
    """
    if not any(step.name in BINARY for step in config.index_steps):
        raise WorkbenchError(
            f"pipeline {str(config)!r} has no binary code, by which the page ranks; add one, as in "
            f"{config.description}/itq:256"
        )
    if len(engine.collection.images) > MOST_IMAGES:
        raise WorkbenchError(f"a page holds at most {MOST_IMAGES:,} images; export the pipeline with --out")
    with TemporaryDirectory(prefix="workbench-") as folder:
        exported = export(engine, config, Path(folder) / "encoder.onnx", precision, progress)
        model, about = exported.path.read_bytes(), Encoder.load(exported.path).about
    index = engine.searcher(config, progress).index
    assert isinstance(index, CodeIndex)
    names = list(engine.collection.images)
    pictures, ends = _thumbnails(engine, names, progress)
    about |= {
        "images": names,
        "ends": ends,
        "spherical": isinstance(index.coder, Spheres),
    }
    codes = index.codes(range(len(names))).tobytes()
    progress("writing the page", 0, 0)
    with replacing(out) as part:
        part.write_text(_document(about, model, codes, pictures), "utf-8")
    return exported


def _thumbnails(engine: Engine, names: list[str], progress: Progress) -> tuple[bytes, list[int]]:
    """The thumbnails of images after each other, and where each ends; of very many images none."""
    pictures, ends = [], [0]
    if len(names) <= MOST_PICTURES:
        for position, name in enumerate(names):
            progress("thumbnails", position, len(names))
            picture = b""
            with contextlib.suppress(WorkbenchError):  # changed since it was described
                picture = thumbnail(engine.collection.path(name), SIDE, None, engine.options.cache)
            pictures.append(picture)
            ends.append(ends[-1] + len(picture))
    return b"".join(pictures), ends


def _document(about: dict[str, Any], model: bytes, codes: bytes, pictures: bytes) -> str:
    script = (_STATIC / "mobile.js").read_text("utf-8")
    wasm = lzma.decompress((_STATIC / "ort-wasm-simd-threaded.wasm.xz").read_bytes())
    parts = {
        "runtime": _packed((_STATIC / "ort.wasm.bundle.min.mjs").read_bytes()),
        "wasm": _packed(wasm),
        "model": _packed(model),
        "codes": base64.b64encode(codes).decode(),
        "thumbnails": base64.b64encode(pictures).decode(),
    }
    data = "".join(
        f'<script type="application/octet-stream" id="{name}">{content}</script>\n'
        for name, content in parts.items()
    )
    facts = {
        "Pipeline": about["pipeline"],
        "Images": f"{len(about['images']):,} of {about['collection']}",
        "On this device": f"network {_size(model)} ({about['precision']}), codes {_size(codes)}, thumbnails "
        f"{_size(pictures)}",
        "Checked": f"cosine to the pipeline at least {about['cosine']:.5f} on {about['photos']} photographs",
    }
    rows = "".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in facts.items())
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'; img-src blob:; "
        f"script-src {_hash(script)} blob: 'wasm-unsafe-eval'"
    )
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>Search {_text(about["collection"])}</title><style>{(_STATIC / "mobile.css").read_text("utf-8")}</style>
<main>
<h1>Search {_text(about["collection"])} by a picture</h1>
<p class="quiet">The network runs in this page, and codes are compared here: it works offline.</p>
<div class="buttons">
<label>Take a photo<input type="file" accept="image/*" capture="environment" disabled></label>
<label class="second">Choose a picture<input type="file" accept="image/*" disabled></label>
</div>
<p role="status">Loading the network …</p>
<div class="answer" hidden>
<figure class="query"><canvas role="img" aria-label="The picture"></canvas></figure>
<ol aria-label="Results"></ol>
</div>
<details><summary class="quiet">About this page</summary><dl>{rows}</dl></details>
</main>
<script type="application/json" id="about">{json.dumps(about).translate(_ESCAPES)}</script>
{data}<script>{script}</script></html>
"""


def _text(value: object) -> str:
    return html.escape(printable(value))


def _size(content: bytes) -> str:
    return f"{len(content) / 1e6:.1f} MB" if len(content) >= 1e5 else f"{len(content) / 1e3:.1f} KB"


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"

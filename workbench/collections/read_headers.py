"""The headers of all images of a collection: stored ones at once, the others read in parallel."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from workbench.collections import contents
from workbench.collections.images import Header, header, known_header
from workbench.common.progress import Progress, silent
from workbench.config.errors import WorkbenchError

Problems = tuple[tuple[str, str], ...]


def read_headers(
    root: Path, names: Iterable[str], progress: Progress = silent, cache: Path | None = None
) -> tuple[dict[str, Header], Problems]:
    """Read image headers in parallel: {name: header}, and (name, reason) of the unreadable images.

    Those that are stored in ``cache`` are read again only if their files have changed.

    Raises WorkbenchError if there are images and none can be read.
    """
    names, folder = list(names), os.path.join(root, "")
    paths = [folder + name for name in names]
    stored = None if cache is None else contents.of(cache)
    known = dict(zip(names, map(known_header, paths), strict=True))
    if stored is not None:
        stored.load([path for name, path in zip(names, paths, strict=True) if known[name] is None])
        known |= {name: known[name] or known_header(path) for name, path in zip(names, paths, strict=True)}
    results: dict[str, Header | str] = {}
    unknown = [name for name in names if known[name] is None]

    def read(name: str) -> Header | str:
        try:
            return header(root / name)
        except WorkbenchError as error:
            return str(error)

    with ThreadPoolExecutor(min(8, 2 * (os.cpu_count() or 1))) as pool:
        try:
            for done, (name, result) in enumerate(zip(unknown, pool.map(read, unknown), strict=True), 1):
                results[name] = result
                if done % 50 == 0 or done == len(unknown):
                    progress("checking images", done, len(unknown))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # cancelled: do not read the rest
            raise
        finally:
            if stored is not None and results:
                now = {folder + name: h for name, h in results.items() if isinstance(h, Header)}
                stored.save(now)
    headers: dict[str, Header] = {}
    problems: list[tuple[str, str]] = []
    for name in names:
        result = known[name] or results[name]
        if isinstance(result, Header):
            headers[name] = result
        else:
            problems.append((name, result))
    if problems and not headers:
        raise WorkbenchError(
            f"none of the {len(names)} images in {str(root)!r} can be read; "
            f"the first, {problems[0][0]!r}: {problems[0][1]}"
        )
    return headers, tuple(problems)

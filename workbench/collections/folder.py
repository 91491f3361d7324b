"""Collections from a folder of images, optionally labelled by subfolder; and helpers of all sources."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from workbench.collections.collection import Collection, Query
from workbench.collections.folder_labels import check_labels, label_of_image, notes_on_equal_names, only_image
from workbench.collections.hidden_files import answers, is_hidden
from workbench.collections.image_formats import extensions, why_not_read
from workbench.collections.images import value_notes
from workbench.collections.protocols import PROTOCOLS
from workbench.collections.read_headers import Problems, read_headers
from workbench.collections.same_label import SameLabel
from workbench.collections.truth_files import truth_files
from workbench.collections.video.moment import SUFFIXES as VIDEO_SUFFIXES
from workbench.collections.video.sampling import DEFAULT, Sampling
from workbench.common.paths import user_path
from workbench.common.progress import Progress, silent
from workbench.config.errors import WorkbenchError
from workbench.config.printable import printable


def open_folder(
    root: Path,
    labels: str = "none",
    progress: Progress = silent,
    sampling: Sampling = DEFAULT,
    cache: Path | None = None,
) -> Collection:
    """Open all images below ``root``, and the moments of videos, by ``sampling``; hidden files and
    folders are skipped. Headers are kept in ``cache``.

    With ``labels="folders"`` the label of an image is its folder (images directly in ``root`` have
    none and are distractors), and each image of a label with two or more images is a query. With
    ``"folders:last"`` it is the name of that folder, so that ``train/cat`` and ``test/cat`` are one label.
    Raises WorkbenchError if ``root`` is not a readable folder or has no readable image.
    """
    check_labels(labels)
    root = existing_folder(root)
    files, problems = list_images(root, extensions() | VIDEO_SUFFIXES)
    videos = [name for name in files if os.path.splitext(name)[1].lower() in VIDEO_SUFFIXES]
    names, notes = sorted({*files} - {*videos}), list[str]()
    if videos:
        from workbench.collections.video.listing import list_moments  # OpenCV, which images do not need

        listing = list_moments(root, videos, sampling, progress, cache)
        names += listing.moments
        notes += listing.notes
        problems += listing.unread
    if not names:
        unread = f" ({problems[0][0]!r}: {problems[0][1]})" if problems else ""
        raise WorkbenchError(
            f"no image and no video in {str(root)!r}{unread}; images end in "
            f"{', '.join(sorted(extensions()))}, videos in {', '.join(sorted(VIDEO_SUFFIXES))}"
        )
    labelled = (
        sorted({root / folder for folder in {os.path.dirname(name) for name in names}})
        if labels != "none"
        else []
    )
    recorded = truth_files(labelled)
    headers, unreadable = read_headers(root, names, progress, cache)
    collection = Collection(
        name=printable(root.name or root),
        root=root,
        images=tuple(headers),
        problems=problems + unreadable,
        notes=(*value_notes(headers), *notes),
    )
    if labels == "none":
        return collection
    label_of = {image: label_of_image(image, labels) for image in headers if "/" in image}
    unread_of = Counter(label_of_image(image, labels) for image, _ in unreadable if "/" in image)
    groups: dict[str, list[str]] = {}
    for image, label in label_of.items():
        groups.setdefault(label, []).append(image)
    queries = {image: (image, label) for image, label in label_of.items() if len(groups[label]) > 1}
    if not queries:
        raise WorkbenchError(
            f"no subfolder of {str(root)!r} has two or more readable images, so folders cannot serve "
            "as labels; put the images of each label into a separate folder, or use labels none"
            + (", or folders:last to join folders of equal names" if notes_on_equal_names(groups) else "")
        )
    return replace(
        collection,
        queries=tuple(Query(image, image) for image in queries),
        relevance=SameLabel(groups, queries),
        protocol=PROTOCOLS["labels"],
        labels=label_of,
        notes=(*collection.notes, *(() if labels == "folders:last" else notes_on_equal_names(groups))),
        unjudged={
            **{
                image: only_image(unread_of[label])
                for image, label in label_of.items()
                if image not in queries
            },
            **{image: f"its image cannot be read: {why}" for image, why in unreadable if "/" in image},
        },
        unread_positives={
            image: unread_of[label] for image, (_, label) in queries.items() if unread_of[label]
        },
        truth_files=recorded,
    )


def existing_folder(root: Path) -> Path:
    """``root`` as an absolute path. Raises WorkbenchError if it is not a folder."""
    root = Path(os.path.abspath(user_path(root, "folder")))
    if not root.exists():
        raise WorkbenchError(f"folder {str(root)!r} does not exist; check the path")
    if not root.is_dir():
        raise WorkbenchError(f"{str(root)!r} is a file, not a folder; name the folder that contains it")
    return root


def list_images(root: Path, suffixes: frozenset[str] | None = None) -> tuple[list[str], Problems]:
    """The image files below ``root`` as sorted relative POSIX paths, and (path, reason) of unreadable ones.

    ``suffixes``: those of the files that are listed; None: of images.
    A linked folder is followed if it is outside ``root``, and every folder is entered only once, so
    that cyclic links end. Raises WorkbenchError if ``root`` cannot be opened.
    """
    names: list[str] = []
    problems: list[tuple[str, str]] = []
    real_root = os.path.realpath(root)
    suffixes = frozenset(extensions()) if suffixes is None else suffixes
    seen: set[str] = set()
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        real = os.path.realpath(root / folder)
        if real in seen:
            continue
        seen.add(real)
        try:
            entries = sorted(os.scandir(root / folder), key=lambda entry: entry.name)
        except OSError as error:
            reason = f"the folder cannot be opened: {error.strerror or error}"
            if not folder:
                raise WorkbenchError(f"{str(root)!r}: {reason}") from None
            problems.append((folder, reason))
            continue
        for entry in entries:
            if is_hidden(entry.name):
                continue
            name = f"{folder}/{entry.name}" if folder else entry.name
            suffix = os.path.splitext(entry.name)[1].lower()
            if answers(entry.is_dir):
                target = os.path.realpath(entry.path) if entry.is_symlink() else None
                # A link into the root would show the same images a second time.
                if target is None or not Path(target).is_relative_to(real_root):
                    waiting.append(name)
            elif suffix in suffixes:
                if _text(name) != name:
                    problems.append((_text(name), "the name is not valid UTF-8; rename the file"))
                elif not answers(entry.is_file):
                    problems.append((name, "a broken link, or not a regular file"))
                else:
                    names.append(name)
            elif (unread := why_not_read(suffix)) is not None:
                problems.append((_text(name), unread))
    return sorted(names), tuple(sorted(problems))


def _text(name: str) -> str:
    return name.encode("utf-8", "replace").decode()


def index_by_stem(root: Path, names: Iterable[str]) -> tuple[dict[str, str], Problems]:
    """File name without suffix → image id, for ground truth without folders; and (id, reason) of copies.

    Of several files of one name only the first is used: a copy in the database would count as a negative.
    """
    index: dict[str, str] = {}
    problems = []
    for name in names:
        first = index.setdefault(PurePosixPath(name).stem, name)
        if first != name:
            problems.append((name, f"a second file with the name of {first!r}; left out"))
    if not index:
        raise WorkbenchError(f"no image in {str(root)!r}; check the folder, or fetch the collection again")
    return index, tuple(problems)


def require_present(title: str, named: Iterable[str], present: Iterable[str], root: Path) -> None:
    """Raise WorkbenchError with the number of ``named`` images that are missing, and the first of them."""
    named, present = set(named), set(present)
    missing = sorted(named - present)
    if missing:
        first = ", ".join(missing[:3]) + (" …" if len(missing) > 3 else "")
        raise WorkbenchError(
            f"{title}: {len(missing)} of the {len(named)} query and positive images of the ground truth "
            f"are missing below {str(root)!r} ({first}); a part of them is not evaluated, "
            "so name the folder of the whole release, or remove this folder and fetch it again"
        )


def size_notes(title: str, readable: int, published: int, unreadable: int = 0) -> tuple[str, ...]:
    """Notes on an incomplete release, whose numbers are not comparable with published ones."""
    notes = []
    if readable + unreadable != published:
        notes.append(
            f"{title} has {readable + unreadable:,} database images here and {published:,} as published: "
            "its numbers are not comparable with published ones"
        )
    if unreadable:
        notes.append(f"{unreadable:,} images of {title} cannot be read and are left out (see the report)")
    return tuple(notes)

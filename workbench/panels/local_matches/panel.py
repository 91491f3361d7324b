"""The panel of local matches: keypoints of a query and a result, and the effect of verification."""

from __future__ import annotations

from typing import Any, NamedTuple

import ipywidgets as W

from workbench.common.progress import Progress
from workbench.config.config import Config
from workbench.local.matching import Match
from workbench.panels.base import Panel
from workbench.panels.local_backbones import matched_features, not_usable
from workbench.panels.local_matches import model
from workbench.panels.local_matches.hardnet_batches import SamplingView
from workbench.panels.local_matches.patches import PatchView
from workbench.panels.local_matches.verification import VerificationEffect
from workbench.panels.matched_pictures import MatchRequest as Request
from workbench.panels.matched_pictures import traits as view_traits
from workbench.panels.session import Session, first_result
from workbench.panels.widgets.download import Download
from workbench.panels.widgets.keypoint_pairs import NOWHERE, KeyPairs
from workbench.panels.widgets.name_select import name_select
from workbench.panels.widgets.region import Text, line, region
from workbench.panels.widgets.table import Table

OF_PIPELINE = ("of the pipeline", "")
WAITING = "The matches appear here once the collection is ranked; then choose a result."
NOTHING = "There is no result to match: the ranking has no other image."


class Matched(NamedTuple):
    """A pair of pictures, their match, and the traits of its view."""

    request: Request
    match: Match
    traits: dict[str, Any]


class LocalMatches(Panel[Request, Matched]):
    """Keypoints and matches of query and result, a patch, shared words, verification, HardNet's batches."""

    lane, phase = "matches", "Matching keypoints of query and result"

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.match: Match | None = None
        self._opened: tuple[str, int] | None = None  # the image that is shown next, and its keypoint to hold
        self._message = WAITING  # why there is nothing to match
        self.features = name_select("Local features", options=[OF_PIPELINE])
        self.lines = Text(lines=[line(WAITING)])
        self.view = KeyPairs()
        self.download = Download()
        self.patch = PatchView(session, self.open)
        self.words_lines = Text()
        self.words = Table(label="Words that both share", columns=model.COLUMNS)
        self.effect = VerificationEffect(session)
        self.sampling = SamplingView(session)
        self.parts = (self.patch, self.effect)
        head = W.Box([self.features, self.lines, self.download])
        pictures = W.Box([self.view, self.patch.widget])
        words = W.VBox([self.words_lines, self.words])
        tables = W.Box([words, self.effect.widget])
        self.body = W.VBox([pictures, tables])
        for box, name in (
            (head, "matched-head"),
            (pictures, "matched"),
            (words, "words"),
            (tables, "told-apart"),
        ):
            box.add_class(f"wb-{name}")
        self.widget = region("Local matches", head, self.body, self.sampling.widget)
        self._show_body(False)
        self.show_features(None)
        guard = session.guard
        self.features.observe(guard(self.refresh), "value")
        self.view.on_point(guard(self.point))
        self.view.on_pick(guard(self.pick))
        self.words.on_pick(guard(lambda word: self.mark_word(int(word))))
        self.watch_folding()
        session.observe(guard(self.show_features), "learned")
        session.observe(guard(self.refresh), "image")
        session.observe(guard(self.start_again), "ranking")
        for panel in (self, self.effect):
            panel.watch_question()
        self.refresh()

    # -- the request

    def show_features(self, _: object) -> None:
        """Offer the local features that exist."""
        options = [OF_PIPELINE, *matched_features(self.session.bench.options)]
        if options != list(self.features.options):
            value = self.features.value
            self.features.options = options
            if value in [name for _, name in options]:
                self.features.value = value

    def request(self) -> Request | None:
        session, ranked, features = self.session, self.session.ranked, self.features.value or ""
        self._message = WAITING
        if session.ranking is None or ranked is None:
            return None
        query = session.query_named(ranked.query)
        image = session.image
        if image not in session.images:
            image = first_result(session.ranking, query)
        missing = not_usable(session.bench.options, features) if features else ""
        self._message = missing if image and missing else NOTHING
        if missing or not image:
            return None
        return Request(query, ranked.box, image, model.with_features(ranked.pipeline, features))

    def start_again(self, _: object) -> None:
        """There is a new ranking: files may have changed since the last one."""
        self.forget()
        self.effect.forget()
        self.refresh()

    def refresh(self, _: object = None) -> None:
        super().refresh()
        if not self.folded and self.request() is not None:
            self.effect.features = self.features.value or ""
            self.effect.refresh()

    # -- the result

    def dim(self, stale: bool) -> None:
        for part in (self.view, self.lines, self.download, self.words, self.words_lines):
            part.stale = stale
        self.patch.dim(stale)

    def compute(self, request: Request, progress: Progress) -> Matched:
        bench = self.session.bench
        match = bench.match(
            request.query.id, request.image, pipeline=request.pipeline, box=request.box, progress=progress
        )
        return Matched(request, match, view_traits(bench, request, match))

    def render(self, result: Matched) -> None:
        request, match, traits = result
        self.match = match
        with self.view.hold_sync():
            for name, value in {**traits, "lit": [[], []], "held": list(NOWHERE)}.items():
                setattr(self.view, name, value)
        config = Config.parse(request.pipeline)
        name = model.features_of(config)
        self.lines.lines = model.summary(match, name)
        self.download.offer(model.files(match, name))
        self.words_lines.lines = model.words_summary(match, config)
        with self.words.hold_sync():
            self.words.rows, self.words.chosen = model.word_rows(match), []
        self.patch.clear(request, match)

    def render_nothing(self) -> None:
        self._show_body(False)
        self.download.offer({})
        self.lines.lines = [line(self._message)]

    def update(self) -> None:
        self._show_body(True)
        if self._opened is not None and self.rendered is not None:
            image, keypoint = self._opened
            self._opened = None
            if image == self.rendered.image:
                self.pick([1, keypoint])

    def _show_body(self, shown: bool) -> None:
        self.body.layout.display = None if shown else "none"

    # -- keypoints and words

    def point(self, place: list[int]) -> None:
        """A keypoint is pointed at: show its patch, unless one is held."""
        if self.view.held == NOWHERE:
            self.patch.look(place)

    def pick(self, place: list[int]) -> None:
        """Hold a keypoint; NOWHERE releases it."""
        self.view.held = place
        self.patch.look(place)

    def mark_word(self, word: int) -> None:
        """Mark the keypoints of a word in both pictures; a second choice clears them."""
        chosen = self.words.chosen == [str(word)]
        if self.match is not None:
            self.view.lit = [[], []] if chosen else model.with_word(self.match, word)
            self.words.chosen = [] if chosen else [str(word)]

    def open(self, image: str, keypoint: int) -> None:
        """Study an image, with one of its keypoints held."""
        self._opened = image, keypoint
        self.session.image = image
        self.refresh()

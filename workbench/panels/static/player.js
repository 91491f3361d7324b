// A video in the page: its file where the browser plays it, else frames that the kernel decodes.

const REACHED = 6000; // milliseconds in which the browser must have read the beginning of the file
const SETTLED = 120; // milliseconds without a further seek before the kernel hears of it
const LOCAL = ["127.0.0.1", "localhost", "[::1]"];

function render({ model, el }) {
  el.classList.add("wb-player");
  const region = () => el.closest(".wb-region");
  const acts = {
    toggle: () => (playing ? pause() : start()),
    step: (by) => {
      pause();
      if (times.length) seek(timeAfterStep(times, at, by, 0.02));
    },
    stepShot: (by) => {
      const starts = model.get("shots").map(([begin]) => begin);
      pause();
      if (starts.length) seek(timeAfterStep(starts, at, by, 0.5));
    },
    mute: () => {
      film.muted = !film.muted;
      sound.setAttribute("aria-pressed", String(!film.muted));
    },
    seek: (seconds) => seek(seconds),
  };
  const { screen, film, still, track, note, earlierShot, play, laterShot, place, sound } = playerParts(el, acts);

  let times = new Float32Array(); // of the moments
  let reason = ""; // why the file itself is not played
  let at = 0; // the time on the screen
  let playing = false;
  let timer = 0;
  let telling = 0;
  let url = "";
  let wanted = null; // the time of the frame to request when the one on the way has come
  let waiting = false;
  let tick = 0;
  // A file that is cut short knows no better than the kernel.
  const length = () => (usesFile() && Number.isFinite(film.duration) ? film.duration : model.get("seconds"));
  const usesFile = () => !reason;

  const say = () => {
    const time = `${clock(at)} of ${clock(length())}`;
    place.textContent = `${clock(at)} / ${clock(length())}`;
    track.max = length();
    track.value = at;
    track.setAttribute("aria-valuetext", time);
    screen.setAttribute("aria-label", `${model.get("video")} at ${clock(at)}`);
    play.textContent = playing ? "❚❚" : "▶";
    play.setAttribute("aria-label", playing ? "Pause" : "Play");
    play.title = playing ? "Pause (Space)" : "Play (Space)";
  };
  // Timelines and the player beside this one follow without the kernel.
  const announce = () => region()?.dispatchEvent(new CustomEvent("wb-time", { detail: { video: model.get("video"), at, playing, from: el } }));

  const requestFrame = (seconds) => {
    if (waiting) return (wanted = seconds);
    waiting = true;
    wanted = null;
    model.send({ frame: seconds, video: model.get("video"), side: Math.min(960, Math.ceil(screen.clientWidth * devicePixelRatio) || 480) });
  };
  const shown = () => {
    if (!usesFile()) requestFrame(at);
    else if (film.readyState && Math.abs(film.currentTime - at) > 0.001) film.currentTime = at;
  };
  const tell = () => {
    clearTimeout(telling);
    telling = setTimeout(() => model.send({ seek: at, video: model.get("video") }), SETTLED);
  };
  const seek = (seconds, told = true) => {
    at = Math.max(0, Math.min(seconds, length()));
    if (playing && !usesFile()) model.send({ play: at, video: model.get("video"), side: 640 });
    else shown();
    say();
    announce();
    if (told) tell();
  };

  const pause = () => {
    if (!playing) return;
    playing = waiting = false;
    cancelAnimationFrame(tick);
    if (usesFile()) film.pause();
    else model.send({ stop: true });
    say();
    announce();
    tell();
  };
  const follow = () => {
    if (!playing || !usesFile()) return;
    at = film.currentTime;
    say();
    announce();
    tick = requestAnimationFrame(follow);
  };
  const start = async (rate = 1) => {
    if (playing) return;
    if (at >= length() - 0.05) seek(0, false);
    playing = true;
    waiting = false;
    say();
    if (!usesFile()) return model.send({ play: at, video: model.get("video"), side: 640 });
    film.playbackRate = rate;
    try {
      await film.play();
      follow();
    } catch {
      playing = false; // the page has no permission to play, or was paused at once
      say();
    }
  };

  el.addEventListener("keydown", playerKeys(acts, () => times.length));
  track.addEventListener("input", () => seek(Number(track.value)));
  screen.addEventListener("click", (event) => event.detail === 1 && acts.toggle());

  // -- the file, or frames

  const giveUp = (why) => {
    if (reason) return;
    clearTimeout(timer);
    reason = why;
    playing = false;
    film.pause();
    film.removeAttribute("src");
    film.load();
    dress();
    requestFrame(at);
  };
  const dress = () => {
    film.hidden = !usesFile();
    still.hidden = usesFile();
    sound.hidden = !usesFile();
    note.textContent = usesFile() ? "" : `${reason}: frames from the kernel, without sound.`;
    earlierShot.disabled = laterShot.disabled = !model.get("shots").length;
    el.hidden = !model.get("video");
    if (model.get("picture")) screen.dataset.picture = model.get("picture");
    else delete screen.dataset.picture;
  };
  film.addEventListener("loadedmetadata", () => {
    clearTimeout(timer);
    if (!film.videoWidth) return giveUp("The browser cannot play the pictures of this file");
    film.currentTime = at;
    say();
  });
  film.addEventListener("error", () => {
    if (film.getAttribute("src")) giveUp(film.error?.code === 2 ? "The browser cannot reach the file" : "The browser cannot play this file");
  });
  film.addEventListener("ended", pause);

  const load = () => {
    clearTimeout(timer);
    clearTimeout(telling);
    cancelAnimationFrame(tick);
    if (playing && !usesFile()) model.send({ stop: true });
    playing = waiting = false;
    reason = "";
    at = model.get("at").seconds ?? 0;
    still.removeAttribute("src");
    const address = model.get("address");
    if (model.get("video") && address) {
      if (!LOCAL.includes(location.hostname)) giveUp("The kernel is on another machine than the browser");
      else {
        film.src = address;
        timer = setTimeout(() => giveUp("The browser cannot reach the file"), REACHED);
      }
    } else film.removeAttribute("src");
    dress();
    say();
    announce();
  };
  const moveTo = () => {
    const { seconds, video } = model.get("at");
    if (video !== model.get("video") || seconds === undefined || Math.abs(seconds - at) < 0.005) return;
    pause();
    clearTimeout(telling);
    seek(seconds, false);
  };
  const receive = (message, buffers) => {
    if (message.frame === undefined || message.video !== model.get("video")) {
      waiting = false;
      if (message.video === model.get("video") && message.error) note.textContent = message.error;
      return;
    }
    const old = url;
    url = URL.createObjectURL(new Blob([buffers[0]], { type: "image/jpeg" }));
    still.src = url;
    still.alt = "";
    if (old) URL.revokeObjectURL(old);
    if (message.stream) {
      model.send({ shown: message.frame });
      if (!playing) return;
      at = message.last ? length() : message.frame;
      say();
      announce();
      if (message.last) pause();
      return;
    }
    waiting = false;
    if (wanted !== null) requestFrame(wanted);
  };

  // -- the other player and the timelines

  const hear = ({ detail }) => {
    if (detail.from === el) return;
    const follows = model.get("follows");
    if (detail.video !== model.get("leader") || !follows.length) return;
    const mapped = mappedTime(follows, detail.at);
    if (!mapped) return pause();
    if (detail.playing) {
      if (!playing || Math.abs(at - mapped.seconds) > 0.7) seek(mapped.seconds, false);
      if (!playing) start(Math.max(0.25, Math.min(mapped.speed, 4)));
    } else {
      pause();
      seek(mapped.seconds, false);
    }
  };
  const sought = ({ detail }) => {
    if (detail.video !== model.get("video") || detail.from === el) return;
    pause();
    clearTimeout(telling);
    seek(detail.at, false);
  };
  let heard = null;
  const placed = new ResizeObserver(() => {
    heard = region();
    if (!heard) return;
    heard.addEventListener("wb-time", hear);
    heard.addEventListener("wb-seek", sought);
    placed.disconnect();
  });
  placed.observe(el);

  const readTimes = () => {
    times = floats(model.get("times"));
    dress();
  };
  const changes = {
    "change:version": load, "change:times": readTimes, "change:at": moveTo, "change:shots": dress, "change:picture": dress,
    "change:seconds": say, "msg:custom": receive,
  };
  for (const [name, act] of Object.entries(changes)) model.on(name, act);
  readTimes();
  load();
  return () => {
    placed.disconnect();
    heard?.removeEventListener("wb-time", hear);
    heard?.removeEventListener("wb-seek", sought);
    clearTimeout(timer);
    clearTimeout(telling);
    cancelAnimationFrame(tick);
    if (playing && !usesFile()) model.send({ stop: true });
    film.pause();
    film.removeAttribute("src");
    film.load();
    for (const [name, act] of Object.entries(changes)) model.off(name, act);
    if (url) URL.revokeObjectURL(url);
  };
}

export default { render: dimmed(render) };

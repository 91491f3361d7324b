// Steps from a time to a moment or to the beginning of a shot.

// A step back from more than `near` seconds behind one of the sorted times leads to that one first.
function timeAfterStep(times, at, by, near) {
  const here = lastBefore(times, at);
  const aside = by < 0 && here >= 0 && at > times[here] + near;
  return times[Math.max(0, Math.min(aside ? here : here + by, times.length - 1))];
}

// What keys do in a player.
function playerKeys({ toggle, step, stepShot, seek }, moments) {
  const keys = { " ": toggle, k: toggle, ArrowLeft: () => step(-1), ArrowRight: () => step(1), Home: () => seek(0), End: () => step(moments()) };
  const shifted = { ArrowLeft: () => stepShot(-1), ArrowRight: () => stepShot(1) };
  return (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const act = event.shiftKey ? shifted[event.key] : keys[event.key];
    if (!act || (event.key === " " && event.target.closest("button"))) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  };
}

// The segment of the other video in which a time lies, and the time of this one; `follows` are
// [from, to, start, end] in seconds of the other video and of this one.
function mappedTime(follows, at) {
  const segment = follows.find(([from, to]) => at >= from - 0.05 && at <= to + 0.05);
  if (!segment) return null;
  const [from, to, begin, end] = segment;
  const speed = (end - begin) / Math.max(to - from, 1e-6);
  return { speed, seconds: begin + speed * (at - from) };
}

// Times of videos as text: 0:12.4, 1:02:03.0.
function clock(seconds) {
  const tenths = Math.round(10 * Math.max(0, seconds));
  const [hours, minutes, rest] = [Math.floor(tenths / 36000), Math.floor(tenths / 600) % 60, (tenths % 600) / 10];
  const tail = rest.toFixed(1).padStart(4, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}

// The last of sorted times that is not after `seconds`; -1 before the first.
function lastBefore(times, seconds) {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= seconds + 1e-3) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

// What timelines show: a row for each video, with its first moment, its hits and its segments.

function timelineData(model) {
  let firsts = []; // moments of the rows
  const data = { rows: [], byName: new Map(), times: new Float32Array(), values: new Uint8Array(), colours: [] };
  const bytesOf = (view) => new Uint8Array(view.buffer ? view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength) : view);

  // -- reading the model

  data.readRows = () => {
    data.times = floats(model.get("times"));
    let first = 0;
    data.rows = model.get("rows").map(({ name, seconds, count }, number) => {
      const row = { name, seconds: Math.max(seconds, 1e-3), count, number, first, hits: [], segments: [], at: 0 };
      first += count;
      return row;
    });
    firsts = data.rows.map((row) => row.first);
    data.byName = new Map(data.rows.map(({ name, number }) => [name, number]));
  };
  data.readValues = () => {
    data.values = bytesOf(model.get("values"));
    const table = bytesOf(model.get("colours"));
    data.colours = Array.from({ length: 256 }, (_, i) => `rgb(${table[3 * i]} ${table[3 * i + 1]} ${table[3 * i + 2]})`);
    for (const row of data.rows) row.hits = [];
    for (const [moment, rank, sign, relevance] of model.get("hits")) rowOf(moment)?.hits.push({ moment, rank, sign, relevance });
  };
  data.readSegments = () => {
    for (const row of data.rows) row.segments = [];
    for (const { video, start, end } of model.get("segments")) data.rows[data.byName.get(video)]?.segments.push({ start, end });
  };

  // -- what is known of a moment

  const rowOf = (moment) => data.rows[lastBefore(firsts, moment)];
  const scored = (moment) => {
    const [bottom, top] = model.get("scale");
    return data.values[moment] ? bottom + ((data.values[moment] - 1) / 254) * (top - bottom) : NaN;
  };
  data.timesOf = (row) => data.times.subarray(row.first, row.first + row.count);
  // The hit that is nearest to a time, at most `reach` seconds from it.
  data.hitAt = (row, seconds, reach) => {
    const distance = (hit) => Math.abs(data.times[hit.moment] - seconds);
    return row.hits.reduce((best, hit) => (distance(hit) <= Math.min(reach, best ? distance(best) : Infinity) ? hit : best), null);
  };
  data.about = (row, seconds) => {
    const here = row.first + Math.max(0, lastBefore(data.timesOf(row), seconds));
    const score = scored(here);
    const hit = row.hits.find(({ moment }) => moment === here);
    return [clock(seconds), Number.isFinite(score) ? `similarity ${score.toFixed(3)}` : "not reached by the index", hit && `rank ${hit.rank} ${hit.sign}`.trim()].filter(Boolean).join(" · ");
  };

  // What keys lead to from a time of a row; undefined where there is no such moment.
  data.keysOf = (row, now) => {
    const own = data.timesOf(row);
    const moment = lastBefore(own, now);
    const hits = row.hits.map((hit) => data.times[hit.moment]).sort((a, b) => a - b);
    return {
      ArrowLeft: () => own[Math.max(0, now > own[moment] + 0.02 ? moment : moment - 1)],
      ArrowRight: () => own[Math.min(own.length - 1, moment + 1)],
      Home: () => own[0],
      End: () => own[own.length - 1],
      PageUp: () => hits.filter((time) => time < now - 0.02).pop(),
      PageDown: () => hits.find((time) => time > now + 0.02),
      Enter: () => now,
      " ": () => now,
    };
  };
  return data;
}

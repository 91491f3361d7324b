// What floats above the chart: rings around points, and a card with the picture and the caption of a point.

function makeRings(over) {
  // ``lists`` are {kind: [[trace, number], …]}; each kind has a style.
  return (frame, lists) => {
    over.replaceChildren();
    for (const [kind, points] of Object.entries(lists)) {
      for (const [number, point] of points) {
        const place = placeOf(frame, number, point);
        if (!place) continue;
        const ring = document.createElement("div");
        ring.className = `wb-plot-ring wb-plot-${kind}`;
        ring.style.transform = `translate(${place[0]}px, ${place[1]}px)`;
        over.append(ring);
      }
    }
  };
}

function makeCard(el) {
  const card = document.createElement("div");
  const [photo, caption] = [document.createElement("img"), document.createElement("div")];
  card.className = "wb-plot-card";
  caption.className = "wb-plot-caption";
  photo.alt = "";
  card.hidden = true;
  card.append(photo, caption);
  el.append(card);
  let url = null;
  let place = [0, 0];

  const forget = () => {
    if (url) URL.revokeObjectURL(url);
    url = null;
    photo.removeAttribute("src");
  };
  const move = () => {
    const right = place[0] + 16 + card.offsetWidth <= el.clientWidth;
    card.style.left = `${Math.max(0, right ? place[0] + 16 : place[0] - 16 - card.offsetWidth)}px`;
    card.style.top = `${Math.max(0, Math.min(place[1] - 24, el.clientHeight - card.offsetHeight))}px`;
  };
  photo.onload = move;

  return {
    hide: () => { card.hidden = true; forget(); },
    show: (text, more, picture, at) => {
      forget();
      place = at;
      caption.textContent = more && !text.includes(more) ? `${text}\n${more}` : text;
      photo.hidden = !picture?.byteLength;
      if (!photo.hidden) photo.src = url = URL.createObjectURL(new Blob([picture], { type: "image/jpeg" }));
      card.hidden = false;
      move();
    },
  };
}

// The elements of a player. `acts` are what its buttons do: toggle, step and stepShot by a number, and mute.

function playerParts(el, acts) {
  const screen = element("div", "wb-player-screen", el);
  const film = element("video", "wb-player-film", screen);
  const still = element("img", "wb-player-still", screen);
  const bar = element("div", "wb-player-bar", el);
  const track = element("input", "wb-player-track", el);
  const note = element("div", "wb-line wb-note", el);
  film.preload = "auto";
  film.playsInline = true;
  film.tabIndex = -1;
  film.disablePictureInPicture = true;
  screen.setAttribute("role", "img");
  track.type = "range";
  track.min = 0;
  track.setAttribute("aria-label", "Time");
  track.step = "any";
  note.setAttribute("role", "status");
  const button = (text, label, act) => {
    const one = element("button", "wb-player-button", bar, text);
    one.type = "button";
    one.title = label;
    one.setAttribute("aria-label", label.replace(/ \(.*/, ""));
    one.addEventListener("click", act);
    return one;
  };
  const earlierShot = button("«", "Previous shot (Shift + ←)", () => acts.stepShot(-1));
  button("‹", "Previous moment (←)", () => acts.step(-1));
  const play = button("▶", "Play (Space)", acts.toggle);
  button("›", "Next moment (→)", () => acts.step(1));
  const laterShot = button("»", "Next shot (Shift + →)", () => acts.stepShot(1));
  const place = element("span", "wb-player-time", bar);
  const sound = button("Sound", "Sound", acts.mute);
  sound.setAttribute("aria-pressed", "true");
  return { screen, film, still, track, note, earlierShot, play, laterShot, place, sound };
}

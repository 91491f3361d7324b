"use strict";
// A picture to its code by ONNX Runtime, and the images of the collection by the distance of their codes. No request is made.

const RESULTS = 24;
const about = JSON.parse(document.getElementById("about").textContent);
const status = document.querySelector("[role=status]");
const inputs = [...document.querySelectorAll("input[type=file]")];
const POPCOUNT = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll("0", "").length);

function bytes(id) {
  const text = document.getElementById(id).textContent;
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

async function unpacked(id) {
  const stream = new Blob([bytes(id)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function say(text, bad = false) {
  status.textContent = text;
  status.classList.toggle("bad", bad);
}

let ort, session, codes, thumbnails;

async function start() {
  const address = URL.createObjectURL(new Blob([await unpacked("runtime")], { type: "text/javascript" }));
  ort = await import(address);
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = await unpacked("wasm");
  session = await ort.InferenceSession.create(await unpacked("model"), { executionProviders: ["wasm"] });
  codes = bytes("codes");
  thumbnails = bytes("thumbnails");
  for (const input of inputs) input.disabled = false;
  say("Ready. The picture stays on this device.");
}

// The pixels of a picture, uint8 [height, width, 3]: at most twice the side of the network's input, which the graph resizes.
function pixels(picture) {
  const factor = Math.min(1, (2 * about.size) / Math.max(picture.width, picture.height));
  const width = Math.max(1, Math.round(picture.width * factor)), height = Math.max(1, Math.round(picture.height * factor));
  const canvas = document.querySelector(".query canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(picture, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const colours = new Uint8Array(3 * width * height);
  for (let from = 0, to = 0; from < data.length; from += 4) {
    colours[to++] = data[from];
    colours[to++] = data[from + 1];
    colours[to++] = data[from + 2];
  }
  return new ort.Tensor("uint8", colours, [height, width, 3]);
}

// Scores of all images: the share of equal bits, or the negative spherical Hamming distance. Ties keep the order of the images.
function ranking(code) {
  const size = code.length, count = codes.length / size, scores = new Float32Array(count);
  const ones = code.reduce((sum, byte) => sum + POPCOUNT[byte], 0);
  for (let image = 0, at = 0; image < count; image++) {
    let differing = 0, set = 0;
    for (let byte = 0; byte < size; byte++, at++) {
      differing += POPCOUNT[code[byte] ^ codes[at]];
      set += POPCOUNT[codes[at]];
    }
    scores[image] = about.spherical ? -differing / ((ones + set - differing) / 2 + 0.1) : 1 - differing / (8 * size);
  }
  const order = Uint32Array.from(scores, (_, image) => image);
  order.sort((a, b) => scores[b] - scores[a] || a - b);
  return [...order.subarray(0, RESULTS)].map((image) => ({ image, score: scores[image] }));
}

function picture(image) {
  const [from, to] = [about.ends[image], about.ends[image + 1]];
  if (!(to > from)) return Object.assign(document.createElement("span"), { className: "none" });
  const element = document.createElement("img");
  element.src = URL.createObjectURL(new Blob([thumbnails.subarray(from, to)], { type: "image/jpeg" }));
  element.addEventListener("load", () => URL.revokeObjectURL(element.src), { once: true });
  element.alt = about.images[image];
  return element;
}

// The beginning and the end of a name, which tell a folder and its file.
function shortened(name) {
  const characters = [...name];
  return characters.length <= 32 ? name : `${characters.slice(0, 14).join("")}…${characters.slice(-17).join("")}`;
}

function show(results) {
  const list = document.querySelector("ol");
  list.replaceChildren(...results.map(({ image, score }, rank) => {
    const item = document.createElement("li"), button = document.createElement("button");
    const caption = document.createElement("span"), name = document.createElement("span");
    caption.className = "caption";
    caption.append(Object.assign(document.createElement("b"), { textContent: rank + 1 }),
      Object.assign(document.createElement("span"), { textContent: about.spherical ? score.toFixed(2) : `${Math.round(100 * score)} %` }));
    name.className = "name";
    name.title = about.images[image];
    name.textContent = shortened(name.title);
    button.type = "button";
    button.append(picture(image), caption, name);
    button.title = "Rank the images by this one";
    button.addEventListener("click", () => again(image));
    item.append(button);
    return item;
  }));
  document.querySelector(".answer").hidden = false;
}

function compare(code, words) {
  const started = performance.now(), results = ranking(code);
  const compared = Math.max(0.1, performance.now() - started).toFixed(1);
  show(results);
  say(`${words} ${(codes.length / code.length).toLocaleString("en")} images compared in ${compared} ms. Nothing was sent.`);
}

function again(image) {
  const size = codes.length / about.images.length;
  document.querySelector(".query").hidden = true;
  compare(codes.subarray(image * size, (image + 1) * size), `Images like ${about.images[image]}:`);
}

async function ask(input) {
  const [file] = input.files;
  if (!file) return;
  say("Encoding the picture …");
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    say(`${file.name} is not a picture that this browser reads; choose a JPEG, PNG or WebP file.`, true);
    return;
  } finally {
    input.value = "";
  }
  await new Promise((done) => setTimeout(done)); // so that the message is drawn
  document.querySelector(".query").hidden = false;
  const image = pixels(bitmap), started = performance.now();
  bitmap.close();
  const { code } = await session.run({ image }, ["code"]);
  const milliseconds = Math.round(performance.now() - started);
  compare(code.data, `Code of ${8 * code.data.length} bits in ${milliseconds.toLocaleString("en")} ms.`);
}

for (const input of inputs) {
  input.addEventListener("change", () => ask(input).catch((error) => say(`The picture could not be encoded: ${error.message}`, true)));
}
start().catch((error) => say(`This browser cannot run the network: ${error.message}`, true));

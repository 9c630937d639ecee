// Stimuli as elements of the page.

import { Player } from "./sound.js";

const LARGEST = 512; // CSS pixels of a picture's longer side
const ENLARGED = 32; // at most: fewer, larger pixels are harder to read, not easier
const NAMES = ["A", "B"];
const decoder = new TextDecoder();

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

const words = (file) => decoder.decode(file).trimEnd();

function captioned(content, i, of) {
  const frame = element("div", { className: "frame" }, content);
  return element("figure", {}, ...(of > 1 ? [element("figcaption", { textContent: NAMES[i] })] : []), frame);
}

// Pictures are enlarged by whole numbers, with sharp pixels, or scaled down to what the window has room for; two of them
// stand one above the other where that leaves more room for each.
function fit(images) {
  const stage = document.getElementById("stimuli");
  const { naturalWidth: width, naturalHeight: height } = images[0]; // the same for all of a study
  const beside = Math.min((stage.clientWidth - 18) / 2 / width, (0.5 * window.innerHeight) / height);
  const above = Math.min(stage.clientWidth / width, (0.27 * window.innerHeight) / height);
  const alone = Math.min(stage.clientWidth / width, (0.5 * window.innerHeight) / height);
  const stacked = images.length > 1 && above > 1.1 * beside;
  const room = images.length === 1 ? alone : stacked ? above : beside;
  const scale = Math.min(room, LARGEST / width, LARGEST / height, ENLARGED);
  const used = scale >= 1 ? Math.floor(scale) : scale;
  stage.classList.toggle("stacked", stacked);
  for (const image of images) {
    image.classList.toggle("sharp", used > 1);
    image.style.width = `${width * used}px`;
    image.style.height = `${height * used}px`;
  }
}

async function pictures(files) {
  const images = files.map((file, i) => {
    const blob = new Blob([file], { type: "image/png" });
    return element("img", { src: URL.createObjectURL(blob), alt: files.length > 1 ? `Picture ${NAMES[i]}` : "Picture" });
  });
  await Promise.all(images.map((image) => image.decode()));
  for (const image of images) URL.revokeObjectURL(image.src);
  return { nodes: images.map((image, i) => captioned(image, i, images.length)), place: () => fit(images) };
}

function noise(width, height) {
  const canvas = element("canvas", { width, height });
  const pixels = new ImageData(width, height);
  for (let i = 0; i < pixels.data.length; i += 4) pixels.data.fill(256 * Math.random(), i, i + 3).fill(255, i + 3, i + 4);
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}

// What takes a picture's place when its time is over: noise of the same size wipes out the afterimage.
export function masked(frame) {
  const image = frame.querySelector("img");
  const canvas = noise(image.naturalWidth, image.naturalHeight);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "The picture is hidden now");
  canvas.className = image.className;
  canvas.style.cssText = image.style.cssText;
  image.replaceWith(canvas);
}

export const overflows = (region) => region.scrollHeight > region.clientHeight + 4;

// Says whether there is more below what a region shows.
export function markMore(region) {
  region.parentElement.classList.toggle("more", region.scrollTop + region.clientHeight < region.scrollHeight - 4);
}

function scrolling(className, label, ...children) {
  const region = element("div", { className, tabIndex: 0 }, ...children);
  region.setAttribute("role", "region");
  region.setAttribute("aria-label", label);
  region.addEventListener("scroll", () => markMore(region), { passive: true });
  return region;
}

function texts(files, check) {
  const nodes = files.map((file, i) => {
    const text = scrolling(check ? "text check" : "text", files.length > 1 ? `Text ${NAMES[i]}` : "Text", words(file));
    if (check) text.tabIndex = -1;
    return captioned(text, i, files.length);
  });
  return { nodes, long: !check };
}

// Two rows become one table, so that values that belong together stand side by side.
function rows(files) {
  const tables = files.map((file) => JSON.parse(words(file)));
  const body = tables[0].map(([name], i) =>
    element(
      "tr",
      {},
      element("th", { scope: "row", textContent: name }),
      ...tables.map((table) => element("td", { textContent: table[i][1] })),
    ),
  );
  const heads = tables.map((_, i) => element("th", { scope: "col", textContent: NAMES[i] }));
  const head = element("thead", {}, element("tr", {}, element("td"), ...heads));
  const table = element("table", {}, ...(tables.length > 1 ? [head] : []), element("tbody", {}, ...body));
  return { nodes: [element("div", { className: "frame" }, scrolling("rows", "Table rows", table))] };
}

async function sounds(files, allHeard) {
  const several = files.length > 1;
  const parts = files.map((_, i) => {
    const key = element("kbd", { textContent: NAMES[i] });
    const button = element("button", { type: "button" }, several ? `Play ${NAMES[i]}` : "Play", key);
    button.setAttribute("aria-pressed", "false");
    return { button, told: element("p", { className: "heard", textContent: "not heard yet" }) };
  });
  const player = await Player.of(files, (audible) => {
    parts.forEach(({ button, told }, i) => {
      button.setAttribute("aria-pressed", String(i === audible));
      if (player.heard[i]) told.textContent = i === audible ? "playing" : "heard";
    });
    if (player.heard.every(Boolean)) allHeard();
  });
  parts.forEach(({ button }, i) => button.addEventListener("click", () => player.press(i)));
  const nodes = parts.map(({ button, told }) => element("div", { className: "player" }, button, told));
  return { nodes, player };
}

// The elements for a trial's stimuli: `nodes`, and what to do with them.
export async function build(stimuli, files, { check, allHeard }) {
  switch (stimuli[0].medium) {
    case "image":
      return pictures(files);
    case "audio":
      return sounds(files, allHeard);
    case "row":
      return rows(files);
    default:
      return texts(files, check);
  }
}

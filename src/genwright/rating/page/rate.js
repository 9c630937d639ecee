// The course of a study: consent, one question after the other, the end. What is asked and in which order, the server
// knows; the page may be left and loaded anew at any time.

import { bytes, insist, invited, read, Refusal, send } from "./api.js";
import { build, element, markMore, masked, overflows } from "./show.js";

const at = (id) => document.getElementById(id);
const frame = () => new Promise(requestAnimationFrame);
const SECONDS_EACH = 6;

const ANSWERS = {
  pair: [
    { answer: "left", text: "A is better", keys: ["ArrowLeft"], hint: "←" },
    { answer: "tie", text: "Tie", keys: ["t", "T"], hint: "T" },
    { answer: "right", text: "B is better", keys: ["ArrowRight"], hint: "→" },
  ],
  origin: [
    { answer: "real", text: "Real", keys: ["r", "R"], hint: "R" },
    { answer: "generated", text: "Generated", keys: ["g", "G"], hint: "G" },
  ],
  scale: [..."1234567"].map((digit) => ({ answer: digit, text: digit, keys: [digit], hint: "" })),
};

let asked; // the trial on the page, with what is known of it here
let latest; // the trial answered last, whose answer can be taken back
let built = { key: "" }; // the stimuli on the page; questions in a row about the same ones keep them

function only(id) {
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== id;
  document.querySelector("footer").hidden = id === "welcome" || id === "problem";
  at("progress").hidden = id === "welcome" || id === "problem";
  at(id).querySelector("h1").focus();
}

function fail(title, text) {
  asked = undefined;
  at("problem").querySelector("h1").textContent = title;
  at("problem").querySelector("p").textContent = text;
  only("problem");
}

const status = (text) => (at("status").textContent = text);

function progress(done, total) {
  at("count").textContent = done < total ? `Question ${done + 1} of ${total}` : `All ${total} answered`;
  at("bar").max = total;
  at("bar").value = done;
}

async function begin() {
  if (!invited()) return fail("An invite is needed", "Open this page through the link you were given.");
  const session = await insist(() => read("/api/session"));
  document.title = session.title;
  at("title").textContent = session.title;
  if (session.consented) return next();
  at("consent").replaceChildren(...session.consent.map((textContent) => element("p", { textContent })));
  const minutes = Math.max(1, Math.round((session.total * SECONDS_EACH) / 60));
  at("extent").textContent = `${session.total} questions, about ${minutes} ${minutes > 1 ? "minutes" : "minute"}. `;
  only("welcome");
}

async function next() {
  const trial = await insist(() => read("/api/trial"));
  progress(trial.done, trial.total);
  at("undo").hidden = !latest;
  if (!trial.trial) {
    asked = undefined;
    clear();
    return only("end");
  }
  await ask(trial);
}

async function ask(trial) {
  asked = { ...trial, open: false, since: 0 };
  const mine = asked;
  at("question").setAttribute("aria-busy", "true");
  at("prompt").textContent = trial.prompt;
  answers(trial);
  status("");
  const key = trial.stimuli.map((each) => each.id).join(" ");
  if (trial.hidden) recall();
  else if (key !== built.key || trial.exposure) await load(mine, key);
  only("question");
  place();
  if (trial.exposure && !trial.hidden) offer(mine);
  at("question").setAttribute("aria-busy", "false");
  if (trial.hidden) return open(mine);
  if (trial.exposure) return;
  if (built.player && !built.player.heard.every(Boolean)) return status("Listen to what is played before you answer.");
  await visible(mine);
}

function place() {
  built.place?.();
  for (const region of document.querySelectorAll("#stimuli .text, #stimuli .rows")) markMore(region);
}

function clear() {
  built.player?.stop();
  built = { key: "" };
  at("stimuli").replaceChildren();
}

async function load(mine, key) {
  clear();
  const files = await Promise.all(mine.stimuli.map((each) => insist(() => bytes(each.id))));
  const check = mine.stimuli[0].medium === "text" && /^This is a check\./.test(new TextDecoder().decode(files[0]));
  built = { key, ...(await build(mine.stimuli, files, { check, allHeard: () => asked && visible(asked) })) };
  const two = built.nodes.length > 1;
  at("stimuli").className = `${two ? "two" : "one"}${built.long ? " long" : ""}`;
  at("stimuli").replaceChildren(...built.nodes);
}

// The stimuli can be seen or heard: the server notes it, and the time that an answer must take at least begins.
async function visible(mine) {
  if (mine.since) return;
  mine.since = performance.now();
  await insist(() => send("/api/seen", { trial: mine.trial }));
  mine.since = performance.now();
  open(mine);
}

// Only images whose origin is asked: the rater says when, the picture is there for its time, then noise.
function offer(mine) {
  const shown = built.nodes[0];
  const button = element("button", { type: "button", className: "primary show", id: "show" }, "Show the picture");
  button.append(element("kbd", { textContent: "space" }));
  at("stimuli").replaceChildren(button);
  status(`It will be visible for ${mine.exposure} ${mine.exposure === 1 ? "second" : "seconds"}.`);
  button.addEventListener("click", () => expose(mine, shown), { once: true });
}

async function expose(mine, shown) {
  at("show").disabled = true;
  delete at("stimuli").dataset.exposed;
  await insist(() => send("/api/seen", { trial: mine.trial }));
  await frame();
  at("stimuli").replaceChildren(shown);
  place();
  const start = await frame(); // the frame in which the picture is first drawn
  mine.since = performance.now();
  open(mine);
  while ((await frame()) - start < 1000 * mine.exposure - 8); // half a frame early rather than a whole one late
  masked(shown);
  mine.exposed = performance.now() - start;
  at("stimuli").dataset.exposed = mine.exposed.toFixed(1);
}

function recall() {
  const text = "You have seen this picture already; it is shown only once. Please answer from memory.";
  clear();
  at("stimuli").className = "one";
  at("stimuli").replaceChildren(element("p", { className: "text check", textContent: text }));
}

function answers(trial) {
  const buttons = ANSWERS[trial.kind].map(({ answer, text, hint }) => {
    const button = element("button", { type: "button", disabled: true, value: answer }, text);
    if (hint) button.append(element("kbd", { textContent: hint, ariaHidden: "true" }));
    const anchor = trial.kind === "scale" && { 1: 0, 4: 1, 7: 2 }[answer];
    if (Number.isInteger(anchor)) button.setAttribute("aria-label", `${answer}: ${trial.anchors[anchor]}`);
    button.addEventListener("click", () => guarded(give)(answer));
    return button;
  });
  if (trial.kind === "scale") {
    const spans = trial.anchors.map((textContent) => element("span", { textContent }));
    buttons.push(element("div", { className: "anchors", ariaHidden: "true" }, ...spans));
  }
  at("answers").className = trial.kind;
  at("answers").replaceChildren(...buttons);
}

function early() {
  if (built.player && !built.player.heard.every(Boolean)) return "Listen to what is played before you answer.";
  return asked.minimum ? `Answers are taken after ${asked.minimum} s, so that there is time to look.` : "One moment …";
}

// Answers are taken once the least time has passed; a page that was loaded anew has no start to count from but now.
function open(mine) {
  mine.since ||= performance.now();
  status("");
  setTimeout(
    () => {
      if (asked !== mine) return;
      mine.open = true;
      status("");
      for (const button of at("answers").querySelectorAll("button")) button.disabled = false;
    },
    1000 * mine.minimum + 20,
  );
}

async function give(answer) {
  const mine = asked;
  if (!mine?.open) return;
  mine.open = false;
  const seconds = (performance.now() - mine.since) / 1000;
  for (const button of at("answers").querySelectorAll("button")) button.disabled = true;
  latest = mine.trial;
  await settle("/api/rating", { trial: mine.trial, answer, seconds });
}

async function undo() {
  const trial = latest;
  if (!trial) return;
  latest = undefined;
  if (asked) asked.open = false;
  await settle("/api/undo", { trial });
}

async function settle(path, value) {
  try {
    await insist(() => send(path, value));
  } catch (error) {
    if (!(error instanceof Refusal) || error.status !== 409) throw error; // else the server knows better: ask it
  }
  await next();
}

// Arrows and page keys move what is too long for its place, also where it does not have the focus.
function scroll(event) {
  const screens = { ArrowDown: 0.15, ArrowUp: -0.15, PageDown: 0.9, PageUp: -0.9 }[event.key];
  const long = [...document.querySelectorAll("#stimuli .text, #stimuli .rows")].filter(overflows);
  if (!screens || !long.length || long.includes(event.target)) return false;
  for (const region of long) region.scrollBy({ top: screens * region.clientHeight });
  return true;
}

function pressed(event) {
  const plain = !event.repeat && !event.ctrlKey && !event.metaKey && !event.altKey;
  if (!plain || !at("shortcuts").checked || at("leaving").open) return;
  if (event.key === "Backspace" && latest) return guarded(undo)();
  if (!asked) return;
  const onControl = event.target.closest("button, input, a");
  if (onControl && [" ", "Enter"].includes(event.key)) return; // what has the focus is pressed
  const chosen = ANSWERS[asked.kind].find(({ keys }) => keys.includes(event.key));
  const show = at("show");
  if (event.key === " " && show) show.click();
  else if (built.player && "ab".includes(event.key.toLowerCase()))
    at("stimuli").querySelectorAll("button")["ab".indexOf(event.key.toLowerCase())]?.click();
  else if (chosen && !asked.open && !show) status(early());
  else if (chosen) guarded(give)(chosen.answer);
  else if (!scroll(event)) return;
  event.preventDefault();
}

async function withdraw() {
  clear();
  await insist(() => send("/api/withdraw"));
  fail("You have withdrawn", "All your answers are deleted. Thank you for your time; you can close this page.");
}

function guarded(action) {
  return (...given) =>
    Promise.resolve(action(...given)).catch((error) => {
      if (error instanceof Refusal && error.status === 401)
        fail("This link is not valid", "It may be incomplete, or you have withdrawn. Ask whoever invited you for a new one.");
      else fail("Something went wrong", "Your answers so far are saved. Please load the page again.");
    });
}

at("agree").addEventListener(
  "click",
  guarded(async () => {
    await insist(() => send("/api/consent"));
    await next();
  }),
);
at("undo").addEventListener("click", guarded(undo));
at("leave").addEventListener("click", () => at("leaving").showModal());
at("leaving").addEventListener("close", guarded(() => at("leaving").returnValue === "leave" && withdraw()));
at("shortcuts").addEventListener("change", () => localStorage.setItem("shortcuts", at("shortcuts").checked ? "on" : "off"));
at("shortcuts").checked = localStorage.getItem("shortcuts") !== "off";
document.addEventListener("keydown", pressed);
window.addEventListener("resize", place);
window.addEventListener("unhandledrejection", (event) => guarded(() => Promise.reject(event.reason))());
guarded(begin)();

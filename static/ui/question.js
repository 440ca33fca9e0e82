// The question box: Enter sends, and lines below it warn of identifiers and of too many characters. They never keep
// anybody from typing, and without this script the server says the same when the question is sent.
const PAUSE_MS = 600; // without a key, before the text is looked at
const NEAR = 500; // characters left from which on they are counted
const WARNING = "Looks like patient identifiers. They will be masked before the search.";

const form = document.getElementById("ask-form");
const question = document.getElementById("question");
const hint = document.getElementById("phi-hint");
const warning = document.getElementById("phi-warning");
const room = document.getElementById("question-length");
const longest = Number(question.dataset.longest);
const count = (number) => `${number.toLocaleString("en-US")} character${number === 1 ? "" : "s"}`;
// "Date" in the middle of a sentence is "date", but "Social Security number" stays what it is.
const inside = (label) => (/^\S+ [A-Z]/.test(label) ? label : label[0].toLowerCase() + label.slice(1));

// The first part of a line is announced when it comes; the second may change with every key.
function show(line, told, more = "") {
  const [status, rest] = line.querySelectorAll("span > span");
  if (status.textContent !== told) status.textContent = told;
  rest.textContent = more;
  line.classList.toggle("vh", !told && !more);
}

function warn(labels) {
  show(warning, labels.length ? WARNING : "", labels.length ? `Found: ${labels.map(inside).join(", ")}.` : "");
  hint.hidden = labels.length > 0;
}

// Whether the text is too long to be sent.
function measure() {
  const left = longest - [...question.value.trim()].length;
  room.classList.toggle("crit", left < 0);
  if (left < 0) show(room, `Shorten your question to ${count(longest)} before you send it.`, `${count(-left)} too many.`);
  else show(room, "", left < NEAR ? `${count(left)} left.` : "");
  return left < 0;
}

// ── What the server would mask ──────────────────────────────────────────────────────────────────────────────────
let pause;
let looking = new AbortController();
let refused = false; // the server will not look at drafts now: this page does not ask again

function stopLooking() {
  clearTimeout(pause);
  looking.abort();
}

// One request at a time; newer text ends an older one. Whatever goes wrong, nothing is said: it is a hint only.
async function look() {
  looking = new AbortController();
  const { signal } = looking;
  let labels = [];
  try {
    const body = new FormData(form);
    const answer = await fetch(form.dataset.identifiers, { method: "POST", body, redirect: "manual", signal });
    if (answer.ok) ({ labels } = await answer.json());
    else refused = answer.status !== 422;
  } catch {
    labels = [];
  }
  if (!signal.aborted) warn(labels);
}

function typed() {
  stopLooking();
  const tooLong = measure();
  if (!question.value.trim() || tooLong || refused) warn([]);
  else pause = setTimeout(look, PAUSE_MS);
}

question.addEventListener("input", typed);
question.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  form.requestSubmit();
});
form.addEventListener("submit", (event) => {
  stopLooking();
  if (!question.value.trim() || measure()) event.preventDefault();
});
if (question.value) typed(); // it came back from the server

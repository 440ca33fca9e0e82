// The Ask pages. Nodes are built with textContent and <template> clones only: nothing a person, a document or a
// model wrote is ever parsed as HTML.
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const clone = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
const listed = (words) => (words.length > 1 ? `${words.slice(0, -1).join(", ")} and ${words.at(-1)}` : words.join(""));
const wide = matchMedia("(min-width: 80.01rem)");
const narrow = matchMedia("(max-width: 60rem)");
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const scrollTo = (element) => element.scrollIntoView({ block: "start", behavior: calm.matches ? "auto" : "smooth" });
const typing = (element) => element.closest("input, textarea, select, [contenteditable]");

const live = $("#live");
function say(text) {
  live.textContent = "";
  requestAnimationFrame(() => { live.textContent = text; });
}

function show(element, shown = true) {
  element.hidden = !shown;
}

// Fill the data-f parts of a clone by name. What has no value stays hidden, with the term before it.
function fill(root, values) {
  for (const part of $$("[data-f]", root)) {
    const value = values[part.dataset.f] ?? "";
    part.textContent = value;
    show(part, value !== "");
    if (part.tagName === "DD") show(part.previousElementSibling, value !== "");
  }
  for (const link of $$("[data-href]", root)) {
    link.href = values[link.dataset.href];
    show(link, values[link.dataset.href] !== "");
  }
  return root;
}

// A page kept by the browser may hold an answer that has moved on since.
window.addEventListener("pageshow", (event) => { if (event.persisted) window.location.reload(); });

// A report that was not accepted comes back at an address of its own; the page is still that of the conversation.
const { address } = $(".thread")?.dataset ?? {};
if (address && address !== window.location.pathname) window.history.replaceState(null, "", address);

// ── Source panel ────────────────────────────────────────────────────────────────────────────────────────────────
// One set of passages per answer; a passage is named by its answer and its number.
const panel = $("#sources");
let opener = null; // the number that opened the source: the focus goes back to it
let shown = null; // the number whose source is shown

const openSet = () => $(".src-set.on", panel);
const openItem = () => $(".src-set.on .src-item.on", panel);

// False if there is no such passage (yet). Changes what is shown and nothing else.
function showSource(turn, n, from = null) {
  const set = $(`.src-set[data-set="${turn}"]`, panel);
  const item = set && $(`.src-item[data-n="${n}"]`, set);
  if (!item) return false;
  for (const other of $$(".src-set, .src-item", panel)) other.classList.toggle("on", other === set || other === item);
  shown = from?.matches(".cite") ? from : $(`[data-turn="${turn}"] .cite[data-src="${n}"]`);
  for (const link of $$("[data-src]")) { // in the list and, of several equal numbers in the text, the one used
    if (link === shown || (set.contains(link) && link.dataset.src === String(n))) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  tint(shown);
  $("#src-count").textContent = `Source ${n} of ${$$(".src-item", set).length}`;
  panel.scrollTop = 0;
  return true;
}

function tint(chip) {
  for (const claim of $$(".claim.on")) claim.classList.remove("on");
  chip?.closest(".claim").classList.add("on");
}

function openSource(turn, n, from = null) {
  if (!showSource(turn, n, from)) return false;
  opener = shown;
  panel.classList.add("open");
  // The sheet of a small screen covers the lower part: keep the statement above it.
  if (narrow.matches) shown?.closest(".claim").scrollIntoView({ block: "start" });
  $(".title", openItem()).focus({ preventScroll: true });
  return true;
}

function stepSource(by) {
  const at = openItem();
  if (!at || !showSource(openSet().dataset.set, Number(at.dataset.n) + by)) return;
  opener = shown;
  panel.classList.add("open");
  say(`${$("#src-count").textContent}, ${$(".title", openItem()).textContent}`);
}

function closeSource() {
  panel.classList.remove("open");
  tint(null);
  opener?.focus();
  opener = null;
}

if (panel) {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-src]");
    if (link) {
      const turn = link.closest("[data-turn]")?.dataset.turn ?? link.closest("[data-set]").dataset.set;
      if (openSource(turn, link.dataset.src, link)) event.preventDefault();
    }
    const step = event.target.closest("[data-src-step]");
    if (step) stepSource(Number(step.dataset.srcStep));
    if (event.target.closest("[data-src-close]")) closeSource();
    const copy = event.target.closest("[data-copy]");
    if (copy) copyAnswer(copy.closest(".turn"));
    if (event.target.closest("[data-reload]")) window.location.reload();
  });
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || $("dialog[open]")) return;
    if (event.key === "Escape") {
      const draft = event.target.closest("textarea")?.value;
      if (panel.classList.contains("open") || opener) closeSource();
      else if (writing && !draft) writing.stop();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (document.documentElement.dataset.shortcuts === "off") return;
    const set = openSet()?.dataset.set;
    if (set && /^[1-9]$/.test(event.key)) openSource(set, event.key);
    if (event.key === "[") stepSource(-1);
    if (event.key === "]") stepSource(1);
  });
  // The panel starts with the first source of the last answer; where it is in sight, its statement is tinted.
  const last = $$(".src-set:has(.src-item)", panel).at(-1);
  if (last) showSource(last.dataset.set, 1);
  if (!wide.matches) tint(null);
}

// ── Small requests of a page that stays ─────────────────────────────────────────────────────────────────────────
// True only if the server took it: a redirect elsewhere means the session has ended.
async function send(form, submitter = null) {
  try {
    const body = new FormData(form, submitter);
    const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } });
    return answer.ok && (!answer.redirected || new URL(answer.url).pathname === window.location.pathname);
  } catch {
    return false;
  }
}

const NOT_SENT = "That did not reach the server. Reload the page and try again.";

async function rate(event) {
  event.preventDefault();
  const turn = event.target.closest(".turn");
  const chosen = event.submitter;
  if (!(await send(event.target, chosen))) return say(NOT_SENT);
  for (const button of $$("button[name=helpful]", turn)) button.setAttribute("aria-pressed", String(button === chosen));
  const reasons = $(".fb", turn);
  show(reasons, chosen.value === "no");
  if (chosen.value === "no") $("input[type=checkbox]", reasons).focus();
  else say("Thank you. Marked as helpful.");
}

async function giveReasons(event) {
  event.preventDefault();
  const turn = event.target.closest(".turn");
  if (!(await send(event.target))) return say(NOT_SENT);
  show(event.target, false);
  $("button[name=helpful][value=no]", turn).focus();
  say("Thank you. Your reasons were sent.");
}

for (const form of $$("form[data-fetch=rate]")) form.addEventListener("submit", rate);
for (const form of $$("form[data-fetch=reasons]")) form.addEventListener("submit", giveReasons);

// A copy carries its sources and the answer's id; it holds nothing that was masked.
async function copyAnswer(turn) {
  const lines = $$(".interactions > .alert > h3", turn).map((alert) => alert.textContent.replace(/\s+/g, " ").trim());
  for (const block of $$("[data-changed] > p, .answer > p, .answer > h3, .answer li", turn)) {
    const text = block.cloneNode(true);
    for (const cite of $$(".cite", text)) cite.textContent = `[${cite.dataset.src}]`;
    for (const link of $$("[data-href]", text)) link.remove();
    lines.push((block.tagName === "LI" ? "- " : "") + text.textContent.replace(/\s+/g, " ").trim());
  }
  const sources = $$(".print-sources li", turn).map((source, i) => `[${i + 1}] ${source.textContent.trim()}`);
  const id = $("[data-answer-id]", turn).textContent;
  try {
    await navigator.clipboard.writeText(`${lines.join("\n")}\n\nSources\n${sources.join("\n")}\n\nClinChat. ${id}`);
    say("Answer copied with its sources.");
  } catch {
    say("The browser did not allow copying. Select the text instead.");
  }
}

// What somebody selects and copies leaves the screen too: each value in it, also in part, is copied as its token.
document.addEventListener("copy", (event) => {
  const picked = window.getSelection();
  const values = $$(".pt").filter((value) => picked.containsNode(value, true));
  if (picked.isCollapsed || !values.length || typing(event.target)) return;
  const range = picked.getRangeAt(0); // grows to whole values
  if (values[0].contains(range.startContainer)) range.setStartBefore(values[0]);
  if (values.at(-1).contains(range.endContainer)) range.setEndAfter(values.at(-1));
  const written = values.map((value) => value.textContent);
  for (const value of values) value.firstElementChild.textContent = value.dataset.token;
  event.clipboardData.setData("text/plain", picked.toString());
  values.forEach((value, i) => { value.firstElementChild.textContent = written[i]; });
  event.preventDefault();
  say("Copied with tokens in the place of identifiers.");
});

// ── An answer while it is written ───────────────────────────────────────────────────────────────────────────────
const MAX_ERRORS = 3;
const STILL_WORKING_MS = 10_000;
const OFFER_STOP_MS = 30_000;
const LATE_ALERTS_MS = 10_000;

// Applies the events of one unfinished turn to the parts the server rendered for it.
class Writing {
  constructor(turn) {
    this.turn = turn;
    this.n = turn.dataset.turn;
    this.answer = $(".answer", turn);
    this.working = $("[data-working]", turn);
    this.steps = $(".steps", turn);
    this.stopForm = $("form[data-fetch=stop]", turn);
    this.set = $(`.src-set[data-set="${this.n}"]`, panel);
    this.seen = new Set();
    this.errors = 0;
    this.over = false;
    this.answer.replaceChildren(); // the stream tells it from the start
    this.stopForm.addEventListener("submit", (event) => { event.preventDefault(); this.stop(); });
    this.timers = [
      setTimeout(() => this.#wait("Still working."), STILL_WORKING_MS),
      setTimeout(() => {
        this.#wait("This takes longer than usual. You can stop it.");
        $("button", this.stopForm).classList.add("primary");
      }, OFFER_STOP_MS),
    ];
  }

  listen() {
    this.stream = new EventSource(this.turn.dataset.eventsUrl);
    const events = ["step", "interactions", "understood", "part", "sources", "support", "done", "abstain", "failed"];
    for (const name of events) {
      this.stream.addEventListener(name, (event) => {
        if (event.lastEventId && this.seen.has(event.lastEventId)) return; // told again after a dropped link
        this.seen.add(event.lastEventId);
        this[name](JSON.parse(event.data));
      });
    }
    // The session ended while the answer was being written: the sign-in page takes the place of this one.
    this.stream.addEventListener("signed-out", () => {
      this.over = true;
      this.stream.close();
      window.location.replace(window.location.pathname + window.location.search);
    });
    this.stream.onopen = () => { this.errors = 0; this.#lost(false); };
    this.stream.onerror = () => {
      this.errors += 1;
      this.#lost(true);
      if (this.errors >= MAX_ERRORS) return this.#giveUp();
      // The browser reconnects by itself unless the server answered with an error page.
      if (this.stream.readyState === EventSource.CLOSED) setTimeout(() => this.over || this.#again(), 2000 * this.errors);
    };
  }

  #again() {
    const { errors } = this;
    this.stream.close();
    this.listen();
    this.errors = errors;
  }

  #lost(shown) {
    const note = $("[data-lost]", this.turn);
    if (shown && note.hidden) say("Connection lost. The answer is still being written.");
    show(note, shown);
  }

  #giveUp() {
    this.stream.close();
    const button = $("[data-reload]", this.turn);
    show(button);
    show(button.parentElement);
  }

  #wait(text) {
    $("[data-wait]", this.turn).textContent = text;
    say(text);
  }

  async stop() {
    if (this.stopping) return;
    this.stopping = true;
    const button = $("button", this.stopForm);
    button.setAttribute("aria-disabled", "true"); // disabled would throw the focus away
    if (await send(this.stopForm)) {
      setTimeout(() => this.over || window.location.reload(), 5000); // the stream should say so first
    } else {
      this.stopping = false;
      button.removeAttribute("aria-disabled");
      say(NOT_SENT);
    }
  }

  step({ label, state }) {
    for (const line of this.steps.children) {
      line.className = "done";
      $("svg", line).classList.remove("pulse");
      $("use", line).setAttribute("href", `${document.documentElement.dataset.icons}#circle-check`);
    }
    if (state === "done") return;
    const line = clone("tpl-step");
    $("span", line).textContent = label;
    this.steps.append(line);
  }

  // The alerts come as the server draws them. A document that is fetched so is parsed without running anything.
  // The answer waits for them: nobody reads it before what is contraindicated.
  interactions({ checked }) {
    if (this.alerted) return; // told again at the end: what its reader has opened meanwhile stays as it is
    if (!checked) return this.#unchecked();
    this.alerted = true;
    show($("[data-held]", this.turn), false);
    const request = new XMLHttpRequest();
    request.timeout = LATE_ALERTS_MS;
    request.open("GET", this.turn.dataset.interactionsUrl);
    request.responseType = "document";
    request.onload = () => {
      const found = request.status === 200 && $("[data-interactions]", request.response);
      if (!found) return this.#unchecked();
      $("[data-interactions]", this.turn).replaceWith(document.importNode(found, true));
      const alerts = $$(".alert h3", found).map((heading) => heading.textContent.trim());
      show($("[data-held]", this.turn), !("waits" in found.dataset));
      if (alerts.length) say(alerts.join(". "));
    };
    request.onerror = request.ontimeout = () => this.#unchecked();
    request.send();
  }

  // Nobody takes silence for "nothing found".
  #unchecked() {
    this.alerted = false;
    show($("[data-held]", this.turn));
    show($("[data-unchecked]", this.turn));
  }

  // What was searched besides the words of the question.
  understood({ also }) {
    $("[data-also-words]", this.turn).textContent = also.join(", ");
    show($("[data-also]", this.turn), also.length > 0);
  }

  // One verified statement, or a heading between statements.
  part({ block, claim, text, cites = [] }) {
    if (this.seen.has(claim || text)) return; // told again from the record
    this.seen.add(claim || text);
    const element = this.#open(block);
    if (!claim) {
      element.textContent = text;
      return;
    }
    const span = document.createElement("span");
    span.className = "claim";
    span.id = `turn-${this.n}-${claim}`;
    const chips = document.createElement("span");
    chips.className = "cites";
    for (const n of cites) {
      const chip = clone("tpl-cite");
      chip.href = `#src-${this.n}-${n}`;
      chip.dataset.src = n;
      chip.textContent = n;
      chip.setAttribute("aria-label", `Source ${n}`);
      chips.append(chip);
    }
    span.append(`${text} `, chips);
    element.append(span);
  }

  #open(kind) {
    const element = document.createElement(kind);
    if (kind === "p" && !this.answer.children.length) element.className = "lead";
    let parent = this.answer;
    if (kind === "li") {
      if (this.answer.lastElementChild?.tagName !== "UL") this.answer.append(document.createElement("ul"));
      parent = this.answer.lastElementChild;
    }
    parent.append(element);
    return element;
  }

  sources({ sources, changes }) {
    for (const element of $$(".src-item", this.set)) element.remove();
    const heading = $("h3.mt-6", this.set);
    const links = $(".src-list", this.set);
    const printed = $(".print-sources ol", this.turn);
    links.replaceChildren();
    printed.replaceChildren();
    for (const source of sources) {
      heading.before(this.#sourceItem(source));
      const link = fill(clone("tpl-source-link"), source);
      $("a", link).href = `#src-${this.n}-${source.n}`;
      $("a", link).dataset.src = source.n;
      links.append(link);
      printed.append(this.#sourceLine(source));
      for (const chip of $$(`.cite[data-src="${source.n}"]`, this.turn)) {
        chip.setAttribute("aria-label", `Source ${source.n}, ${source.title}`);
      }
      if (source.state === "stale") $("[data-stale]", this.turn).append(fill(clone("tpl-stale"), source));
    }
    $("[data-changed]", this.turn).replaceChildren(...changes.map((change) => fill(clone("tpl-changed"), change)));
    show(heading, sources.length > 0);
    show($(".print-sources h3", this.turn), sources.length > 0);
  }

  #sourceItem(source) {
    const item = fill(clone("tpl-source"), {
      ...source,
      words: plural(source.words, "word"),
      statements: `${source.statements.length === 1 ? "Statement" : "Statements"} ${listed(source.statements)}`,
    });
    item.id = `src-${this.n}-${source.n}`;
    item.dataset.n = source.n;
    const tags = document.getElementById("tpl-tags").content;
    for (const tag of [
      $(`[data-kind="${source.kind}"]`, tags),
      $(`[data-status="${source.state}"]`, tags),
      source.starter ? $('[data-status="starter"]', tags) : null,
    ]) {
      if (tag) $("[data-tags]", item).append(fill(tag.cloneNode(true), source));
    }
    return item;
  }

  #sourceLine({ title, place, page, reviewed, quote }) {
    const where = [title, place, page, reviewed && `Reviewed ${reviewed}`].filter(Boolean).join(". ");
    return Object.assign(document.createElement("li"), { textContent: `${where}. “${quote}”` });
  }

  support({ supported, total, removed, newest, passages, documents, seconds }) {
    this.outcome = removed ? "partly" : "answered";
    const figures = [plural(passages, "passage"), plural(documents, "document"), `${seconds.toFixed(1)} s`];
    $("[data-figures]", this.turn).textContent = figures.join(", ");
    const line = $("[data-support]", this.turn);
    const dots = $(".dots", line);
    dots.replaceChildren();
    for (let i = 0; i < total; i += 1) {
      const dot = document.createElement("i");
      if (i >= supported) dot.className = "no";
      dots.append(dot);
    }
    const strong = document.createElement("strong");
    const rest = document.createElement("span");
    strong.textContent = `${supported} of ${plural(total, "statement")}`;
    rest.textContent = removed
      ? ` matched a quote. ${removed} ${removed === 1 ? "was" : "were"} removed because no passage supports ${removed === 1 ? "it" : "them"}.`
      : ` ${supported === 1 ? "rests" : "rest"} on a passage quoted word for word.`;
    if (newest) rest.textContent += ` Newest source reviewed ${newest}.`;
    dots.nextElementSibling.replaceChildren(strong, rest);
    show(line, total > 0);
  }

  done({ summary }) {
    this.#end(summary, this.outcome);
    show($("[data-actions]", this.turn));
    // The first source of a new answer, unless the reader has another one open.
    if (opener) return;
    showSource(this.n, 1);
    if (!wide.matches) tint(null); // the panel is closed there
  }

  abstain({ closest = [], summary, unknown = [], missing = [] }) {
    this.#end(summary, "abstained");
    for (const [name, words] of Object.entries({ unknown, missing })) {
      const line = $(`[data-${name}]`, this.turn);
      $("[data-words]", line).textContent = words.join(", ");
      show(line, words.length > 0);
    }
    const list = $("[data-closest] ul", this.turn);
    list.replaceChildren();
    closest.forEach((source, i) => {
      const line = fill(clone("tpl-closest"), { ...source, n: i + 1 });
      $("a", line).href = source.document_url;
      list.append(line);
    });
    show($("[data-closest]", this.turn), closest.length > 0);
    show($("[data-abstain]", this.turn));
    show($("[data-copy]", this.turn), false);
    show($("[data-actions]", this.turn));
  }

  failed({ reason, stopped }) {
    this.#end(stopped ? "Stopped. Your question is saved." : `The answer did not finish. ${reason}`);
    const note = $(stopped ? "[data-stopped]" : "[data-failed]", this.turn);
    show(note);
    if (stopped) return;
    $("[data-reason]", note).textContent = reason;
    if (!typing(document.activeElement)) note.focus();
  }

  #end(summary, tag) {
    const focused = this.working.contains(document.activeElement);
    this.over = true;
    this.stream.close();
    for (const timer of this.timers) clearTimeout(timer);
    this.answer.removeAttribute("aria-busy");
    show(this.working, false);
    if (tag) show($(`[data-tag=${tag}]`, this.turn));
    if (focused) $(".a h2", this.turn).focus(); // its button is gone
    writing = null;
    if (hint) askToWait(false);
    say(summary);
  }
}

// ── Question box (the rest of it is in question.js) ─────────────────────────────────────────────────────────────
const hint = $("#phi-hint");
const ALWAYS = hint?.textContent.trim();
const WAIT = "Wait for the answer above, or stop it.";
function askToWait(waiting) {
  if (waiting) show(hint);
  $("span", hint).textContent = waiting ? WAIT : ALWAYS;
  hint.classList.toggle("on", waiting);
}

$("#ask-form")?.addEventListener("submit", (event) => {
  if (!writing) return;
  event.preventDefault(); // one answer at a time
  askToWait(true);
  say(WAIT);
});

// ── Start ───────────────────────────────────────────────────────────────────────────────────────────────────────
let writing = null;
const unfinished = $(".turn[data-events-url]");
if (unfinished) {
  writing = new Writing(unfinished);
  writing.listen();
  if (unfinished.previousElementSibling?.matches(".turn")) scrollTo(unfinished);
  const masked = Number($("[data-masked]", unfinished)?.dataset.masked ?? 0);
  const sent = masked ? `Question sent, ${plural(masked, "identifier")} masked.` : "Question sent.";
  setTimeout(() => writing && say(sent), 300);
}

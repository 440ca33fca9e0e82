// Names are completed while they are typed, and a chosen one becomes a line of the list. Without this script the list
// alone does the same work.
const PAUSE_MS = 120; // without a key, before names are asked for
const field = document.getElementById("complete");
const input = document.getElementById("add");
const options = document.getElementById("add-list");
const said = document.getElementById("add-said");
const list = document.querySelector("#check-form textarea");

let pause;
let asking = new AbortController();
let active = -1; // position of the marked option

function say(text) {
  if (said.textContent !== text) said.textContent = text;
}

function close() {
  clearTimeout(pause);
  asking.abort();
  options.hidden = true;
  options.replaceChildren();
  active = -1;
  input.setAttribute("aria-expanded", "false");
  input.removeAttribute("aria-activedescendant");
}

function mark(position) {
  const all = [...options.children];
  if (!all.length) return;
  active = (position + all.length) % all.length;
  all.forEach((option, number) => option.setAttribute("aria-selected", String(number === active)));
  input.setAttribute("aria-activedescendant", all[active].id);
  all[active].scrollIntoView({ block: "nearest" });
}

function add(name) {
  const lines = list.value.trimEnd();
  list.value = `${lines}${lines ? "\n" : ""}${name}\n`;
  list.scrollTop = list.scrollHeight;
  input.value = "";
  close();
  say(`${name} added.`);
}

function option({ name, kind, holds }, number) {
  const line = document.createElement("li");
  line.id = `add-${number}`;
  line.role = "option";
  line.setAttribute("aria-selected", "false");
  line.dataset.name = name;
  const label = document.createElement("span");
  label.textContent = name;
  line.append(label);
  const other = kind === "class" ? "class" : holds.join(", ");
  if (other.toLowerCase() !== name.toLowerCase()) {
    const hint = document.createElement("span");
    hint.className = "muted";
    hint.textContent = other;
    line.append(" ", hint);
  }
  return line;
}

function show(drugs) {
  options.replaceChildren(...drugs.map(option));
  options.hidden = !drugs.length;
  active = -1;
  input.removeAttribute("aria-activedescendant");
  input.setAttribute("aria-expanded", String(drugs.length > 0));
  say(drugs.length ? `${drugs.length} name${drugs.length === 1 ? "" : "s"}.` : "No name begins so.");
}

// One request at a time; newer letters end an older one. Whatever goes wrong, the list below still works.
async function look() {
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  try {
    const address = `${field.dataset.search}?${new URLSearchParams({ q: input.value.trim() })}`;
    const answer = await fetch(address, { headers: { Accept: "application/json" }, redirect: "manual", signal });
    if (!answer.ok) return close();
    const { drugs } = await answer.json();
    if (!signal.aborted) show(drugs);
  } catch {
    if (!signal.aborted) close();
  }
  return undefined;
}

input.addEventListener("input", () => {
  clearTimeout(pause);
  const text = input.value.trim();
  if (text.length < 2 || text.length > 100) close();
  else pause = setTimeout(look, PAUSE_MS);
});
input.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    mark(event.key === "ArrowDown" ? active + 1 : active < 0 ? -1 : active - 1);
  } else if (event.key === "Enter") {
    event.preventDefault(); // never sends the form from here
    const name = options.children[active]?.dataset.name ?? input.value.trim();
    if (name) add(name);
  } else if (event.key === "Escape" && !options.hidden) {
    event.preventDefault();
    event.stopPropagation();
    close();
  }
});
input.addEventListener("blur", close);
options.addEventListener("mousedown", (event) => event.preventDefault()); // the box keeps the focus
options.addEventListener("click", (event) => {
  const chosen = event.target.closest("[role=option]");
  if (chosen) add(chosen.dataset.name);
});
field.hidden = false;

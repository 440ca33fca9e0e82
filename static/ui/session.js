// The clock of the session. The server ends it whatever happens here; this warns two minutes before, and takes the page
// away when it is over. Nothing is kept in the browser: the time left comes with the page and is asked for again.
const ASK_SECONDS = 15;
const dialog = document.getElementById("session-ending");
const time = dialog.querySelector("[data-time]");
const warn = Number(dialog.dataset.warn);
const renew = dialog.querySelector("form[data-fetch=renew]");

let ends = Date.now() + Number(dialog.dataset.seconds) * 1000;
let asked = -Infinity;
let busy = false;
let dismissed = false;
let final = "final" in dialog.dataset;

const left = () => (ends - Date.now()) / 1000;

// A redirect to the sign-in page means that the session is over.
async function ask(address, options = {}) {
  busy = true;
  asked = Date.now();
  try {
    const answer = await fetch(address, { redirect: "manual", ...options });
    if (answer.ok) {
      const told = await answer.json();
      ends = Date.now() + Number(told.seconds) * 1000;
      final = told.final;
    } else if (answer.type === "opaqueredirect" || answer.status === 401) ends = 0;
  } catch {
    // No connection: the time known so far stands.
  } finally {
    busy = false;
  }
}

// What was on the page must not stay, even if the sign-in page cannot be loaded now.
function end() {
  clearInterval(timer);
  const words = document.createElement("p");
  const link = document.createElement("a");
  link.href = dialog.dataset.signin;
  link.textContent = "Sign in again";
  words.append("You are signed out. ", link);
  const main = document.createElement("main");
  main.className = "page narrow";
  main.append(words);
  document.title = "Signed out | ClinChat";
  document.body.replaceChildren(main);
  window.location.replace(window.location.pathname + window.location.search);
}

function show() {
  const minutes = Math.ceil(left() / 60);
  const words = left() < 60 ? "in less than a minute" : `in ${minutes} min`;
  if (time.textContent !== words) time.textContent = words;
  for (const part of dialog.querySelectorAll("[data-when]")) part.hidden = (part.dataset.when === "final") !== final;
  if (!dialog.open && !dismissed) dialog.showModal();
}

async function tick() {
  if (busy) return;
  // Another tab may have renewed the session, or ended it.
  if (left() <= warn && Date.now() - asked >= (left() > 0 ? ASK_SECONDS : 1) * 1000) await ask(dialog.dataset.left);
  if (left() <= 0) return end();
  if (left() <= warn) return show();
  dismissed = false;
  if (dialog.open) dialog.close();
}

renew.addEventListener("submit", async (event) => {
  event.preventDefault();
  await ask(renew.action, { method: "POST", body: new FormData(renew) });
  tick();
});
dialog.addEventListener("cancel", () => { dismissed = true; });
dialog.addEventListener("submit", (event) => { if (event.target.method === "dialog") dismissed = true; });
document.addEventListener("visibilitychange", () => { if (!document.hidden) tick(); });
window.addEventListener("pageshow", tick);
const timer = setInterval(tick, 1000);

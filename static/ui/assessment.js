// An answer is saved as soon as it is chosen, and again after a lost connection. Without this script the button saves.
const SOONEST_MS = 1000; // before a lost save is tried again; each time twice as long
const LATEST_MS = 15_000;
const form = document.querySelector("form[data-autosave]");

class Saving {
  constructor(form) {
    this.form = form;
    this.tag = document.querySelector("[data-saved] .tag");
    this.lost = form.querySelector("[data-lost]");
    this.dirty = false;
    this.running = null;
    form.addEventListener("change", () => this.change());
    form.addEventListener("submit", (event) => this.submit(event));
    window.addEventListener("online", () => this.retry?.());
    window.addEventListener("beforeunload", (event) => { if (this.failing) event.preventDefault(); });
  }

  change() {
    this.dirty = true;
    this.running ??= this.#all().finally(() => { this.running = null; });
  }

  // What was chosen last is sent after what is on its way: the server counts how often an answer was saved.
  async #all() {
    while (this.dirty) {
      this.dirty = false;
      const told = await this.#until(new FormData(this.form));
      if (told) return this.#stop(told);
    }
  }

  // Sends the same form until the server has answered; returns what stops the saving, if anything does.
  async #until(body) {
    for (let wait = SOONEST_MS; ; wait = Math.min(wait * 2, LATEST_MS)) {
      try {
        const accept = { Accept: "application/json" };
        const answer = await fetch(this.form.action, { method: "POST", body, headers: accept, redirect: "manual" });
        if (answer.status >= 500) throw new Error("down");
        this.failing = false;
        if (!answer.headers.get("Content-Type")?.startsWith("application/json")) return { error: "You were signed out. Sign in again, then go on.", reload: true };
        const told = await answer.json();
        if (!answer.ok) return told;
        this.form.elements.revision.value = told.revision;
        this.#saved(told.saved, told.answered);
        return null;
      } catch {
        this.failing = true;
        this.#say("Connection lost. Your choice stays here and is saved as soon as the connection is back.");
        await new Promise((resolve) => {
          this.retry = resolve;
          setTimeout(resolve, wait);
        });
      }
    }
  }

  #saved(time, answered) {
    this.lost.hidden = true;
    this.tag.hidden = false;
    this.tag.querySelector("span").textContent = `Saved ${time}`;
    document.querySelector(".qnav [aria-current]").parentElement.classList.toggle("ans", answered);
  }

  #say(words) {
    this.tag.hidden = true;
    if (this.lost.querySelector("p").textContent !== words) this.lost.querySelector("p").textContent = words;
    this.lost.hidden = false;
  }

  #stop(told) {
    if (told.over) return window.location.reload();
    this.#say(told.reload ? `${told.error} Reload the page.` : told.error);
  }

  // The button waits for what is on its way.
  async submit(event) {
    if (!this.running) return;
    event.preventDefault();
    await this.running;
    this.form.requestSubmit(event.submitter);
  }
}

if (form) new Saving(form);

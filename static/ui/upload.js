// Sending files to the library: drop them, see how far each one is, go on when all have arrived. The form works without
// this script; with it each file is a request of its own.
const size = (bytes) => {
  const [unit, name] = bytes < 1_000_000 ? [1000, "KB"] : [1_000_000, "MB"];
  return `${Math.max(bytes / unit, 0.1).toLocaleString("en-US", { maximumFractionDigits: 1 })} ${name}`;
};

// ── The form ────────────────────────────────────────────────────────────────────────────────────────────────────
const form = document.querySelector("form[data-upload]");

class Sending {
  constructor(form) {
    this.form = form;
    this.input = form.querySelector("input[type=file]");
    this.drop = form.querySelector("[data-drop]");
    this.list = form.querySelector("[data-sending]");
    this.live = form.querySelector("[data-live]");
    this.most = Number(form.dataset.most);
    this.files = [];
    this.input.addEventListener("change", () => this.choose(this.input.files));
    form.addEventListener("submit", (event) => this.submit(event));
    this.#takeDrops();
    // What a new collection needs is folded away until one is chosen.
    const collection = form.querySelector("select[name=collection]");
    collection?.addEventListener("change", () => {
      form.querySelector("details[data-new]").open = collection.value === collection.dataset.new;
    });
  }

  choose(files) {
    this.files = [...files];
    this.list.replaceChildren(...this.files.map((file) => this.#line(file)));
    this.list.hidden = !this.files.length;
  }

  #line(file) {
    const line = document.getElementById("tpl-sending").content.firstElementChild.cloneNode(true);
    line.querySelector(".name").textContent = file.name;
    line.querySelector("progress").setAttribute("aria-label", file.name);
    const tooLarge = file.size > this.most;
    this.#say(line, tooLarge ? `${size(file.size)} is too large` : size(file.size), tooLarge);
    return line;
  }

  #say(line, words, wrong = false) {
    const told = line.querySelector(".words");
    told.textContent = words;
    told.classList.toggle("crit", wrong);
  }

  #takeDrops() {
    const over = (on) => (event) => {
      if (![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
      event.preventDefault();
      this.drop.classList.toggle("over", on);
    };
    for (const name of ["dragenter", "dragover"]) this.drop.addEventListener(name, over(true));
    this.drop.addEventListener("dragleave", over(false));
    this.drop.addEventListener("drop", (event) => {
      over(false)(event);
      if (this.busy || !event.dataTransfer.files.length) return;
      const chosen = new DataTransfer();
      for (const file of this.input.multiple ? event.dataTransfer.files : [...event.dataTransfer.files].slice(0, 1)) {
        chosen.items.add(file);
      }
      this.input.files = chosen.files;
      this.choose(chosen.files);
    });
  }

  async submit(event) {
    if (!this.files.length) return; // the server says what is missing
    event.preventDefault();
    if (this.busy || this.files.some((file) => file.size > this.most)) {
      if (!this.busy) this.live.textContent = "A file is too large. Choose smaller ones.";
      return;
    }
    this.busy = true;
    for (const button of this.form.querySelectorAll("button")) button.disabled = true;
    const went = await this.#all();
    this.busy = false;
    for (const button of this.form.querySelectorAll("button")) button.disabled = false;
    if (went) window.location.assign(went);
  }

  // Where to go when every file has arrived, else nothing. Those that have arrived are not sent again.
  async #all() {
    let next = "";
    let failed = false;
    for (const [i, file] of this.files.entries()) {
      const line = this.list.children[i];
      if (line.dataset.sent) { next = line.dataset.sent; continue; }
      const { answer, words } = await this.#one(file, line);
      if (answer) {
        next = answer.next;
        line.dataset.sent = next;
        this.#say(line, "Received");
        this.#keepTo(answer.collection);
      } else {
        failed = true;
        this.#say(line, words, true);
        this.live.textContent = `${file.name}: ${words}`;
      }
    }
    if (failed) return "";
    return this.files.length > 1 ? new URL(this.form.dataset.all, window.location).href : next;
  }

  // A collection that was made for the first file takes the others.
  #keepTo(slug) {
    const select = this.form.querySelector("select[name=collection]");
    if (!select || select.value === slug) return;
    select.append(new Option(slug, slug, true, true));
  }

  #one(file, line) {
    const body = new FormData(this.form);
    body.delete(this.input.name);
    body.append(this.input.name, file);
    const bar = line.querySelector("progress");
    return new Promise((resolve) => {
      const request = new XMLHttpRequest(); // fetch does not say how much has gone
      request.upload.addEventListener("progress", (event) => {
        if (!event.lengthComputable) return;
        bar.value = (100 * event.loaded) / event.total;
        this.#say(line, event.loaded < event.total ? `${Math.floor(bar.value)} %` : "Arrived, being checked");
      });
      const lost = () => resolve({ words: "It did not reach the server. Check your connection, then try again." });
      request.addEventListener("error", lost);
      request.addEventListener("abort", lost);
      request.addEventListener("load", () => {
        let told = {};
        try { told = JSON.parse(request.responseText); } catch { /* a page: the session ended, or it is too much */ }
        if (request.status === 200 && told.next) return resolve({ answer: told });
        if (request.status === 413) return resolve({ words: "It is too large." });
        resolve({ words: told.errors?.join(" ") ?? "It was not taken. Reload the page and try again." });
      });
      request.open("POST", window.location.pathname + window.location.search);
      request.setRequestHeader("Accept", "application/json");
      request.send(body);
    });
  }
}

if (form) new Sending(form);

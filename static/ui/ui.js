// Shared by every page: menus, theme, dialogs, print, shortcuts, one send per form. Each page works without it.
// Nodes are built with textContent and <template> clones only, so the page runs under
// `require-trusted-types-for 'script'; trusted-types 'none'`.
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const typing = (element) => element.closest("input, textarea, select, [contenteditable]");

// Menus are <details class="menu">: an outside click or Escape closes them, Escape gives the focus back.
document.addEventListener("click", (event) => {
  for (const menu of $$("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  if (event.target.closest("[data-print]")) window.print();
  const opener = event.target.closest("[data-dialog]");
  if (opener) {
    opener.closest("details.menu")?.removeAttribute("open");
    document.getElementById(opener.dataset.dialog)?.showModal();
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    for (const menu of $$("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
      event.preventDefault(); // this Escape is used up
    }
  }
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  if (document.documentElement.dataset.shortcuts === "off") return;
  if (event.key === "?") {
    document.getElementById("keys")?.showModal();
    event.preventDefault();
  }
  const question = document.getElementById("question");
  if (event.key === "/" && question) {
    question.focus();
    event.preventDefault();
  }
});

// A theme is stored by the server; it is applied here at once so that text being typed is not lost to a page load.
for (const form of $$("[data-theme-form]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const chosen = event.submitter;
    try {
      const body = new FormData(form, chosen);
      body.delete("next"); // the answer is not shown, so it need not be this page again
      const answer = await fetch(form.action, { method: "POST", body });
      if (!answer.ok) throw new Error("refused");
    } catch {
      window.location.reload();
      return;
    }
    document.documentElement.dataset.theme = chosen.value;
    for (const button of $$("button[name=theme]", form)) button.setAttribute("aria-pressed", String(button === chosen));
  });
}

// A form is sent once. Going back to the page makes it usable again.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post" || "fetch" in form.dataset) return;
  if ("download" in form.dataset) return; // answered with a file: the page stays, and its buttons with it
  if ("sent" in form.dataset) event.preventDefault();
  form.dataset.sent = "";
  // After the browser has read the form: a disabled button would not be part of it.
  setTimeout(() => { for (const button of $$("button", form)) button.disabled = true; });
});
window.addEventListener("pageshow", () => {
  for (const form of $$("form[data-sent]")) {
    delete form.dataset.sent;
    for (const button of $$("button", form)) button.disabled = false;
  }
});

// Paper says when it was printed, not when the page was opened.
window.addEventListener("beforeprint", () => {
  const now = new Date();
  const day = now.toLocaleDateString("en-US", { month: "short", day: "numeric", year: "numeric" });
  const time = now.toLocaleTimeString("en-US", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  for (const element of $$("[data-printed]")) element.textContent = `${day} at ${time}`;
});

// Names are completed while one medicine is typed. Without this script the field takes the same names.
const PAUSE_MS = 150; // without a key, before names are asked for

for (const input of document.querySelectorAll("input[data-search]")) {
  let pause;
  let asking = new AbortController();

  async function fill() {
    asking = new AbortController();
    const address = `${input.dataset.search}?q=${encodeURIComponent(input.value.trim())}`;
    try {
      const accept = { Accept: "application/json" };
      const answer = await fetch(address, { headers: accept, redirect: "manual", signal: asking.signal });
      if (!answer.ok) return;
      const { drugs } = await answer.json();
      const single = drugs.filter((one) => one.kind !== "class" && one.holds.length === 1);
      input.list.replaceChildren(...single.map(({ name, holds }) => new Option(holds[0], name)));
    } catch (error) {
      if (error.name !== "AbortError") input.list.replaceChildren();
    }
  }

  input.addEventListener("input", () => {
    clearTimeout(pause);
    asking.abort();
    if (input.value.trim().length > 1) pause = setTimeout(fill, PAUSE_MS);
    else input.list.replaceChildren();
  });
}

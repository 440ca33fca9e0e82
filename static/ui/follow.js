// Following something that is under way: the page is read again when its state has changed. Without this script the page
// reads itself again every few seconds.
const POLL_MS = 1000;
const SLOWER_MS = 5000; // after half a minute
const followed = document.querySelector("[data-state-url]");

async function follow(since) {
  try {
    const answer = await fetch(followed.dataset.stateUrl, { redirect: "manual", headers: { Accept: "application/json" } });
    if (answer.status < 500) { // else the server rests for a moment, as at the end of a restore
      if (!answer.ok) return window.location.reload(); // signed out, or gone: the page says so
      const { state } = await answer.json();
      if (state !== followed.dataset.state) return window.location.reload();
    }
  } catch {
    // No connection: ask again.
  }
  setTimeout(() => follow(since), Date.now() - since > 30_000 ? SLOWER_MS : POLL_MS);
}

if (followed) setTimeout(() => follow(Date.now()), POLL_MS);

// Passkeys (WebAuthn). The page holds what the server asks; the browser's answer goes back in the page's own form.
// Bytes travel as base64url text, converted here: parseCreationOptionsFromJSON and toJSON are newer than Chrome 123.
const form = document.querySelector("form[data-passkey]");
const note = document.querySelector("[data-passkey-error]");

const WORDS = {
  NotAllowedError: "No passkey was given: it was canceled, or took too long. Try again.",
  InvalidStateError: "This device already holds a passkey for your account.",
  SecurityError: "This browser does not allow passkeys at this address.",
  NotSupportedError: "This device has no passkey ClinChat can use.",
};
const OTHER = "This browser could not use a passkey. Reload the page and try again, or use another way.";

const bytes = (text) => {
  const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
};
const text = (buffer) => {
  const plain = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
};
const known = (list = []) => list.map((entry) => ({ ...entry, id: bytes(entry.id) }));

async function create(asked) {
  const publicKey = {
    ...asked,
    challenge: bytes(asked.challenge),
    user: { ...asked.user, id: bytes(asked.user.id) },
    excludeCredentials: known(asked.excludeCredentials),
  };
  const made = await navigator.credentials.create({ publicKey });
  return {
    ...common(made),
    clientExtensionResults: { credProps: made.getClientExtensionResults().credProps ?? {} },
    response: {
      clientDataJSON: text(made.response.clientDataJSON),
      attestationObject: text(made.response.attestationObject),
      transports: made.response.getTransports?.() ?? [],
    },
  };
}

async function get(asked) {
  const publicKey = {
    ...asked,
    challenge: bytes(asked.challenge),
    allowCredentials: known(asked.allowCredentials),
  };
  const shown = await navigator.credentials.get({ publicKey });
  return {
    ...common(shown),
    response: {
      clientDataJSON: text(shown.response.clientDataJSON),
      authenticatorData: text(shown.response.authenticatorData),
      signature: text(shown.response.signature),
      userHandle: shown.response.userHandle ? text(shown.response.userHandle) : null,
    },
  };
}

const common = (credential) => ({ id: credential.id, rawId: text(credential.rawId), type: credential.type });

function say(words) {
  note.querySelector("span").textContent = words;
  note.hidden = false;
}

form?.addEventListener("submit", async (event) => {
  const name = form.elements.name?.value.trim() ?? "ok";
  if (!name || name.length > 64) return; // the server says so, before the device has made anything
  event.preventDefault(); // sent below, with the answer
  const button = form.querySelector("button");
  note.hidden = true;
  button.disabled = true;
  try {
    const asked = JSON.parse(document.getElementById("passkey-options").textContent);
    const answer = await (form.dataset.passkey === "create" ? create(asked) : get(asked));
    form.elements.answer.value = JSON.stringify(answer);
    form.submit();
  } catch (error) {
    say(navigator.credentials ? WORDS[error.name] ?? OTHER : WORDS.SecurityError);
    button.disabled = false;
  }
});

// A form sent before its script is there would hold no answer.
form?.querySelector("button").removeAttribute("disabled");

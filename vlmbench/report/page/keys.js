// What keys do, anywhere on the page.
// Keys work wherever the page is scrolled to, and what they do must be seen.
function bringAnswersIntoView() {
  const { top, bottom } = document.getElementById("view").getBoundingClientRect();
  if (top > window.innerHeight * 0.6 || bottom < window.innerHeight * 0.4) document.getElementById("answers").scrollIntoView();
}

function listKeys(event) {
  if (event.key === "Enter") document.getElementById("detail").focus();
  const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8, Home: -Infinity, End: Infinity };
  if (!(event.key in moves)) return;
  event.preventDefault();
  step(moves[event.key]);
}

function showKeys() {
  const keys = [["j k ↓ ↑", "keyNext"], ["← → ↓ ↑", "keyCards"], ["Home End", "keyEnds"], ["Enter", "keyOpen"], ["Esc", "keyEscape"], ["/", "keySearch"], ["g", "keyGallery"], ["w", "keyWrong"], ["u", "keyUnparsed"], ["?", "keyHelp"]];
  const dialog = make("dialog", { id: "keys", "aria-labelledby": "keys-title" }, make("h2", { id: "keys-title" }, say("keys")),
    make("dl", {}, keys.map(([key, what]) => make("div", {}, make("dt", {}, key.split(" ").map((k) => make("kbd", {}, k))), make("dd", {}, say(what))))),
    make("form", { method: "dialog" }, make("button", { onclick: (event) => { event.preventDefault(); dialog.close(); } }, say("close"))));
  dialog.addEventListener("close", () => dialog.remove());
  document.getElementById("dialogs").replaceChildren(dialog);
  dialog.showModal();
}

// Out of the search, out of a row's text to the list, and from a row to the gallery that it was opened from.
function escape(target) {
  if (target.id === "search") { target.blur(); return change({ search: "" }, false); }
  if (target.closest("#detail")) return document.getElementById("list").focus();
  if (!fromGallery || state.view !== "list") return undefined;
  fromGallery = false;
  showAs("gallery");
  return focusCard();
}

function pageKeys(event) {
  if (!QUESTIONS || event.target.closest("dialog")) return;
  if (event.key === "Escape") return escape(event.target);
  if (event.target.closest("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  const toggle = (name) => change({ filter: state.filter === name ? "all" : name });
  const toggleView = () => { showAs(state.view === "list" ? "gallery" : "list"); focusRows(); };
  const actions = { j: () => step(1), k: () => step(-1), g: toggleView, "/": () => document.getElementById("search").focus(), "?": showKeys, w: () => toggle("wrong"), u: () => toggle("unparsed") };
  if (!(event.key in actions)) return;
  event.preventDefault();
  actions[event.key]();
  if (event.key !== "?") bringAnswersIntoView();
}

// The list of rows: a window that only draws what is in sight, and beside it the chosen row.
let drawn = new Map();
const HEIGHT = 68;

function drawList() {
  document.getElementById("rows").style.height = `${visibleRows.length * HEIGHT}px`;
  for (const node of drawn.values()) node.remove();
  drawn.clear();
  const at = visibleRows.indexOf(state.row), list = document.getElementById("list");
  if (at < 0) list.scrollTop = 0; else bringIntoView(at);
  drawWindow();
}

let waiting = false;
function scrolled() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; drawWindow(); });
}

function drawWindow() {
  if (state.view !== "list") return;
  const list = document.getElementById("list"), rows = document.getElementById("rows");
  const first = Math.max(0, Math.floor(list.scrollTop / HEIGHT) - 3), last = Math.min(visibleRows.length, Math.ceil((list.scrollTop + list.clientHeight) / HEIGHT) + 3);
  for (const [at, node] of drawn) if (at < first || at >= last) { node.remove(); drawn.delete(at); }
  for (let at = first; at < last; at += 1) {
    if (drawn.has(at)) continue;
    const node = rowNode(visibleRows[at], at);
    drawn.set(at, node);
    rows.append(node);
  }
  const chosen = document.querySelector("#rows [aria-selected=true]");
  if (chosen) list.setAttribute("aria-activedescendant", chosen.id); else list.removeAttribute("aria-activedescendant");
}

function rowNode(row, at) {
  const node = make("div", { class: "row", role: "option", id: `item-${at}`, "aria-selected": String(row === state.row), "aria-setsize": visibleRows.length, "aria-posinset": at + 1, onclick: () => choose(row, true) },
    row.p.length ? laterPicture(row.p[0]) : make("span", { class: "thumb" }),
    make("span", { class: "words" }, make("span", { class: "line" }, make("bdi", {}, plainText(whole(row.q).slice(0, 300)))), make("span", { class: "under" }, make("bdi", {}, row.id), row.c.length ? make("bdi", {}, ` · ${capped(inWords(categoryOf(row).name))}`) : null)),
    make("span", { class: "marks" }, row.a.map((answer, i) => make("span", {}, runName(i), mark(statusOf(row, i), answer && !answer.e ? (verdictOf(answer)[0] || "").slice(0, 12) : "")))));
  node.style.transform = `translateY(${at * HEIGHT}px)`;
  return node;
}

function bringIntoView(at) {
  const list = document.getElementById("list"), top = at * HEIGHT;
  if (top < list.scrollTop) list.scrollTop = top;
  else if (top + HEIGHT > list.scrollTop + list.clientHeight) list.scrollTop = top + HEIGHT - list.clientHeight;
}

function choose(row, asStep = false) {
  state.row = row;
  keepAddress(asStep);
  showChosen();
}
function showChosen() {
  if (state.view === "gallery") return markCard();
  const at = visibleRows.indexOf(state.row);
  for (const [place, node] of drawn) node.setAttribute("aria-selected", String(place === at));
  if (at >= 0) bringIntoView(at);
  drawWindow();
  drawDetail();
}

function step(by) {
  if (!visibleRows.length) return;
  const at = visibleRows.indexOf(state.row);
  choose(visibleRows[at < 0 ? 0 : Math.max(0, Math.min(visibleRows.length - 1, at + by))]);
  if (state.view === "gallery") focusCard();
}
const focusRows = () => (state.view === "gallery" ? focusCard() : document.getElementById("list").focus({ preventScroll: true }));

// What a figure rests on, for the mouse and for keys. Cells of quoted tables have it as parts, each in its language.
const tip = $("tip");
const hideTip = () => {
  tip.hidden = true;
};
const showTip = (cell) => {
  const told = cell?.matches?.("td.cell") ? [cell.getAttribute("aria-label")] : stories.get(cell)?.();
  if (!told) {
    hideTip();
    return;
  }
  tip.replaceChildren(...told);
  tip.hidden = false;
  const box = cell.getBoundingClientRect();
  const left = Math.min(Math.max(8, box.right - tip.offsetWidth), innerWidth - tip.offsetWidth - 8);
  const below = box.bottom + 6 + tip.offsetHeight < innerHeight;
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${below ? box.bottom + 6 : Math.max(8, box.top - tip.offsetHeight - 6)}px`;
};
const walk = (event) => {
  const cell = event.target.closest?.(".board tbody td[tabindex]");
  if (cell && event.key === "Enter" && event.target === cell) cell.querySelector("a")?.click();
  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  if (!cell || !(event.key in steps || ["Home", "End"].includes(event.key))) return;
  event.preventDefault();
  const seen = rows.filter(({ row }) => !row.hidden).map(({ row }) => row);
  const cells = (row) => [...row.cells].slice(2).filter((other) => !other.hidden);
  const here = cells(cell.parentNode);
  const [down, right] = steps[event.key] ?? [0, 0];
  const line = Math.min(Math.max(seen.indexOf(cell.parentNode) + down, 0), seen.length - 1);
  const edge = { Home: 0, End: here.length - 1 }[event.key];
  const column = Math.min(Math.max(edge ?? here.indexOf(cell) + right, 0), here.length - 1);
  const next = cells(seen[line])[column];
  reachable(next);
  next.focus();
  next.scrollIntoView({ block: "nearest", inline: "nearest" });
  showTip(next);
};

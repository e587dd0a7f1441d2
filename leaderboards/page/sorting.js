// The order of the measured table.
const places = (cell) => (cell[5].length ? cell[5][0] + (cell[5][1] > cell[5][0] ? "–" + cell[5][1] : "") : "–");

// The column that is marked.
let sorted = -1;
// Browsers also draw what is a screen or two away. After a click the rows in sight come first, the others a frame later.
const sortBy = (i) => {
  state.down = state.sort === i ? !state.down : i >= 0;
  state.sort = i;
  const seen = rows.filter(({ row }) => !row.hidden);
  const height = document.querySelector(".board tbody").offsetHeight / seen.length;
  const { scrollTop, clientHeight } = $("grid");
  arrange();
  rows
    .filter(({ row }) => !row.hidden)
    .forEach(({ row }, at) => row.classList.toggle("later", (at + 2) * height < scrollTop || at * height > scrollTop + clientHeight));
  requestAnimationFrame(() => setTimeout(() => rows.forEach(({ row }) => row.classList.remove("later"))));
};
const compare = (one, other) => {
  const name = one.entry[0] < other.entry[0] ? -1 : 1;
  if (state.sort < 0) return state.down ? -name : name;
  const [a, b] = [one.entry[3][state.sort], other.entry[3][state.sort]];
  if (!a || !b) return a ? -1 : b ? 1 : name;
  return (state.down ? b[0] - a[0] : a[0] - b[0]) || name;
};
const arrange = () => {
  const body = document.querySelector(".board tbody");
  if (!body) return;
  rows.sort(compare);
  let before = null;
  for (const { entry, row, cells } of rows) {
    const cell = state.sort < 0 ? null : entry[3][state.sort];
    const band = cell ? cell[4] : null;
    row.classList.toggle("cut", !row.hidden && before !== null && band !== before);
    if (!row.hidden) before = band;
    cells[1].textContent = cell ? places(cell) : "";
    if (sorted >= 0) cells[sorted + 2].classList.remove("sorted");
    if (state.sort >= 0) cells[state.sort + 2].classList.add("sorted");
  }
  sorted = state.sort;
  body.replaceChildren(...rows.map(({ row }) => row));
  heads.forEach((head, i) => {
    if (i - 1 === state.sort) head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  });
  reachable();
};
// One stop for the Tab key: the first cell to be seen. Arrows go on from there.
const reachable = (cell) => {
  for (const old of document.querySelectorAll('.board td[tabindex="0"]')) old.tabIndex = -1;
  const first = cell ?? document.querySelector(".board tbody tr:not([hidden]) td[tabindex]:not([hidden])");
  if (first) first.tabIndex = 0;
};

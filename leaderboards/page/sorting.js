// The order of the measured table.
const places = (cell) => (cell[5].length ? cell[5][0] + (cell[5][1] > cell[5][0] ? "–" + cell[5][1] : "") : "–");

// The column that is marked.
let sorted = -1;
// Which columns the filters leave. Where the chosen one is not among them the first that is there leads: places
// and lines between bands are those of a column that can be seen.
let left = data.columns.map(() => true);
const leading = () => (state.sort < 0 || left[state.sort] ? state.sort : left.indexOf(true));
const downwards = () => (leading() === state.sort ? state.down : leading() >= 0);
// Browsers also draw what is a screen or two away. After a click the rows in sight come first, the others a frame later.
const sortBy = (i) => {
  state.down = leading() === i ? !downwards() : i >= 0;
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
const comparing = (column, down) => (one, other) => {
  const name = one.entry[0] < other.entry[0] ? -1 : 1;
  if (column < 0) return down ? -name : name;
  const [a, b] = [one.entry[3][column], other.entry[3][column]];
  if (!a || !b) return a ? -1 : b ? 1 : name;
  return (down ? b[0] - a[0] : a[0] - b[0]) || name;
};
const arrange = () => {
  const body = document.querySelector(".board tbody");
  if (!body) return;
  const [column, down] = [leading(), downwards()];
  rows.sort(comparing(column, down));
  let before = null;
  for (const { entry, row, cells } of rows) {
    const cell = column < 0 ? null : entry[3][column];
    // A row without a band parts no two of one.
    const band = row.hidden || !cell ? null : cell[4];
    row.classList.toggle("cut", band !== null && before !== null && band !== before);
    before = band ?? before;
    cells[1].textContent = cell ? places(cell) : "";
    if (sorted >= 0) cells[sorted + 2].classList.remove("sorted");
    if (column >= 0) cells[column + 2].classList.add("sorted");
  }
  sorted = column;
  body.replaceChildren(...rows.map(({ row }) => row));
  heads.forEach((head, i) => {
    if (i - 1 === column) head.setAttribute("aria-sort", down ? "descending" : "ascending");
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

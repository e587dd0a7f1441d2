// The measured table: a row a model, a cell a figure, with its whisker and what it rests on.
const unit = (column) => (column.unit === "fraction" ? " %" : "");

// What a cell says when it is hovered or focused
const story = (entry, column, cell) => {
  const [value, low, high, n, band, ranks, leader, p, untested, way, report] = cell;
  const lines = [
    `${isolated(entry[0])} · ${isolated(column.key)}`,
    `${measured(column.measure)}: ${value.toFixed(1)}${unit(column)}`,
  ];
  if (low !== null) lines.push(say("tip_interval", { low: low.toFixed(1), high: high.toFixed(1) }));
  lines.push(say("tip_n", { n }), say("tip_rules", { rules: data.rules, style: column.style }));
  if (way !== null) lines.push(data.ways[way][state.language === "en" ? 0 : 1]);
  if (column.judge) lines.push(say("tip_judge", { judge: column.judge }));
  const [first, last] = ranks;
  if (untested) lines.push(say("tip_untested", { why: sentence(untested) }));
  else if (leader !== null) lines.push(say("tip_tied", { band, first, last, leader: isolated(leader), p }));
  else lines.push(say(first === last ? "tip_alone" : "tip_best", { band, first, last }));
  if (report) lines.push(say("tip_opens"));
  return lines.join("\n");
};

const scales = data.columns.map((_, i) => {
  const ends = data.entries.flatMap((entry) => {
    const cell = entry[3][i];
    return cell ? [cell[0], cell[1] ?? cell[0], cell[2] ?? cell[0]] : [];
  });
  const low = Math.min(...ends);
  return [low, Math.max(...ends) - low || 1];
});
// Two backgrounds of the cell, a dot over a line: an element each would make sorting slow.
const whisker = (node, cell, i) => {
  const at = (value) => 2 + ((value - scales[i][0]) / scales[i][1]) * 96;
  const [low, high] = cell[1] === null ? [at(cell[0]), at(cell[0])] : [at(cell[1]), at(cell[2])];
  const wide = high - low;
  // A background at p % has p % of what it leaves free to its left; the dot is two pixels wide.
  const left = (low / (100 - wide)) * 100;
  const dot = at(cell[0]);
  node.style.cssText =
    `background-size:2px 0.5625rem,${wide.toFixed(1)}% 2px;` +
    `background-position-x:calc(${dot.toFixed(1)}% + ${(dot / 50 - 1).toFixed(2)}px),${left.toFixed(1)}%`;
};

let rows = [];
let heads = [];
const startsGroup = (i) => i === 0 || data.columns[i].group !== data.columns[i - 1].group;

const cellOf = (entry, column, i) => {
  const cell = entry[3][i];
  const node = make("td", cell ? "cell" : "empty");
  node.tabIndex = -1;
  if (startsGroup(i)) node.classList.add("first");
  if (!cell) {
    node.textContent = "–";
    node.setAttribute("aria-label", say("no_figure"));
    return node;
  }
  if (cell[4] === 1) node.classList.add("top");
  if (cell[4] !== null) node.dataset.band = cell[4];
  if (cell[1] !== null) node.dataset.ends = `${cell[1].toFixed(1)}–${cell[2].toFixed(1)}`;
  if (cell[10]) {
    const link = make("a", "", cell[0].toFixed(1));
    link.href = cell[10];
    link.tabIndex = -1;
    node.append(link);
  } else node.textContent = cell[0].toFixed(1);
  whisker(node, cell, i);
  node.setAttribute("aria-label", story(entry, column, cell));
  return node;
};
const headOf = () => {
  const head = make("thead");
  const groups = make("tr");
  const titles = make("tr");
  const corner = make("th", "name");
  corner.scope = "col";
  corner.append(sortButton(say("model"), () => sortBy(-1)));
  const place = make("th", "place", say("places"));
  place.scope = "col";
  groups.append(make("td"), make("td"));
  groups.firstChild.className = "name corner";
  titles.append(corner, place);
  heads = [corner];
  data.columns.forEach((column, i) => {
    if (startsGroup(i)) {
      const group = make("th", "group");
      group.scope = "colgroup";
      group.title = column.group;
      group.append(breakable(make("span"), column.group));
      groups.append(group);
    }
    const title = make("th", startsGroup(i) ? "number first" : "number");
    title.scope = "col";
    const button = sortButton("", () => sortBy(i));
    button.setAttribute("aria-label", say("sort", { column: column.key }));
    button.title = column.key;
    button.append(breakable(make("span"), column.title));
    title.append(button);
    titles.append(title);
    heads.push(title);
  });
  head.append(groups, titles);
  return head;
};
const drawBoard = () => {
  const host = $("grid");
  if (!data.entries.length) {
    host.replaceChildren(make("p", "lead", say("none")));
    return;
  }
  const table = make("table", "board");
  table.setAttribute("role", "grid");
  table.setAttribute("aria-labelledby", "measured-title");
  const body = make("tbody");
  sorted = -1;
  rows = data.entries.map((entry) => {
    const row = make("tr");
    const name = make("th", "name");
    name.scope = "row";
    const about = make("small");
    if (entry[1] !== entry[0]) about.append(make("bdi", "", entry[1]));
    if (entry[2] !== null) about.append(about.firstChild ? " · " : "", `${entry[2]} B`);
    name.append(make("bdi", "", entry[0]), about);
    row.append(name, make("td", "place"), ...data.columns.map((column, i) => cellOf(entry, column, i)));
    return { entry, row, cells: [...row.cells] };
  });
  table.append(headOf(), body);
  host.replaceChildren(table);
  arrange();
  // The style sheet lays rows out as grids, which takes from them what browsers tell screen readers of tables.
  const roles = { thead: "rowgroup", tbody: "rowgroup", tr: "row", "tbody th": "rowheader", td: "gridcell" };
  for (const [kind, role] of Object.entries(roles))
    for (const node of table.querySelectorAll(kind)) node.setAttribute("role", role);
  for (const node of table.querySelectorAll("thead th")) node.setAttribute("role", "columnheader");
};

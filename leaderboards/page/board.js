"use strict";
// Everything that came from models is put in as text (textContent, setAttribute), never as markup.
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const words = read("words");
  const data = read("data");
  const $ = (id) => document.getElementById(id);
  const state = { language: "en", theme: "auto", sort: data.columns.length ? 0 : -1, down: true };
  const themes = ["auto", "dark", "light"];

  const say = (key, values = {}) =>
    words[state.language][key].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
  const make = (tag, name, text) => {
    const node = document.createElement(tag);
    if (name) node.className = name;
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const unit = (column) => (column.unit === "fraction" ? " %" : "");
  const places = (cell) => (cell[5].length ? cell[5][0] + (cell[5][1] > cell[5][0] ? "–" + cell[5][1] : "") : "–");

  // --- what a cell says when it is hovered or focused
  const story = (entry, column, cell) => {
    const [value, low, high, n, band, ranks, leader, p, untested] = cell;
    const lines = [`${entry[0]} · ${column.key}`, `${column.measure}: ${value.toFixed(1)}${unit(column)}`];
    if (low !== null) lines.push(say("tip_interval", { low: low.toFixed(1), high: high.toFixed(1) }));
    lines.push(say("tip_n", { n }), say("tip_rules", { rules: data.rules, style: column.style }));
    if (column.judge) lines.push(say("tip_judge", { judge: column.judge }));
    const [first, last] = ranks;
    if (untested) lines.push(say("tip_untested", { why: untested }));
    else if (leader !== null) lines.push(say("tip_tied", { band, first, last, leader, p }));
    else lines.push(say(first === last ? "tip_alone" : "tip_best", { band, first, last }));
    return lines.join("\n");
  };

  // --- the measured table
  const scales = data.columns.map((_, i) => {
    const ends = data.entries.flatMap((entry) => {
      const cell = entry[3][i];
      return cell ? [cell[0], cell[1] ?? cell[0], cell[2] ?? cell[0]] : [];
    });
    const low = Math.min(...ends);
    return [low, Math.max(...ends) - low || 1];
  });
  // Drawn by the style sheet from three numbers: an element each would make sorting slow.
  const whisker = (node, cell, i) => {
    const at = (value) => `${(2 + ((value - scales[i][0]) / scales[i][1]) * 96).toFixed(1)}%`;
    const [low, high] = cell[1] === null ? [cell[0], cell[0]] : [cell[1], cell[2]];
    node.style.cssText = `--low:${at(low)};--high:${at(high)};--at:${at(cell[0])}`;
  };
  let rows = [];
  let heads = [];
  const startsGroup = (i) => i === 0 || data.columns[i].group !== data.columns[i - 1].group;
  const sortButton = (label, act) => {
    const button = make("button", "", label);
    button.type = "button";
    button.setAttribute("aria-label", say("sort", { column: label }));
    button.addEventListener("click", act);
    return button;
  };
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
    node.textContent = cell[0].toFixed(1);
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
        const group = make("th", "group", column.group);
        group.scope = "colgroup";
        groups.append(group);
      }
      const title = make("th", startsGroup(i) ? "number first" : "number");
      title.scope = "col";
      title.append(sortButton(column.title, () => sortBy(i)));
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
    rows = data.entries.map((entry) => {
      const row = make("tr");
      const name = make("th", "name", entry[0]);
      name.scope = "row";
      const about = [entry[1] === entry[0] ? null : entry[1], entry[2] === null ? null : `${entry[2]} B`];
      name.append(make("small", "", about.filter(Boolean).join(" · ")));
      row.append(name, make("td", "place"), ...data.columns.map((column, i) => cellOf(entry, column, i)));
      return { entry, row };
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
  const sortBy = (i) => {
    state.down = state.sort === i ? !state.down : i >= 0;
    state.sort = i;
    arrange();
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
    for (const { entry, row } of rows) {
      const cell = state.sort < 0 ? null : entry[3][state.sort];
      const band = cell ? cell[4] : null;
      row.classList.toggle("cut", !row.hidden && before !== null && band !== before);
      if (!row.hidden) before = band;
      row.cells[1].textContent = cell ? places(cell) : "";
      for (const marked of row.querySelectorAll(".sorted")) marked.classList.remove("sorted");
      if (state.sort >= 0) row.cells[state.sort + 2].classList.add("sorted");
    }
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

  // --- the other tables
  const plainTable = (titles, lines, label, texts = 1) => {
    const table = make("table");
    table.setAttribute("aria-label", label);
    const head = make("tr");
    const body = make("tbody");
    const key = (row, i) => (row.cells[i].dataset.value ?? row.cells[i].textContent);
    titles.forEach((title, i) => {
      const cell = make("th", i >= texts ? "number" : "");
      cell.scope = "col";
      cell.append(
        sortButton(title, () => {
          const down = cell.getAttribute("aria-sort") !== "descending";
          for (const other of head.cells) other.removeAttribute("aria-sort");
          cell.setAttribute("aria-sort", down ? "descending" : "ascending");
          const sorted = [...body.rows].sort((a, b) => {
            const [x, y] = [parseFloat(key(a, i)), parseFloat(key(b, i))];
            const both = Number.isFinite(x) && Number.isFinite(y);
            if (!both && i >= texts) return Number.isFinite(x) ? -1 : 1;
            const order = both ? x - y : key(a, i) < key(b, i) ? -1 : 1;
            return down ? -order : order;
          });
          body.replaceChildren(...sorted);
        }),
      );
      head.append(cell);
    });
    for (const line of lines) {
      const row = make("tr");
      row.append(...line);
      body.append(row);
    }
    const top = make("thead");
    top.append(head);
    table.append(top, body);
    return table;
  };
  const drawApart = () => {
    $("apart").hidden = !data.apart.length;
    const titles = ["model", "benchmark", "why", "folder", "score", "interval", "questions"].map((key) => say(key));
    const lines = data.apart.map(([model, benchmark, figure, why, detail, folder]) => {
      const reason = say(why === "rules" ? "rules_missing" : why) + (detail ? ` (${detail})` : "");
      const [value, low, high, n] = figure ?? [null, null, null, null];
      return [
        make("td", "long", model),
        make("td", "long", benchmark),
        make("td", "long why", reason),
        make("td", "long", folder),
        make("td", "number", value === null ? "–" : value.toFixed(1)),
        make("td", "number", low === null ? "–" : `${low.toFixed(1)}–${high.toFixed(1)}`),
        make("td", "number", n === null ? "–" : n),
      ];
    });
    $("apart").querySelector(".scroll").replaceChildren(plainTable(titles, lines, say("apart"), 4));
  };
  const drawRefused = () => {
    $("refused").hidden = !data.refused.length;
    const lines = data.refused.map(([folder, reason]) => [make("td", "long", folder), make("td", "long why", reason)]);
    const table = plainTable([say("folder"), say("why")], lines, say("refused"), 2);
    $("refused").querySelector(".scroll").replaceChildren(table);
  };
  const quote = (table) => {
    const block = make("div", "quote");
    const cite = make("p", "cite");
    const link = make("a", "", say("source"));
    link.href = table.source;
    link.rel = "noreferrer";
    link.setAttribute("aria-label", `${say("source")}: ${table.title}`);
    cite.append(link, ` · ${table.date} · ${say("rules")}: ${table.rules}`);
    const notes = [];
    const lines = table.rows.map(([model, family, billions, figures, doubts]) => {
      const name = make("td", "", model);
      name.dataset.family = family;
      name.dataset.billions = billions ?? "";
      const cells = figures.map((figure, i) => {
        const doubt = doubts[i];
        const cell = make("td", "number", `${figure ?? "–"}${doubt ? " †" : ""}`);
        if (doubt) notes.push(`${model}, ${table.benchmarks[i].replaceAll("_", " ")}: ${figure} † ${doubt}`);
        return cell;
      });
      return [name, ...cells];
    });
    const titles = [say("model"), ...table.benchmarks.map((name) => name.replaceAll("_", " "))];
    const scroll = make("div", "scroll");
    const drawn = plainTable(titles, lines, table.title);
    drawn.dataset.languages = JSON.stringify(table.languages);
    scroll.append(drawn);
    block.append(make("h3", "", table.title), cite, scroll);
    if (notes.length) {
      const list = make("ul", "notes");
      list.append(...notes.map((note) => make("li", "", note)));
      const said = make("details", "cite");
      said.append(make("summary", "", `† ${say("disagree")} ${notes.length}`), list);
      block.append(said);
    }
    return block;
  };
  const drawQuoted = () => {
    const section = $("quoted");
    section.hidden = !data.quoted.length;
    for (const old of section.querySelectorAll(".quote")) old.remove();
    section.append(...data.quoted.map(quote));
  };

  // --- filters
  const sizeOf = (billions) => (billions === null ? "unknown" : billions <= 3 ? "small" : billions <= 10 ? "medium" : "large");
  const fill = (id, choices) => {
    const chosen = $(id).value;
    const options = choices.map(([value, text]) => {
      const option = make("option", "", text);
      option.value = value;
      return option;
    });
    $(id).replaceChildren(...options);
    $(id).value = choices.some(([value]) => value === chosen) ? chosen : "";
  };
  const everyModel = [...data.entries, ...data.quoted.flatMap((table) => table.rows)];
  const fillFilters = () => {
    const families = [...new Set(everyModel.map((row) => row[1]))].sort();
    const sizes = ["small", "medium", "large", "unknown"].filter((size) => everyModel.some((r) => sizeOf(r[2]) === size));
    fill("family", [["", say("all")], ...families.map((name) => [name, name])]);
    fill("size", [["", say("all")], ...sizes.map((size) => [size, say(size)])]);
    fill("spoken", [["", say("all")], ["en", say("en")], ["zh", say("zh")]]);
  };
  const wanted = (name, family, billions) =>
    name.toLowerCase().includes($("text").value.trim().toLowerCase()) &&
    ["", family].includes($("family").value) &&
    ["", sizeOf(billions)].includes($("size").value);
  const speaks = (languages) => $("spoken").value === "" || languages.includes($("spoken").value);
  const filterBoard = () => {
    let shown = 0;
    for (const { entry, row } of rows) {
      row.hidden = !wanted(entry[0], entry[1], entry[2]);
      shown += row.hidden ? 0 : 1;
    }
    const seen = data.columns.map((column) => speaks(column.languages));
    const board = document.querySelector(".board");
    if (board) {
      const lines = [board.tHead.rows[1], ...rows.map(({ row }) => row)];
      for (const line of lines) seen.forEach((is, i) => (line.cells[i + 2].hidden = !is));
      board.style.setProperty("--columns", seen.filter(Boolean).length);
      let group = -1;
      const spans = [];
      data.columns.forEach((_, i) => {
        if (startsGroup(i)) spans[++group] = 0;
        spans[group] += seen[i] ? 1 : 0;
      });
      spans.forEach((span, i) => {
        const head = board.tHead.rows[0].cells[i + 2];
        head.hidden = !span;
        head.colSpan = span || 1;
        head.style.setProperty("--span", span || 1);
      });
    }
    $("left").textContent = say("left", { shown, all: rows.length });
    arrange();
  };
  const filterQuoted = () => {
    for (const table of document.querySelectorAll(".quote table")) {
      const seen = [true, ...JSON.parse(table.dataset.languages).map(speaks)];
      let any = false;
      for (const row of table.tBodies[0].rows) {
        const { family, billions } = row.cells[0].dataset;
        row.hidden = !wanted(row.cells[0].textContent, family, billions === "" ? null : Number(billions));
        any ||= !row.hidden;
      }
      for (const row of table.rows) seen.forEach((is, i) => (row.cells[i].hidden = !is));
      table.closest(".quote").hidden = !any || !seen.slice(1).some(Boolean);
    }
  };
  const filter = () => {
    filterBoard();
    filterQuoted();
  };

  // --- the tip
  const tip = $("tip");
  const hideTip = () => {
    tip.hidden = true;
  };
  const showTip = (cell) => {
    if (!cell?.matches?.("td.cell")) {
      hideTip();
      return;
    }
    tip.textContent = cell.getAttribute("aria-label");
    tip.hidden = false;
    const box = cell.getBoundingClientRect();
    const left = Math.min(Math.max(8, box.right - tip.offsetWidth), innerWidth - tip.offsetWidth - 8);
    const below = box.bottom + 6 + tip.offsetHeight < innerHeight;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${below ? box.bottom + 6 : Math.max(8, box.top - tip.offsetHeight - 6)}px`;
  };
  const walk = (event) => {
    const cell = event.target.closest?.(".board tbody td[tabindex]");
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

  // --- language and theme
  const keep = (name, value) => {
    try {
      localStorage.setItem(`vlmbench-${name}`, value);
    } catch {
      // A page opened from disk may have no storage.
    }
  };
  const kept = (name) => {
    try {
      return localStorage.getItem(`vlmbench-${name}`);
    } catch {
      return null;
    }
  };
  const setTheme = (theme) => {
    state.theme = theme;
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    $("theme").textContent = say(`theme_${theme}`);
  };
  const speak = (language) => {
    state.language = language;
    document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
    document.title = `${say("title")} · vlmbench`;
    for (const node of document.querySelectorAll("[data-word]")) node.textContent = say(node.dataset.word);
    $("language").textContent = say("language_button");
    $("language").lang = language === "zh" ? "en" : "zh-CN";
    $("counts").textContent = say("counts", {
      models: data.entries.length,
      columns: data.columns.length,
      rules: data.rules,
    });
    $("column-notes").replaceChildren(
      ...data.columns.flatMap((column) => column.notes.map((note) => make("li", "", `${column.key}: ${note}`))),
    );
    setTheme(state.theme);
    fillFilters();
    drawBoard();
    drawApart();
    drawRefused();
    drawQuoted();
    filter();
  };
  $("language").addEventListener("click", () => {
    speak(state.language === "en" ? "zh" : "en");
    keep("language", state.language);
  });
  $("theme").addEventListener("click", () => {
    setTheme(themes[(themes.indexOf(state.theme) + 1) % themes.length]);
    keep("theme", state.theme);
  });
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("filters").addEventListener("input", filter);
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) {
      event.preventDefault();
      $("text").focus();
    }
    if (event.key === "Escape") hideTip();
    walk(event);
  });
  const grid = $("grid");
  grid.addEventListener("mouseover", (event) => showTip(event.target.closest("td")));
  grid.addEventListener("mouseleave", hideTip);
  grid.addEventListener("focusin", (event) => showTip(event.target));
  grid.addEventListener("focusout", hideTip);
  grid.addEventListener("scroll", hideTip);
  addEventListener("scroll", hideTip, { passive: true });
  // Paper cannot be clicked: what is folded is opened for it.
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((node) => (node.open = true)));
  if (themes.includes(kept("theme"))) state.theme = kept("theme");
  speak(kept("language") ?? (navigator.language.startsWith("zh") ? "zh" : "en"));
})();

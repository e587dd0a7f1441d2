// Everything above the list: the headline, and what the run amounts to.
function masthead() {
  const runs = FIGURES.runs;
  const rules = FIGURES.rule_sets && make("label", {}, make("span", {}, say("rules")), make("select", {
    id: "rules", onchange: (event) => { state.rules = event.target.value; redraw(); keepAddress(true); },
  }, FIGURES.rule_sets.map((name) => make("option", { value: name, selected: name === state.rules }, name))));
  const theme = make("label", {}, make("span", {}, say("theme")), make("select", {
    id: "theme", onchange: (event) => { setTheme(event.target.value); kept.theme = true; redraw(); keepAddress(); },
  }, ["auto", "light", "dark"].map((name) => make("option", { value: name, selected: name === state.theme }, say(name)))));
  const language = make("button", { id: "language", type: "button", lang: state.language ? "en" : "zh", onclick: () => {
    state.language = 1 - state.language; kept.language = true; keep(); redraw(); keepAddress();
  } }, say("language"));
  const title = FIGURES.kind === "training" ? runs.map((run) => run.folder).join(" · ") : FIGURES.benchmark;
  fill(document.getElementById("masthead"),
    FIGURES.kind === "runs" ? make("a", { class: "skip", href: "#answers" }, say("skip")) : null,
    make("div", { class: "top" },
      make("div", { class: "names" }, make("p", { class: "kind" }, kindOf()), make("h1", {}, make("bdi", {}, plainText(title))),
        FIGURES.measures ? make("p", { class: "measures" }, plainText(FIGURES.measures[state.language])) : null),
      make("div", { class: "controls" }, rules, theme, language)));
}

function drawFigures() {
  const runs = FIGURES.runs, under = runs.map((run) => run.by_rules[state.rules]);
  fill(document.getElementById("figures"),
    make("div", { class: `headlines of-${runs.length}` }, runs.map((run, i) => headline(run, under[i], i)), difference()),
    make("div", { class: `cards of-${runs.length}${anyKept() ? "" : " alone"}` },
      categories(under),
      anyKept() ? make("div", { class: "column" }, bias(under), problemCard("unreadTitle", "unparsed"), problemCard("errorTitle", "error")) : null,
      anyKept() ? make("div", { class: "column" }, confusion(under), latencyCard(runs)) : null,
      aboutRuns(runs)));
  paintDrawings();
}
// Of a run kept without its answers nothing is shown that only they could tell.
const anyKept = () => FIGURES.runs.some((run) => run.kept), allKept = () => FIGURES.runs.every((run) => run.kept);

function headline(run, under, i) {
  const figure = under.headline, runs = FIGURES.runs.length, flags = [];
  if (!run.complete && !run.withheld && !run.needs_judge) flags.push("incomplete");
  if (!run.kept) flags.push("notKept");
  for (const [key, word] of [["partial", "partial"], ["blind", "blind"], ["withheld", "withheld"], ["needs_judge", "needsJudge"]]) {
    if (run[key]) flags.push(word);
  }
  const most = figure.unit === "fraction" ? 1 : Math.max(figure.value || 0, figure.ci95 ? figure.ci95[1] : 0, 1);
  const name = measureName(figure.name), mine = { run: runs > 1 ? "AB"[i] : null };
  const flag = (word) => (word === "incomplete" && run.kept ? opens({ ...mine, filter: "error" }, say(word)) : say(word));
  return make("section", { class: `headline run-${i}`, "aria-label": `${name}, ${run.model}` },
    make("p", { class: "model" }, runName(i), make("bdi", {}, plainText(run.model))),
    make("p", { class: "value" }, opens({}, amount(figure.value, figure.unit))),
    make("div", { class: "reading" }, intervalBar(figure, most, i),
      make("p", {}, make("b", {}, between(figure)), ` ${say("interval")}`),
      make("p", {}, make("bdi", {}, name), ` · ${FIGURES.circular ? `${count(figure.n)} ${say("question")}` : `n = ${count(figure.n)}`} · `, opens({}, `${count(run.rows.answered)} ${say("of")} ${count(run.rows.asked)} ${say("row")}`),
        run.draws > 1 ? ` · ${count(run.draws)} ${say("drawsEach")}` : null,
        under.unscored && !run.withheld && !run.needs_judge ? make("b", {}, ` · ${count(under.unscored)} ${say("unscored")}`) : null),
      under.spread ? make("p", { class: "quiet" }, `${say("deviation")} ${points(under.spread.within)} ${say("within")}${say("comma")}${points(under.spread.between)} ${say("among")}`) : null,
      make("p", { class: "more" }, opens({ view: "gallery", filter: "wrong", sort: "worst", ...mine }, say("failures"))),
      flags.length ? make("p", { class: "flags" }, flags.map((word) => make("span", {}, flag(word)))) : null));
}

const points = (x) => (x * 100).toFixed(1);
function pointsOf(fraction, x) {
  return (fraction ? x * 100 : x).toFixed(fraction ? 1 : 2).replace(/^(?=\d)/, "+").replace("-", "−").replace(/^[+−](?=[0.]+$)/, "");
}
const chanceOf = (p) => `p ${p < 0.001 ? "< 0.001" : `= ${p.toFixed(3)}`}`;

const pointsName = (fraction) => say(fraction ? "percentPoints" : "points");
const unitsOf = (n, unit, clusters) => `${count(n)} ${say(unit)}${clusters === n ? "" : ` ${say("inClusters")} ${count(clusters)} ${say("clusters")}`}`;
const quantityOf = (found) => (found.quantity === null ? say("rowMean") : measureName(found.quantity));

// The paired test under the chosen rule set: what the difference is of, over what, and what was left out.
function difference() {
  const found = FIGURES.difference && FIGURES.difference[state.rules];
  if (!found) return null;
  if (found.reason) return make("p", { class: "verdict" }, `${say("notTested")}: `, make("bdi", { lang: "en" }, found.reason));
  const tested = ({ value, ci95, p, test }, fraction, of) => `${pointsOf(fraction, value)} ${pointsName(fraction)}${of}${ci95 ? ` (95 %: ${pointsOf(fraction, ci95[0])} … ${pointsOf(fraction, ci95[1])})` : ""}${p === null ? "" : `, ${chanceOf(p)}, ${(TESTS[test] || [test, test])[state.language]}`}`;
  const { smallest, by_row: rows, notes } = found, quiet = (...said) => make("p", { class: "quiet" }, ...said);
  return make("div", { class: "verdict" },
    make("p", {}, make("b", {}, say(found.verdict)), `: ${tested(found, found.fraction, scopeOf(quantityOf(found), unitsOf(found.units, found.unit, found.n)))}`,
      make("span", { class: "ways" }, ["gained", "lost"].map((name) => opens({ filter: name }, say(name))))),
    rows ? quiet(`${say("byRow")}: ${tested(rows, found.unit_fraction, scopeOf("", unitsOf(rows.units, "row", rows.n)))}`) : null,
    quiet(smallest === null ? say("smallestNone") : `${say("smallest")}: ${pointsOf(found.fraction, smallest).replace("+", "")} ${pointsName(found.fraction)}`),
    notes.length ? make("ul", { class: "quiet notes" }, notes.map(([english, chinese]) => make("li", { lang: state.language && english === chinese ? "en" : null }, make("bdi", {}, plainText(state.language ? chinese : english))))) : null);
}

// What two runs are apart in a category, and the chance of that among all categories of the level.
function apart(figure, other) {
  const found = FIGURES.difference && FIGURES.difference[state.rules];
  const rows = found && figure.level === "row" && found.by_row, known = found && (found.categories || []).find(([level, name]) => level === figure.level && name === figure.name);
  if (!known && !rows) return make("td", { class: "number apart", rowspan: 2 }, plainlyApart(found, figure, other));
  const [, , value, p] = known || [null, null, rows.value, rows.p];
  return make("td", { class: `number apart${p !== null && p < 0.05 ? " sure" : ""}`, rowspan: 2 }, opens({ filter: "flipped", category: `${figure.level}:${figure.name}` }, pointsOf(found.unit_fraction, value)), make("small", {}, p === null ? "p –" : chanceOf(p)));
}

// Of two figures that no test puts side by side: how far apart they are, if both are of the same rows.
function plainlyApart(found, figure, other) {
  const known = found && !found.reason && other && other.unit === figure.unit && figure.value !== null && other.value !== null;
  if (!known || figure.level === "check") return "–";
  if (found.left_out) return ["–", make("small", {}, say("otherRows"))];
  return [pointsOf(figure.unit === "fraction", other.value - figure.value), make("small", {}, say("untested"))];
}

function categories(under) {
  const levels = new Map(), two = under.length > 1;
  for (const figure of under[0].metrics.slice(1)) {
    const key = JSON.stringify([figure.level, figure.level === "overall" ? null : figure.split]);
    levels.set(key, [...(levels.get(key) || []), figure]);
  }
  if (!levels.size) return card(say("categories"), { class: "card wide" }, make("p", { class: "quiet" }, say("noCategories")));
  const same = (a, b) => a.name === b.name && a.level === b.level && a.split === b.split;
  const body = [...levels].map(([key, figures]) => {
    const most = Math.max(...figures.map((f) => (f.unit === "fraction" ? 1 : Math.max(f.value || 0, f.ci95 ? f.ci95[1] : 0, 1))));
    const [name, split] = JSON.parse(key), title = levelName(name) + (split ? ` · ${split}` : "");
    return make("tbody", {}, make("tr", { class: "level" }, make("th", { colspan: two ? 6 : 4, scope: "rowgroup" }, nameOf(title))),
      figures.map((figure) => {
        const sides = under.map((side, i) => (i ? side.metrics.find((other) => same(other, figure)) : figure));
        return sides.map((mine, i) => categoryLine(figure, mine, i, most, sides[1]));
      }));
  });
  return card(say("categories"), { class: "card wide", id: "categories" }, two ? make("p", { class: "quiet" }, ...holmLine()) : null, make("table", { class: `categories of-${under.length}` },
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, say("category")), two ? make("th", { scope: "col", class: "badge" }, make("span", { class: "unseen" }, say("run"))) : null,
      make("th", { scope: "col", class: "graph" }, make("span", { class: "unseen" }, say("interval"))), make("th", { scope: "col", class: "number scores" }, say("score")), make("th", { scope: "col", class: "number n" }, say("n")),
      two ? make("th", { scope: "col", class: "number apart" }, "B − A") : null)), body));
}

const holmLine = () => {
  const found = FIGURES.difference && FIGURES.difference[state.rules];
  return found && !found.reason ? [say("holm"), state.language ? "" : " ", pointsName(found.unit_fraction), say("holmWhy")] : [];
};

function categoryLine(figure, mine, i, most, other) {
  const two = FIGURES.runs.length > 1, behind = { category: `${figure.level}:${figure.name}` };
  const shown = mine ? [make("td", { class: "graph" }, opensToo(behind, intervalBar(mine, most, i))), make("td", { class: "number" }, opens(behind, amount(mine.value, mine.unit)), make("small", {}, between(mine))),
    make("td", { class: "number quiet n" }, count(mine.n))] : make("td", { colspan: 3, class: "quiet" }, "–");
  return make("tr", { class: i ? "second" : null }, i ? null : make("th", { scope: "row", rowspan: two ? 2 : null }, nameOf(NAMED.includes(figure.level) ? inWords(figure.name) : measureName(figure.name))),
    two ? make("td", { class: "badge" }, runName(i)) : null, shown, two && !i ? apart(figure, other) : null);
}

const sum = (values) => values.reduce((a, b) => a + b, 0);

function bias(under) {
  if (!allKept()) return null;
  const known = under.map((side) => side.answers), two = under.length > 1;
  if (known.some((side) => !side)) return card(say("bias"), { id: "bias" }, make("p", { class: "quiet" }, say("freeText")));
  const total = known.map((side) => sum(side.table.map(sum)) || 1);
  const truth = known[0].table.map((row) => sum(row) / total[0]);
  const said = known.map((side, i) => side.table[0].map((_, column) => sum(side.table.map((row) => row[column])) / total[i]));
  const most = Math.max(...truth, ...said.flat(), 0.01) * 1.05;
  const labels = [...known[0].labels, say("other"), say("noneFound")];
  const behind = (column, i) => ({ run: two ? "AB"[i] : null, answer: meant(labels.length - 2, column, labels) });
  const rows = labels.map((label, column) => {
    if (column >= truth.length && said.every((side) => !side[column])) return null;
    return make("tr", {}, make("th", { scope: "row" }, nameOf(label)), make("td", { class: "graph" }, said.map((side, i) => {
      const track = intervalBar({ value: side[column], ci95: null }, most, i);
      if (column < truth.length) track.append(placed(make("i", { class: "truth" }), { left: `${(100 * truth[column]) / most}%` }));
      return opensToo(behind(column, i), track);
    })), make("td", { class: "number" }, said.map((side, i) => make("div", {}, side[column] ? opens(behind(column, i), percent(side[column])) : percent(0)))),
    make("td", { class: "number quiet" }, column < truth.length ? opens({ run: two ? "A" : null, truth: label }, percent(truth[column])) : "–"));
  });
  return card(say("bias"), { id: "bias" }, make("p", { class: "quiet" }, say("biasWhy")), make("table", { class: "bias" },
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, say("option")), make("th", {}, make("span", { class: "unseen" }, say("bias"))),
      make("th", { scope: "col", class: "number" }, say("answered")), make("th", { scope: "col", class: "number" }, say("share")))), make("tbody", {}, rows)));
}

// How a column of the tables of letters is called in an address.
const meant = (known, column, labels) => (column < known ? labels[column] : column === known ? OTHER : NONE);

function confusion(under) {
  if (under.some((side) => !side.answers)) return null;
  const tables = under.map(({ answers: { labels, table } }, i) => {
    const spare = [labels.length, labels.length + 1].filter((c) => table.some((row) => row[c]));
    const columns = [...labels.keys(), ...spare], names = [...labels, say("other"), NONE];
    const cell = (r, c) => {
      const n = table[r][c], share = n / (sum(table[r]) || 1);
      const behind = { run: under.length > 1 ? "AB"[i] : null, truth: labels[r], answer: meant(labels.length, c, labels) };
      return placed(make("td", { class: c === r ? "hit" : null, title: percent(share) }, n ? opens(behind, count(n)) : "·"), { "--share": share.toFixed(3) });
    };
    return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `${say("confusion")} ${"AB"[i]}` }, make("table", { class: `matrix run-${i}` },
      make("thead", {}, make("tr", {}, make("td", {}, runName(i)), columns.map((c) => make("th", { scope: "col", title: c === labels.length + 1 ? say("noAnswer") : null }, nameOf(names[c]))))),
      make("tbody", {}, labels.map((label, r) => make("tr", {}, make("th", { scope: "row" }, nameOf(label)), columns.map((c) => cell(r, c)))))));
  });
  return card(say("confusion"), { id: "confusion" }, make("p", { class: "quiet" }, say("confusionWhy")), tables);
}

function latencyCard(runs) {
  const body = runs.map((run, i) => {
    const found = run.latency;
    if (!found) return make("p", { class: "quiet" }, runName(i), " ", say(run.kept ? "notMeasured" : "notKept"));
    const most = Math.max(...found.bins.map((bin) => bin[2]));
    const bars = (wide) => found.bins.map(([, , n], k) => n ? draw("rect", { x: k * wide + 1, width: Math.max(1, wide - 2), y: 72 - Math.max(2, (68 * n) / most), height: Math.max(2, (68 * n) / most), rx: 1.5 }) : null);
    const ends = [found.bins[0][0], Math.sqrt(found.bins[0][0] * found.bins.at(-1)[1]), found.bins.at(-1)[1]];
    const slower = (name) => [say(name), " ", make("b", {}, opens({ run: runs.length > 1 ? "AB"[i] : null, seconds: found[name] }, duration(found[name])))];
    return [make("p", { class: "quiet" }, runName(i), " ", slower("median"), " · ", slower("p95"), " · ", slower("most")),
      drawing(90, { class: `histogram run-${i}`, "aria-label": `${say("latency")}: ${say("median")} ${duration(found.median)}, ${say("p95")} ${duration(found.p95)}` }, (W) => [
        bars(W / found.bins.length), draw("line", { x1: 0, x2: W, y1: 72.5, y2: 72.5 }), ends.map((x, k) => draw("text", { x: (k * W) / 2, y: 87, "text-anchor": ["start", "middle", "end"][k] }, duration(x)))]),
      make("p", { class: "quiet" }, found.tokens === null ? "" : `${say("newTokens")}: ${short(found.tokens)}`, found.tokens !== null && run.rate ? " · " : "", run.rate ? `${say("rate")}: ${short(run.rate)}` : "")];
  });
  return card(say("latency"), { id: "latency" }, body);
}

function problemCard(title, filter) {
  return card(say(title), { id: `${filter}-card` }, make("div", { id: `${filter}-list`, class: "problems" }, make("p", { class: "quiet" }, say("wait"))));
}

function aboutRuns(runs) {
  return card(say("about"), { class: "card wide", id: "about" }, make("div", { class: "facts" }, runs.map((run, i) => make("dl", {}, run.facts.map(([key, ...values]) =>
    make("div", {}, make("dt", {}, runs.length > 1 && key === "model" ? [runName(i), " "] : null, (FACTS[key] || [key, key])[state.language]), make("dd", {}, make("bdi", {}, plainText(values[state.language])))))))));
}


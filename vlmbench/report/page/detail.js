// One row, whole: picture, question, prompt, what was said, how each rule set read it, and its group.
const MARKS = { right: "✓", wrong: "✗", partly: "◐", unparsed: "∅", error: "!", unscored: "–" };

const numberOf = (answer) => answer.v[FIGURES.all_rules.indexOf(state.rules)];
// The committed scores of a run may be those of one rule set alone.
const hasVerdict = (answer) => Boolean(answer) && numberOf(answer) !== null;
const verdictOf = (answer) => (hasVerdict(answer) ? QUESTIONS.verdicts[numberOf(answer)] : [null, null, "", false]);
const statusOf = (row, i) => statusOfAnswer(row.a[i], i);
function statusOfAnswer(answer, i) {
  if (!answer) return "unscored";
  if (answer.e) return "error";
  if (!hasVerdict(answer)) return "unscored";
  const [found, value] = verdictOf(answer);
  // Without its answer nobody can say whether a row without a score was an error.
  if (found === null) return value === null && !FIGURES.runs[i].kept ? "unscored" : "unparsed";
  return value === null ? "unscored" : value >= 1 ? "right" : value > 0 ? "partly" : "wrong";
}
const isRight = (row, i) => Boolean(row.a[i]) && !row.a[i].e && (verdictOf(row.a[i])[1] || 0) >= 1;
// A rule set's own words in the reader's language; what a server said is in its own.
const reasonOf = (reason) => (state.language && Object.hasOwn(QUESTIONS.reasons, reason) ? make("bdi", {}, plainText(QUESTIONS.reasons[reason])) : make("bdi", { lang: state.language && reason ? "en" : null }, plainText(reason)));
const mark = (status, text) => make("span", { class: `mark ${status}`, title: say(status) }, make("span", { "aria-hidden": "true" }, MARKS[status]), make("span", { class: "unseen" }, say(status)), text === undefined ? null : make("bdi", {}, text));

function picture(number, attributes) {
  const source = document.getElementById(`picture-${number}`);
  return source ? make("img", { src: `data:image/webp;base64,${source.textContent}`, decoding: "async", ...attributes }) : make("span", { class: "missing", role: attributes.alt ? "img" : null, "aria-label": attributes.alt ? say("noPicture") : null, title: say("noPicture") });
}

function drawDetail() {
  const place = document.getElementById("detail"), row = state.row;
  if (!place) return undefined;
  if (!row) return place.replaceChildren(make("p", { class: "quiet pick" }, say("pick")));
  const status = row.a.map((_, i) => statusOf(row, i));
  fill(place,
    make("header", {}, make("h3", {}, make("a", { href: linkTo({ row: row.id }), title: say("copyLink") }, make("bdi", {}, row.id))),
      categoriesOf(row).map((name) => make("span", { class: "tag" }, nameOf(inWords(name)))),
      make("span", { class: "steps" }, make("button", { type: "button", onclick: () => step(-1), "aria-label": say("previous") }, "↑ k"), make("button", { type: "button", onclick: () => step(1), "aria-label": say("next") }, "↓ j"))),
    make("div", { class: "asked" },
      make("div", { class: "pictures" }, row.p.map((number, k) => make("figure", {}, picture(number, { alt: `${say("picture")} ${k + 1}` }), seenAs(row, k)))),
      make("div", { class: "wording" },
        whole(row.h) ? make("p", { class: "hint" }, make("b", {}, `${say("hint")}: `), textOf(row.h)) : null,
        make("p", { class: "question" }, textOf(row.q)),
        row.o.length ? optionList(row) : make("p", { class: "reference" }, make("b", {}, `${say("truth")}: `), row.r.length ? make("bdi", {}, row.r.join(" · ")) : "–"),
        row.x ? make("p", { class: "problem" }, make("bdi", {}, row.x)) : null)),
    make("div", { class: `said of-${row.a.length}` }, row.a.map((answer, i) => saidBy(answer, i, status[i]))),
    readings(row),
    prompts(row), groupTable(row));
  place.scrollTop = 0;
}

// The file's size, what the model's processor made of it, its tiles and tokens; once where the runs agree.
function seenAs(row, k) {
  const texts = row.z.map((numbers) => (numbers.length ? seenText(QUESTIONS.seen[numbers[k]]) : ""));
  if (new Set(texts).size === 1) return texts[0] ? make("figcaption", {}, texts[0]) : null;
  return texts.map((text, i) => (text ? make("figcaption", {}, runName(i), " ", text) : null));
}
function seenText([width, height, wide, tall, tiles, tokens]) {
  if (width === null) return "";
  const size = wide === null ? `${width}×${height}` : `${width}×${height} → ${wide}×${tall}`;
  return [size, tiles === null ? "" : `${count(tiles)} ${say(tiles === 1 ? "tile" : "tiles")}`, tokens === null ? "" : `${count(tokens)} ${say("tokens")}`].filter(Boolean).join(" · ");
}

function optionList(row) {
  return make("ul", { class: "options", "aria-label": say("options") }, row.o.map(([letter, text]) => {
    const chosen = row.a.map((answer, i) => (answer && verdictOf(answer)[0] === letter ? i : -1)).filter((i) => i >= 0);
    const truth = row.r.includes(letter);
    return make("li", { class: (truth ? "truth" : "") + (chosen.length ? " chosen" : "") }, make("b", {}, make("bdi", {}, letter)), make("span", {}, textOf(text)),
      truth ? make("em", {}, `✓ ${say("truth")}`) : null, chosen.map((i) => make("em", { class: "picked" }, row.a.length > 1 ? runName(i) : "● ", row.a.length > 1 ? null : say("answered"))));
  }));
}

const aboutAnswer = (answer) => [answer.s === null ? "" : duration(answer.s), answer.n === null ? "" : `${count(answer.n)} ${say("tokens")}`, answer.l ? say("tooLong") : ""].filter(Boolean).join(" · ");

function saidBy(answer, i, status) {
  if (!answer) return make("section", { class: `run-${i}` }, make("h4", {}, runName(i), " ", say("unscored")));
  if (answer.d) return make("section", { class: `run-${i}` }, make("h4", {}, runName(i), " ", say("raw"), " ", mark(status, verdictOf(answer)[0] || ""), make("small", {}, reasonOf(verdictOf(answer)[2]))), drawsOf(answer, i));
  return make("section", { class: `run-${i}` }, make("h4", {}, runName(i), " ", say("raw"), " ", mark(status), make("small", {}, aboutAnswer(answer))), thoughtOf(answer), textSaid(answer, i));
}

function textSaid(answer, i) {
  if (!FIGURES.runs[i].kept) return make("p", { class: "quiet" }, say("notKept"));
  if (answer.e) return make("p", { class: "problem" }, make("bdi", {}, plainText(answer.e)));
  return make("pre", { class: "raw", tabindex: 0, "aria-label": say("raw") }, whole(answer.t) ? textOf(answer.t) : make("i", { class: "quiet" }, say("emptyAnswer")));
}

// Every draw, folded; those that give the answer of the majority are marked as such.
function drawsOf(answer, i) {
  const most = verdictOf(answer)[0];
  return answer.d.map((one, number) => {
    const found = verdictOf(one)[0], voted = most !== null && found === most;
    return make("details", { class: voted ? "draw voted" : "draw" }, make("summary", {}, `${say("draw")} ${number + 1} `, mark(statusOfAnswer(one, i), (found || "").slice(0, 40)), voted ? make("small", {}, ` ${say("majority")}`) : null, make("small", {}, ` ${aboutAnswer(one)}`)), thoughtOf(one), textSaid(one, i));
  });
}

// Folded: a thought may be a thousand times as long as its answer.
function thoughtOf(answer) {
  if (answer.k === undefined || answer.k === null) return null;
  const about = [answer.kn === null ? "" : `${count(answer.kn)} ${say("tokens")}`, answer.u ? say("unfinished") : ""].filter(Boolean).join(" · ");
  return make("details", { class: "thought" }, make("summary", {}, say("thought"), " ", make("small", {}, about)), make("pre", { class: "raw", tabindex: 0, "aria-label": say("thought") }, textOf(answer.k)));
}

// What each rule set made of the answers; of two runs side by side, because that is what is compared.
function readings(row) {
  const answers = row.a.map((answer, i) => [answer, i]).filter(([answer]) => answer);
  const worth = (value) => (value === null ? mark("unscored") : mark(value >= 1 ? "right" : value > 0 ? "partly" : "wrong", value > 0 && value !== 1 ? short(value) : undefined));
  const body = FIGURES.all_rules.map((rules, k) => make("tr", { class: rules === state.rules ? "current" : null }, make("th", { scope: "row" }, rules),
    answers.map(([answer]) => {
      if (answer.v[k] === null) return make("td", { class: "quiet", colspan: 3 }, `– ${say("noVerdict")}`);
      const [found, value, reason, judged] = QUESTIONS.verdicts[answer.v[k]];
      return [make("td", {}, found === null ? make("span", { class: "quiet" }, "∅ ", say("noneFound")) : make("bdi", {}, plainText(found))),
        make("td", {}, worth(value)), make("td", { class: "quiet reason" }, reasonOf(reason), judged ? ` (${say("judged")})` : "")];
    })));
  const heads = answers.map(([, i]) => ["found", "worth", "reason"].map((key) => make("th", { scope: "col" }, key === "found" ? runName(i) : null, say(key))));
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": say("readAs") }, make("table", { class: "readings" }, make("caption", {}, say("readAs")),
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, say("rules")), heads)), make("tbody", {}, body)));
}

function prompts(row) {
  if (!row.m.length || row.m.every((text) => text === null)) return null;
  return make("details", { open: true }, make("summary", {}, say("prompt"), make("small", {}, say("promptWhy"))), row.m.filter((text) => text !== null).map((text, i) =>
    make("div", {}, row.m.length > 1 ? runName(i) : null, make("pre", { class: "raw", tabindex: 0, "aria-label": say("prompt") }, textOf(text)))));
}

function groupTable(row) {
  const members = GROUPS.get(row.g);
  if (members.length < 2) return null;
  const all = row.a.map((_, i) => members.every((member) => isRight(member, i)));
  // Of several draws: in how many every rotation is right.
  const times = row.a.map((answer, i) => (answer && answer.d ? answer.d.filter((_, k) => members.every((member) => member.a[i] && (verdictOf(member.a[i].d[k])[1] || 0) >= 1)).length : null));
  const inAll = (right, i) => (times[i] === null ? mark(right ? "right" : "wrong", say(right ? "groupRight" : "groupWrong")) : mark(right ? "right" : times[i] ? "partly" : "wrong", `${say("groupRight")}: ${times[i]} / ${row.a[i].d.length}`));
  return make("section", { class: "group" }, make("h4", {}, say(FIGURES.circular ? "group" : "groupRows"), FIGURES.circular ? all.map((right, i) => [" ", runName(i), inAll(right, i)]) : null),
    make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": say("group") }, make("table", { class: "readings" }, make("tbody", {}, members.map((member) => make("tr", { class: member === row ? "current" : null },
      make("th", { scope: "row" }, rowLink(member, make("bdi", {}, member.id))),
      make("td", {}, make("bdi", {}, member.o.length ? member.o.map(([letter, text]) => `${letter} ${plainText(whole(text)).slice(0, 40)}`).join("  ") : plainText(whole(member.q)).slice(0, 120))),
      make("td", {}, "→ ", make("b", {}, make("bdi", {}, member.r[0] || "–"))),
      member.a.map((answer, i) => make("td", {}, runName(i), mark(statusOf(member, i), answer ? verdictOf(answer)[0] || "" : "")))))))));
}


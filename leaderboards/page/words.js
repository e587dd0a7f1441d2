// What the page is about, in which words, and how it is arranged at the moment.
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const words = read("words");
const data = read("data");

const state = { language: "en", theme: "auto", sort: data.columns.length ? 0 : -1, down: true };
const themes = ["auto", "dark", "light"];

const say = (key, values = {}) =>
  words[state.language][key].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
const counted = (what, n) => say(`${what}_${n === 1 ? "one" : "many"}`, { n });
// A sentence of the program in the page's language, or as it is.
const sentence = (text) => (Object.hasOwn(words.en, text) ? say(text) : text);
// Names of measures too: "random F1" is F1 of the part "random".
const measured = (name) => {
  const known = words.measures[state.language];
  if (Object.hasOwn(known, name)) return known[name];
  const [, part, last] = /^(.*) (accuracy|precision|recall)$/.exec(name) ?? [];
  return part && Object.hasOwn(known, last) ? `${part} ${known[last]}` : name;
};
const spoken = (code) => {
  if (Object.hasOwn(words.en, code)) return say(code);
  try {
    return new Intl.DisplayNames([document.documentElement.lang], { type: "language" }).of(code);
  } catch {
    return code;
  }
};
// A name that runs to the left would take the words after it along.
const isolated = (name) => (/[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/.test(name) ? `\u2068${name}\u2069` : name);

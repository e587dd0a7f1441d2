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

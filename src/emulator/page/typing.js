// Text that streams: what is new of it is typed out, as Feishu's app does while a card's streaming mode is on.

const typing = new Map();
const stillMotion = window.matchMedia("(prefers-reduced-motion: reduce)");
// Feishu's own defaults: a step of one character in 70 ms. What is left when the next text comes is shown at once.
const typingDefaults = { frequency: 70, step: 1, longest: 1000 };

const numberOf = (value, otherwise) => (Number.isFinite(value?.default) ? value.default : otherwise);

// Draws the text of an element, whole or bit by bit; `key` names the element across the versions of its card.
const typed = (key, text, config, make) => {
  const before = typing.get(key);
  if (before) clearInterval(before.timer);
  const entry = { text, timer: 0 };
  typing.set(key, entry);
  const grows = before !== undefined && text.startsWith(before.text) && text !== before.text;
  if (!grows || stillMotion.matches) return make(text);
  const frequency = Math.max(10, numberOf(config?.print_frequency_ms, typingDefaults.frequency));
  const ticks = Math.max(1, Math.floor(typingDefaults.longest / frequency));
  const tail = [...text.slice(before.text.length)];
  const step = Math.max(numberOf(config?.print_step, typingDefaults.step), Math.ceil(tail.length / ticks));
  let node = make(before.text);
  const holder = el("div", { class: "typing" }, node);
  let shown = 0;
  entry.timer = setInterval(() => {
    shown = Math.min(shown + step, tail.length);
    const next = make(before.text + tail.slice(0, shown).join(""));
    node.replaceWith(next);
    node = next;
    if (shown === tail.length) {
      clearInterval(entry.timer);
      holder.classList.remove("typing");
    }
  }, frequency);
  return holder;
};

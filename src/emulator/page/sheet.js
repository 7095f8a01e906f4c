// What lies over the phone's screen until it is answered: a question, options to choose from, an opened file.

const sheet = (label, ...children) => {
  const panel = el("div", { class: "panel", role: "dialog", "aria-label": label }, ...children);
  const node = el("div", { class: "sheet" }, panel);
  const close = () => node.remove();
  node.addEventListener("click", (event) => event.target === node && close());
  node.addEventListener("keydown", (event) => event.key === "Escape" && close());
  document.querySelector(".phone").append(node);
  (panel.querySelector("button:last-of-type") ?? panel).focus();
  return close;
};

const sheetButton = (label, kind, work) => {
  const button = el("button", { type: "button", class: `press ${kind}` }, label);
  button.addEventListener("click", work);
  return button;
};

// Whether the person says yes. What lies beside the question is no.
const confirmed = (title, text) => new Promise((resolve) => {
  let close = () => {};
  const answer = (yes) => () => {
    close();
    resolve(yes);
  };
  close = sheet(title || "Are you sure?", el("strong", {}, title), el("p", { class: "plain" }, text),
    el("div", { class: "columns right" }, sheetButton("Cancel", "default", answer(false)), sheetButton("Confirm", "primary_filled", answer(true))));
});

// The options of a select; `done(values)` when the choice is made.
const choose = (title, options, many, chosen, done) => {
  const values = new Set(chosen);
  let close = () => {};
  const finish = () => {
    close();
    done(options.map((option) => option.value).filter((value) => values.has(value)));
  };
  const rows = options.map((option) => {
    const row = el("button", { type: "button", role: "option", class: "option", "aria-selected": String(values.has(option.value)) }, option.label);
    row.addEventListener("click", () => {
      if (many && values.delete(option.value)) return row.setAttribute("aria-selected", "false");
      values.add(option.value);
      if (many) return row.setAttribute("aria-selected", "true");
      values.clear();
      values.add(option.value);
      return finish();
    });
    return row;
  });
  const list = el("div", { class: "options", role: "listbox", "aria-label": title, "aria-multiselectable": String(many) }, ...rows);
  close = sheet(title, el("strong", {}, title), list, ...(many ? [sheetButton("Done", "primary_filled", finish)] : []));
};

// A file of text is shown as the text that it is; anything else can only be saved.
const openFile = async (name, address) => {
  const save = el("a", { href: address, download: name }, "Save");
  const head = el("div", { class: "columns" }, el("strong", { class: "grow" }, name), save);
  const bytes = await (await fetch(address)).arrayBuffer();
  let text = "This is no text.";
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch { /* It is not. */ }
  const close = sheet(name, head, el("pre", { class: "file-text" }, text), sheetButton("Close", "default", () => close()));
};

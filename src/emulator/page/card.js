// A card, near to how Feishu shows it. An element is known to the server by its JSON pointer in the card.

const heads = {
  blue: ["#e1eaff", "#245bdb"], wathet: ["#d9f3fd", "#037eaa"], turquoise: ["#d5f6f2", "#028273"],
  green: ["#d9f5d6", "#1f8a17"], yellow: ["#fdf3d0", "#8a6100"], orange: ["#feead2", "#b26206"],
  red: ["#fde2e2", "#d83931"], carmine: ["#fddbe9", "#c0206d"], violet: ["#f8def8", "#8f1aa0"],
  purple: ["#ece2fe", "#6425d0"], indigo: ["#e0e2fa", "#3943c6"], grey: ["#eff0f1", "#4e545d"],
};

const words = (text) => {
  if (!text) return "";
  return text.tag === "lark_md" || text.tag === "markdown" ? markdown(text.content) : el("div", { class: "plain" }, text.content ?? "");
};

const sized = (node, size) => {
  if (size === "notation") node.classList.add("notation");
  else if (/^heading/.test(size ?? "")) node.classList.add("heading");
  return node;
};

const optionsOf = (element) =>
  (element.options ?? []).map((option) => el("option", { value: option.value }, option.text?.content ?? option.value));

// Everything filled in within a form, by name.
const formValues = (form) => {
  const values = {};
  for (const field of form.querySelectorAll("[data-name]")) {
    if (field.multiple) values[field.dataset.name] = [...field.selectedOptions].map((option) => option.value);
    else if (field.type === "checkbox") values[field.dataset.name] = field.checked;
    else values[field.dataset.name] = field.value;
  }
  return values;
};

const field = (element, control) => {
  if (element.name) control.dataset.name = element.name;
  control.disabled = element.disabled === true;
  return el("label", { class: "field" }, element.label?.content ?? "", control);
};

const drawButton = (element, pointer, press) => {
  const label = element.text?.content ?? "";
  const button = el("button", { type: "button", class: `press ${element.type ?? "default"} ${element.size ?? "medium"}` }, label);
  if (element.width === "fill") button.classList.add("fill");
  button.disabled = element.disabled === true;
  button.addEventListener("click", async () => {
    const ask = element.confirm;
    if (ask && !window.confirm([ask.title?.content, ask.text?.content].filter(Boolean).join("\n"))) return;
    const form = button.closest(".form");
    if (element.form_action_type === "reset") {
      for (const each of form?.querySelectorAll("[data-name]") ?? []) each.value = "";
      return;
    }
    const open = (element.behaviors ?? []).find((behavior) => behavior.type === "open_url");
    if (open && /^https?:\/\//i.test(open.default_url)) window.open(open.default_url, "_blank", "noopener");
    button.disabled = true;
    await press(pointer, form && element.form_action_type === "submit" ? { form_value: formValues(form) } : {});
    button.disabled = element.disabled === true;
  });
  return button;
};

const drawInput = (element, pointer, press) => {
  const many = element.input_type === "multiline_text";
  const control = el(many ? "textarea" : "input", { placeholder: element.placeholder?.content ?? "" });
  control.value = element.default_value ?? "";
  control.maxLength = element.max_length ?? 1000;
  if (many) control.rows = element.rows ?? 5;
  else control.type = element.input_type === "password" ? "password" : "text";
  control.addEventListener("change", () => {
    if (!control.closest(".form")) press(pointer, { input_value: control.value });
  });
  return field(element, control);
};

const drawSelect = (element, pointer, press) => {
  const many = element.tag === "multi_select_static";
  const first = many ? [] : [el("option", { value: "", disabled: true, selected: true }, element.placeholder?.content ?? "Choose")];
  const control = el("select", { multiple: many }, ...first, ...optionsOf(element));
  if (element.initial_option) control.value = element.initial_option;
  control.addEventListener("change", () => {
    if (!control.closest(".form")) press(pointer, { option: control.value });
  });
  return field(element, control);
};

const drawColumns = (element, pointer, press) => {
  const set = el("div", { class: "columns" });
  if (element.flex_mode === "flow") set.classList.add("wrap");
  for (const [place, column] of (element.columns ?? []).entries()) {
    const node = el("div", { class: "column" }, ...drawAll(column.elements, `${pointer}/columns/${place}/elements`, press));
    if (/^\d+px$/.test(column.width ?? "")) node.style.flex = `0 0 ${column.width}`;
    else node.style.flex = column.width === "weighted" ? `${column.weight ?? 1} 1 0` : "0 1 auto";
    set.append(node);
  }
  return set;
};

const drawPanel = (element, pointer, press) => {
  const title = el("summary", {}, words(element.header?.title));
  const panel = el("details", { open: element.expanded === true, "data-pointer": pointer }, title,
    el("div", { class: "inner" }, ...drawAll(element.elements, `${pointer}/elements`, press)));
  title.firstChild?.style?.setProperty("display", "inline-block");
  return panel;
};

const drawTable = (element) => {
  const columns = element.columns ?? [];
  const head = el("tr", {}, ...columns.map((column) => el("th", {}, column.display_name ?? column.name ?? "")));
  const rows = (element.rows ?? []).slice(0, element.page_size ?? 5);
  const text = (value) => (value !== null && typeof value === "object" ? JSON.stringify(value) : String(value ?? ""));
  const body = rows.map((row) => el("tr", {}, ...columns.map((column) => el("td", {}, text(row[column.name])))));
  return el("div", { class: "md" }, el("div", { class: "table" }, el("table", {}, head, ...body)));
};

const draw = {
  markdown: (element) => sized(markdown(element.content), element.text_size),
  plain_text: (element) => sized(words(element), element.text_size),
  div: (element) => sized(el("div", {}, words(element.text)), element.text?.text_size),
  hr: () => el("hr"),
  button: drawButton,
  input: drawInput,
  select_static: drawSelect,
  multi_select_static: drawSelect,
  column_set: drawColumns,
  collapsible_panel: drawPanel,
  table: drawTable,
  form: (element, pointer, press) => el("div", { class: "form inner" }, ...drawAll(element.elements, `${pointer}/elements`, press)),
  interactive_container: (element, pointer, press) => el("div", { class: "inner" }, ...drawAll(element.elements, `${pointer}/elements`, press)),
  // Of schema 1.0.
  note: (element, pointer, press) => el("div", { class: "notation" }, ...drawAll(element.elements, `${pointer}/elements`, press)),
  action: (element, pointer, press) => el("div", { class: "columns wrap" }, ...drawAll(element.actions, `${pointer}/actions`, press)),
  lark_md: (element) => markdown(element.content),
  img: (element) => el("img", { src: `/phone/file/${encodeURIComponent(element.img_key ?? "")}`, alt: element.alt?.content ?? "" }),
  checker: (element, pointer, press) => {
    const box = el("input", { type: "checkbox", checked: element.checked === true });
    if (element.name) box.dataset.name = element.name;
    box.addEventListener("change", () => {
      if (!box.closest(".form")) press(pointer, {});
    });
    return el("label", { class: "check" }, box, words(element.text));
  },
};

const drawAll = (elements, pointer, press) =>
  (Array.isArray(elements) ? elements : []).map((element, place) => {
    const make = Object.hasOwn(draw, element.tag) ? draw[element.tag] : null;
    return make ? make(element, `${pointer}/${place}`, press) : el("div", { class: "unknown" }, `<${element.tag}>`);
  });

// `press(pointer, filledIn)` is called when something is pressed.
const drawCard = (card, press) => {
  const node = el("div", { class: "bubble card" });
  const header = card.header;
  if (header?.title) {
    const tags = (header.text_tag_list ?? []).slice(0, 3).map((tag) => el("span", { class: "tag" }, tag.text?.content ?? ""));
    const head = el("header", {}, header.title.content ?? "", ...tags);
    if (header.subtitle?.content) head.append(el("small", {}, header.subtitle.content));
    const [back, ink] = Object.hasOwn(heads, header.template ?? "") ? heads[header.template] : [];
    if (back) {
      head.style.setProperty("--head", back);
      head.style.setProperty("--head-ink", ink);
    }
    node.append(head);
  }
  const second = card.schema === "2.0";
  const elements = second ? card.body?.elements : card.elements;
  node.append(el("div", { class: "body" }, ...drawAll(elements, second ? "/body/elements" : "/elements", press)));
  return node;
};

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

const sized = (node, text) => {
  const size = text?.text_size ?? "";
  if (size === "notation" || /small$/.test(size)) node.classList.add("notation");
  else if (/^heading|large$/.test(size)) node.classList.add("heading");
  const colour = (text?.text_color ?? "").split("-")[0];
  if (Object.hasOwn(colours, colour)) node.style.color = colours[colour];
  if (/^(left|center|right)$/.test(text?.text_align ?? "")) node.style.textAlign = text.text_align;
  return node;
};

// Everything filled in within a form, by name.
const formValues = (form) => {
  const values = {};
  for (const field of form.querySelectorAll("[data-name]")) {
    if (field.dataset.many) values[field.dataset.name] = JSON.parse(field.dataset.chosen);
    else if (field.dataset.chosen) values[field.dataset.name] = JSON.parse(field.dataset.chosen)[0] ?? "";
    else if (field.type === "checkbox") values[field.dataset.name] = field.checked;
    else values[field.dataset.name] = field.value;
  }
  return values;
};

const field = (element, control) => {
  if (element.name) control.dataset.name = element.name;
  control.disabled = element.disabled === true;
  // A label gives its words to a field, but takes those of a button away.
  return el(control.tagName === "BUTTON" ? "div" : "label", { class: "field" }, element.label?.content ?? "", control);
};

const drawButton = (element, pointer, press) => {
  const label = element.text?.content ?? "";
  const button = el("button", { type: "button", class: `press ${element.type ?? "default"} ${element.size ?? "medium"}` }, label);
  if (element.width === "fill") button.classList.add("fill");
  button.disabled = element.disabled === true;
  button.addEventListener("click", async () => {
    const ask = element.confirm;
    if (ask && !(await confirmed(ask.title?.content ?? "", ask.text?.content ?? ""))) return;
    const form = button.closest(".form");
    if (element.form_action_type === "reset") {
      for (const each of form?.querySelectorAll("[data-name]") ?? []) each.reset ? each.reset() : (each.value = "");
      return;
    }
    const open = (element.behaviors ?? []).find((behavior) => behavior.type === "open_url");
    if (open && /^https?:\/\//i.test(open.default_url)) window.open(open.default_url, "_blank", "noopener");
    button.disabled = true;
    button.classList.add("busy");
    await press(pointer, form && element.form_action_type === "submit" ? { form_value: formValues(form) } : {});
    button.classList.remove("busy");
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

// A field that opens a list, as phones have it.
const drawSelect = (element, pointer, press) => {
  const many = element.tag === "multi_select_static";
  const hint = element.placeholder?.content ?? "Choose";
  const options = (element.options ?? []).map((option) => ({ value: option.value, label: option.text?.content ?? option.value }));
  const control = el("button", { type: "button", class: "select", "aria-haspopup": "listbox" });
  control.show = (values) => {
    control.dataset.chosen = JSON.stringify(values);
    const labels = options.filter((option) => values.includes(option.value)).map((option) => option.label);
    control.classList.toggle("empty-choice", labels.length === 0);
    control.replaceChildren(labels.length > 0 ? labels.join(", ") : hint);
  };
  const first = many ? (element.selected_values ?? []) : [element.initial_option].filter(Boolean);
  control.reset = () => control.show(first);
  control.reset();
  if (many) control.dataset.many = "1";
  control.addEventListener("click", () => choose(hint, options, many, JSON.parse(control.dataset.chosen), (values) => {
    control.show(values);
    if (!control.closest(".form") && values.length > 0) press(pointer, { option: values[0] });
  }));
  return field(element, control);
};

const drawColumns = (element, pointer, press) => {
  const set = el("div", { class: `columns ${element.flex_mode ?? "none"}` });
  for (const [place, column] of (element.columns ?? []).entries()) {
    const node = el("div", { class: "column" }, ...drawAll(column.elements, `${pointer}/columns/${place}/elements`, press));
    if (/^\d+px$/.test(column.width ?? "")) node.style.flex = `0 0 ${column.width}`;
    else node.style.flex = column.width === "weighted" ? `${column.weight ?? 1} 1 0` : "0 1 auto";
    if (/^(center|bottom)$/.test(column.vertical_align ?? "")) node.style.justifyContent = column.vertical_align === "center" ? "center" : "flex-end";
    set.append(node);
  }
  return set;
};

const drawPanel = (element, pointer, press) => {
  const title = el("summary", {}, el("span", { class: "grow" }, words(element.header?.title)), el("span", { class: "chevron", "aria-hidden": "true" }, "⌄"));
  const panel = el("details", { open: element.expanded === true, "data-pointer": pointer }, title,
    el("div", { class: "inner" }, ...drawAll(element.elements, `${pointer}/elements`, press)));
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
  markdown: (element, pointer, press) => {
    const make = (text) => sized(markdown(text), element);
    const streams = press.streaming && element.element_id;
    return streams ? typed(`${press.message}/${element.element_id}`, element.content ?? "", press.config, make) : make(element.content);
  },
  plain_text: (element) => sized(words(element), element),
  div: (element) => sized(el("div", {}, words(element.text)), element.text),
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
  press.streaming = card.config?.streaming_mode === true;
  press.config = card.config?.streaming_config;
  node.classList.toggle("streaming", press.streaming);
  const elements = second ? card.body?.elements : card.elements;
  node.append(el("div", { class: "body" }, ...drawAll(elements, second ? "/body/elements" : "/elements", press)));
  return node;
};

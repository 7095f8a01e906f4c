// Feishu's Markdown as DOM nodes. Nothing here makes HTML of text: every word ends in a text node.

const el = (name, properties = {}, ...children) => {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class") node.className = value;
    else if (key.startsWith("data-") || key.startsWith("aria-") || key === "role") node.setAttribute(key, value);
    else node[key] = value;
  }
  node.append(...children);
  return node;
};

const safeLink = (href, ...children) =>
  /^https?:\/\//i.test(href)
    ? el("a", { href, target: "_blank", rel: "noopener noreferrer" }, ...children)
    : el("span", {}, ...children);

// A text with its bare links clickable and everything else as it is.
const linked = (text) => {
  const nodes = [];
  let last = 0;
  for (const match of text.matchAll(/https?:\/\/[^\s<>"'，。；）)]+/g)) {
    nodes.push(text.slice(last, match.index), safeLink(match[0], match[0]));
    last = match.index + match[0].length;
  }
  nodes.push(text.slice(last));
  return nodes;
};

const colours = {
  red: "#f54a45", green: "#2ea121", blue: "#245bdb", grey: "#8f959e", orange: "#de7802", yellow: "#b88300",
  purple: "#7f3bf5", violet: "#a11eb5", indigo: "#4954e6", turquoise: "#04b49c", wathet: "#049fd7", carmine: "#e22680",
};

const inlinePattern = new RegExp(
  [
    /(?<ticks>`+)(?<code>[^]*?[^`])\k<ticks>(?!`)/,
    /!\[(?<alt>[^\]]*)\]\((?<image>[^)\s]+)\)/,
    /\[(?<label>[^\]]*)\]\((?<href>[^)\s]+)\)/,
    /\*\*(?<bold>[^]+?)\*\*/,
    /~~(?<strike>[^]+?)~~/,
    /\*(?<star>[^*\s](?:[^*]*[^*\s])?)\*/,
    /(?<![\p{L}\p{N}_])_(?<under>[^_\s](?:[^_]*[^_\s])?)_(?![\p{L}\p{N}_])/,
    /<font color=['"]?(?<colour>[\w-]+)['"]?>(?<coloured>[^]*?)<\/font>/,
    /<text_tag color=['"]?(?<tagColour>[\w-]+)['"]?>(?<tagged>[^]*?)<\/text_tag>/,
    /<at id=['"]?(?<at>[\w-]+)['"]?>[^]*?<\/at>/,
    /(?<br><br\s*\/?>)/,
    /(?<tag><\/?[A-Za-z][^>\n]*>)/,
    /(?<hard> {2,}\n|\\\n)/,
    /&#(?<entity>\d{1,7});/,
    /&(?<named>lt|gt|amp|quot|nbsp);/,
    /\\(?<escaped>[!-\/:-@\[-`{-~])/,
    /(?<bare>https?:\/\/[^\s<>"'，。；）)]+)/,
  ].map((part) => part.source).join("|"),
  "gu",
);

const entities = { lt: "<", gt: ">", amp: "&", quot: "\"", nbsp: "\u00a0" };

const inlineNode = (found) => {
  const is = (name) => found[name] !== undefined;
  if (is("code")) return el("code", {}, found.code.replace(/^ (.*) $/s, "$1"));
  if (is("image")) return el("span", { class: "unknown" }, found.alt || "image");
  if (is("href")) return safeLink(found.href, ...inline(found.label));
  if (is("bold")) return el("strong", {}, ...inline(found.bold));
  if (is("strike")) return el("s", {}, ...inline(found.strike));
  if (is("star") || is("under")) return el("em", {}, ...inline(found.star ?? found.under));
  if (is("coloured") || is("tagged")) {
    const node = el("span", { class: is("tagged") ? "tag" : "" }, ...inline(found.coloured ?? found.tagged));
    node.style.color = colours[(found.colour ?? found.tagColour).split("-")[0]] ?? "";
    return node;
  }
  if (is("at")) return el("a", {}, `@${nameOf(found.at)}`);
  if (is("br") || is("hard")) {
    // The newline is not seen; it is there for what reads the words alone.
    const broken = document.createDocumentFragment();
    broken.append(el("br"), "\n");
    return broken;
  }
  if (is("tag")) return "";
  if (is("entity")) {
    const code = Number(found.entity);
    return code <= 0x10ffff ? String.fromCodePoint(code) : "";
  }
  if (is("named")) return entities[found.named];
  if (is("escaped")) return found.escaped;
  return safeLink(found.bare, found.bare);
};

const inline = (text) => {
  const nodes = [];
  let last = 0;
  for (const match of text.matchAll(inlinePattern)) {
    nodes.push(text.slice(last, match.index), inlineNode(match.groups));
    last = match.index + match[0].length;
  }
  nodes.push(text.slice(last));
  return nodes;
};

const listItem = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const cells = (line) => line.trim().replace(/^\|/, "").replace(/\|$/, "").split(/(?<!\\)\|/).map((cell) => cell.trim());
const isRule = (line) => line !== undefined && line.includes("-") && line.includes("|") && /^[\s|:-]+$/.test(line);

const list = (lines) => {
  const [, indent, mark] = lines[0].match(listItem);
  const root = el(/\d/.test(mark) ? "ol" : "ul");
  if (root.tagName === "OL") root.start = parseInt(mark, 10);
  for (let at = 0; at < lines.length; ) {
    const item = lines[at].match(listItem);
    let end = at + 1;
    while (end < lines.length && !(lines[end].match(listItem)?.[1].length <= indent.length)) end += 1;
    const inner = lines.slice(at + 1, end);
    const nested = inner.findIndex((line) => listItem.test(line));
    const own = [item[3], ...inner.slice(0, nested < 0 ? inner.length : nested).map((line) => line.trimStart())];
    root.append(el("li", {}, ...inline(own.join("\n")), ...(nested < 0 ? [] : [list(inner.slice(nested))])));
    at = end;
  }
  return root;
};

// Code as it is; of a diff each line in the colour of what became of it.
const codeBlock = (language, lines) => {
  const kinds = { "+": "added", "-": "removed", "@": "place" };
  const kind = (line) => (language === "diff" && !/^(\+\+\+|---) /.test(line) ? kinds[line[0]] : undefined);
  const parts = lines.flatMap((line, place) => {
    const text = place + 1 < lines.length ? `${line}\n` : line;
    const name = kind(line);
    return name ? [el("span", { class: name }, text)] : [text];
  });
  const pre = el("pre", {}, el("code", {}, ...parts));
  if (language) pre.dataset.language = language;
  return pre;
};

// A block at a time: how many lines it takes, and its node.
const block = (lines, at) => {
  const line = lines[at];
  const until = (ends) => {
    let end = at + 1;
    while (end < lines.length && !ends(lines[end], end)) end += 1;
    return end;
  };
  const fence = line.match(/^\s{0,3}(`{3,}|~{3,})\s*([^`]*)$/);
  if (fence) {
    const end = until((other) => other.trim().startsWith(fence[1]) && /^[`~]+$/.test(other.trim()));
    return [end + 1, codeBlock(fence[2].trim(), lines.slice(at + 1, end))];
  }
  const heading = line.match(/^(#{1,6})\s+(.*)$/);
  if (heading) return [at + 1, el(`h${heading[1].length}`, {}, ...inline(heading[2]))];
  if (/^\s*(?:---+|\*\*\*+|___+|<hr>)\s*$/.test(line)) return [at + 1, el("hr")];
  if (line.includes("|") && isRule(lines[at + 1])) {
    const end = until((other, place) => place > at + 1 && !other.includes("|"));
    const row = (name) => (text) => el("tr", {}, ...cells(text).map((cell) => el(name, {}, ...inline(cell))));
    const body = lines.slice(at + 2, end).map(row("td"));
    return [end, el("div", { class: "table" }, el("table", {}, row("th")(line), ...body))];
  }
  if (/^\s*>/.test(line)) {
    const end = until((other) => !/^\s*>/.test(other));
    const quoted = lines.slice(at, end).map((each) => each.replace(/^\s*>\s?/, ""));
    return [end, el("blockquote", {}, ...blocks(quoted))];
  }
  if (listItem.test(line)) {
    const end = until((other) => !listItem.test(other) && !/^\s+\S/.test(other));
    return [end, list(lines.slice(at, end))];
  }
  if (/^ {4}/.test(line)) {
    const end = until((other) => !/^ {4}/.test(other));
    return [end, codeBlock("", lines.slice(at, end).map((each) => each.slice(4)))];
  }
  const starts = /^\s{0,3}(?:`{3,}|~{3,}|#{1,6}\s|>|\s*(?:[-*+]|\d+[.)])\s)|^\s*$|^\s*(?:---+|<hr>)\s*$/;
  const end = until((other, place) => starts.test(other) || (other.includes("|") && isRule(lines[place + 1])));
  return [end, el("p", {}, ...inline(lines.slice(at, end).join("\n")))];
};

const blocks = (lines) => {
  const nodes = [];
  for (let at = 0; at < lines.length; ) {
    if (lines[at].trim() === "") {
      at += 1;
      continue;
    }
    const [next, node] = block(lines, at);
    nodes.push(node);
    at = next;
  }
  return nodes;
};

const markdown = (text) => el("div", { class: "md" }, ...blocks(String(text ?? "").split("\n")));

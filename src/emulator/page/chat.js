// The phone: chats, messages, the composer, and the feed that brings what is new.

const at = (id) => document.getElementById(id);
const reactionGlyphs = {
  THUMBSUP: "👍", OK: "👌", DONE: "✅", OnIt: "🫡", Typing: "⌨", OneSecond: "⏳", GLANCE: "👀", CheckMark: "✔", CrossMark: "❌",
  ERROR: "⚠", Alarm: "⏰", LGTM: "👍", SMILE: "😄", Get: "🤝", HEART: "❤",
};
const state = { users: [], chats: [], bot: {}, messages: new Map(), chat: null, as: null, reply: null, unread: new Map(), nodes: new Map() };

const nameOf = (id) => {
  if (id === state.bot.open_id) return state.bot.name;
  return state.users.find((user) => user.open_id === id)?.name ?? id;
};

const post = (path, body, headers = {}) =>
  fetch(path, { method: "POST", headers, body }).catch(() => { throw new Error("Not sent: the demo has ended."); });

const ask = async (path, body) => {
  const answer = await post(path, JSON.stringify(body), { "content-type": "application/json" });
  const text = await answer.text();
  const json = text ? JSON.parse(text) : {};
  if (!answer.ok) throw new Error(json.error ?? `the server answered ${answer.status}`);
  return json;
};

let toastTimer;
const toast = (content, kind = "info") => {
  const node = at("toast");
  node.textContent = content;
  node.dataset.kind = kind;
  node.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { node.hidden = true; }, 3500);
};

const trying = async (work) => {
  try {
    return await work();
  } catch (error) {
    toast(error.message, "error");
    return null;
  }
};

const pressing = (message) => Object.assign(async (pointer, filledIn) => {
  const asked = { user: state.as, message_id: message.message_id, press: { pointer }, ...filledIn };
  const clicked = await trying(() => ask("/phone/click", asked));
  if (clicked?.error) toast(`The bot did not answer as it should (${clicked.error}).`, "error");
  else if (clicked?.toast) toast(clicked.toast.content, clicked.toast.kind);
}, { message: message.message_id });

// A file in a bubble; it opens at a touch.
const drawFile = (name, address) => {
  const ending = (name.match(/\.(\w{1,4})$/)?.[1] ?? "file").toUpperCase();
  const node = el("button", { type: "button", class: "file", "data-ending": ending }, el("span", {}, name));
  node.addEventListener("click", () => trying(() => openFile(name, address)));
  return node;
};

// A post: with its locale as the bot sends it, without as people do.
const postNodes = (content) => {
  const body = content.zh_cn ?? content.en_us ?? content;
  const node = (each) => {
    if (each.tag === "a") return safeLink(each.href ?? "", each.text ?? "");
    if (each.tag === "at") return `@${each.user_name ?? nameOf(each.user_id)}`;
    if (each.tag === "img") return el("img", { src: `/phone/file/${encodeURIComponent(each.image_key ?? "")}`, alt: "image" });
    if (each.tag === "code_block") return el("div", { class: "md" }, el("pre", { "data-language": each.language ?? "" }, el("code", {}, each.text ?? "")));
    if (each.tag === "md") return markdown(each.text);
    if (each.tag === "hr") return el("hr");
    const bold = (each.style ?? []).includes("bold");
    return bold ? el("strong", {}, each.text ?? "") : (each.text ?? "");
  };
  const lines = (body.content ?? []).map((line) => el("div", {}, ...line.map(node)));
  return [...(body.title ? [el("strong", {}, body.title)] : []), ...lines];
};

const drawBubble = (message) => {
  if (message.recalled) return el("div", { class: "bubble gone" }, "Message recalled");
  const content = message.content;
  if (message.msg_type === "interactive") return drawCard(content, pressing(message));
  const file = (key) => `/phone/file/${encodeURIComponent(key)}`;
  if (message.msg_type === "image") return el("div", { class: "bubble picture" }, el("img", { src: file(content.image_key), alt: "image" }));
  const bubble = el("div", { class: "bubble" });
  const parent = message.reply_to && state.messages.get(message.reply_to);
  if (parent) bubble.append(el("span", { class: "quote" }, `${parent.from_name}: ${parent.recalled ? "recalled" : parent.text}`));
  if (message.msg_type === "text") bubble.append(...linked(message.text));
  else if (message.msg_type === "post") bubble.append(...postNodes(content));
  else if (content.file_key) bubble.append(drawFile(content.file_name ?? message.file_name ?? "file", file(content.file_key)));
  else bubble.append(message.text);
  if (message.edits > 0) bubble.append(el("span", { class: "edited" }, "edited"));
  return bubble;
};

const drawReactions = (message) => {
  const counted = new Map();
  for (const { emoji } of message.reactions) counted.set(emoji, (counted.get(emoji) ?? 0) + 1);
  const chips = [...counted].map(([emoji, count]) => {
    const glyph = Object.hasOwn(reactionGlyphs, emoji) ? reactionGlyphs[emoji] : emoji;
    return el("span", { title: emoji }, `${glyph}${count > 1 ? ` ${count}` : ""}`);
  });
  return el("div", { class: "reactions" }, ...chips);
};

const drawMessage = (message) => {
  const bot = message.from === null;
  const own = message.from === state.as;
  const button = (label, work) => {
    const node = el("button", { type: "button" }, label);
    node.addEventListener("click", () => trying(work));
    return node;
  };
  const actions = [
    button("Reply", () => quote(message)),
    button("OK", () => ask("/phone/react", { user: state.as, message_id: message.message_id, emoji: "OK" })),
  ];
  if (own) actions.push(button("Recall", () => ask("/phone/recall", { message_id: message.message_id })));
  const time = new Date(message.created).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const node = el("article", { class: `message${own ? " own" : ""}`, "data-id": message.message_id },
    el("div", { class: `avatar${bot ? " bot" : ""}`, "aria-hidden": "true" }, message.from_name.slice(0, 1).toUpperCase()),
    el("div", { class: "who" }, own ? time : `${message.from_name} · ${time}`),
    drawBubble(message));
  if (message.reactions.length > 0 && !message.recalled) node.append(drawReactions(message));
  if (!message.recalled) node.append(el("div", { class: "actions" }, ...actions));
  return node;
};

// A card that changes keeps what its reader opened and typed.
const keepReading = (old, fresh) => {
  for (const panel of old.querySelectorAll("details[data-pointer]")) {
    const same = fresh.querySelector(`details[data-pointer="${CSS.escape(panel.dataset.pointer)}"]`);
    if (same && panel.dataset.toggled) {
      same.open = panel.open;
      same.dataset.toggled = "1";
    }
  }
  for (const input of old.querySelectorAll("[data-name]")) {
    const same = fresh.querySelector(`[data-name="${CSS.escape(input.dataset.name)}"]`);
    if (same?.show && input.dataset.chosen) same.show(JSON.parse(input.dataset.chosen));
    else if (same) same.value = input.value;
    if (same && input === document.activeElement) return () => same.focus();
  }
  return () => {};
};

const place = (message) => {
  const chat = at("chat");
  const near = chat.scrollHeight - chat.scrollTop - chat.clientHeight < 80;
  const fresh = drawMessage(message);
  const old = state.nodes.get(message.message_id);
  if (old) {
    const focus = keepReading(old, fresh);
    old.replaceWith(fresh);
    focus();
  } else {
    chat.querySelector(".empty")?.remove();
    chat.append(fresh);
  }
  state.nodes.set(message.message_id, fresh);
  if (near || message.from === state.as) chat.scrollTop = chat.scrollHeight;
};

const here = () => state.chats.find((chat) => chat.chat_id === state.chat);

// What a chat shows that nobody has written in yet.
const hint = (chat) => {
  const lines = chat.kind === "group"
    ? [`The group of ${chat.members.map(nameOf).join(" and ")}.`, `${state.bot.name} hears only what says @${state.bot.name}.`]
    : [`This is ${nameOf(chat.members[0])}'s phone.`, `Say something to ${state.bot.name}, or /help.`];
  return el("p", { class: "empty" }, lines.join("\n"));
};

const drawChat = () => {
  const chat = here();
  at("title").textContent = chat.name;
  state.nodes.clear();
  const messages = [...state.messages.values()].filter((message) => message.chat_id === state.chat);
  at("chat").replaceChildren(...(messages.length === 0 ? [hint(chat)] : []));
  for (const message of messages) place(message);
  at("chat").scrollTop = at("chat").scrollHeight;
  const as = at("as");
  as.hidden = chat.kind !== "group";
  as.replaceChildren(...chat.members.map((member) => el("option", { value: member }, nameOf(member))));
  as.value = state.as;
  at("text").placeholder = chat.kind === "group" ? `Message, @${state.bot.name}` : "Message";
};

const drawTabs = () => {
  const tabs = state.chats.map((chat) => {
    const unread = state.unread.get(chat.chat_id) ?? 0;
    const name = chat.kind === "group" ? chat.name : nameOf(chat.members[0]);
    const tab = el("button", { type: "button", role: "tab", "aria-selected": String(chat.chat_id === state.chat), "data-chat": chat.chat_id }, name);
    if (unread > 0) tab.append(el("b", {}, String(unread)));
    tab.addEventListener("click", () => open(chat));
    return tab;
  });
  at("tabs").replaceChildren(...tabs);
};

const open = (chat) => {
  state.chat = chat.chat_id;
  if (!chat.members.includes(state.as) || chat.kind !== "group") state.as = chat.members[0];
  state.unread.delete(chat.chat_id);
  quote(null);
  drawTabs();
  drawChat();
  at("text").focus();
  if (chat.kind !== "group") trying(() => ask("/phone/enter", { user: state.as }));
};

const quote = (message) => {
  state.reply = message?.message_id ?? null;
  at("quoting").hidden = !message;
  at("quoting").firstElementChild.textContent = message ? `Reply to ${message.from_name}: ${message.text}` : "";
  if (message) at("text").focus();
};

const take = (news, first) => {
  if (first) state.messages.clear();
  for (const message of news.messages) {
    const known = state.messages.has(message.message_id);
    state.messages.set(message.message_id, message);
    if (first) continue;
    if (message.chat_id === state.chat) place(message);
    else if (!known && message.from === null) state.unread.set(message.chat_id, (state.unread.get(message.chat_id) ?? 0) + 1);
  }
  if (first) drawChat();
  drawTabs();
  const living = news.connections.length;
  const stalled = news.connections.some((connection) => connection.stalled);
  at("link").dataset.state = living === 0 ? "off" : stalled ? "stalled" : "on";
  at("link-text").textContent = living === 0 ? "bot offline" : stalled ? "bot stalled" : living === 1 ? "bot online" : `bot online ×${living}`;
};

const listen = () => {
  let first = true;
  const feed = new EventSource("/phone/feed");
  feed.onopen = () => { first = true; };
  feed.onmessage = (event) => {
    take(JSON.parse(event.data), first);
    first = false;
  };
  feed.onerror = () => {
    at("link").dataset.state = "off";
    at("link-text").textContent = "the demo has ended";
  };
};

const grow = () => {
  const text = at("text");
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight + 2}px`;
};

const send = async () => {
  const text = at("text").value;
  if (text.trim() === "") return;
  const said = { user: state.as, chat: state.chat, text, reply_to: state.reply };
  if ((await trying(() => ask("/phone/say", said))) === null) return;
  at("text").value = "";
  grow();
  quote(null);
};

const sendFile = async (file) => {
  const kept = await post(`/phone/file/${encodeURIComponent(file.name)}`, file);
  const { key } = await kept.json();
  const picture = key.startsWith("img_");
  const content = picture ? { image_key: key } : { file_key: key, file_name: file.name };
  await ask("/phone/say", { user: state.as, chat: state.chat, kind: picture ? "image" : "file", content });
};

at("text").addEventListener("input", grow);
at("text").addEventListener("keydown", (event) => {
  // While an input method composes, Enter chooses a word.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  send();
});
at("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
at("quoting").lastElementChild.addEventListener("click", () => quote(null));
at("as").addEventListener("change", () => {
  state.as = at("as").value;
  drawChat();
});
at("attach").addEventListener("change", () => {
  const [file] = at("attach").files;
  if (file) trying(() => sendFile(file));
  at("attach").value = "";
});
at("chat").addEventListener("click", (event) => {
  const panel = event.target.closest("summary")?.parentElement;
  if (panel) panel.dataset.toggled = "1";
});

trying(async () => {
  Object.assign(state, await (await fetch("/phone/people")).json());
  open(state.chats[0]);
  listen();
});

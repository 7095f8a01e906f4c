// Feishu's official Node SDK as a judge of the emulated Feishu: node.cjs URL APP_ID APP_SECRET
"use strict";
const lark = require("@larksuiteoapi/node-sdk");

const [base, appId, appSecret] = process.argv.slice(2);
const card = {
  schema: "2.0",
  body: {
    elements: [
      {
        tag: "button",
        text: { tag: "plain_text", content: "Yes" },
        behaviors: [{ type: "callback", value: { answer: "yes" } }],
      },
    ],
  },
};

const fail = (reason) => {
  console.error(reason);
  process.exit(1);
};
const check = (is, reason) => is || fail(reason);

const ask = async (path, body) => {
  const headers = { "content-type": "application/json" };
  const options = body === undefined ? {} : { method: "POST", headers, body: JSON.stringify(body) };
  const answer = await fetch(base + path, options);
  check(answer.ok, `${path}: ${answer.status} ${answer.ok ? "" : await answer.text()}`);
  return answer.json();
};

// Reads the feed until what it has told so far fulfils the condition.
const until = async (what, isSo) => {
  const stop = new AbortController();
  const messages = new Map();
  const feed = await fetch(`${base}/phone/feed`, { signal: stop.signal });
  let text = "";
  for await (const chunk of feed.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const lines = text.split("\n");
    text = lines.pop();
    for (const line of lines.filter((each) => each.startsWith("data: "))) {
      const news = JSON.parse(line.slice(6));
      for (const message of news.messages) messages.set(message.message_id, message);
      if (isSo(news, [...messages.values()])) {
        stop.abort();
        return;
      }
    }
  }
  fail(`the feed ended before: ${what}`);
};

const main = async () => {
  const client = new lark.Client({ appId, appSecret, domain: base });
  const handlers = new lark.EventDispatcher({}).register({
    "im.message.receive_v1": async (data) => {
      const { text } = JSON.parse(data.message.content);
      const answer = await client.im.message.reply({
        path: { message_id: data.message.message_id },
        data: { msg_type: "text", content: JSON.stringify({ text: `heard: ${text}` }) },
      });
      check(answer.code === 0, `the reply was refused: ${JSON.stringify(answer)}`);
    },
    "card.action.trigger": async (data) => ({
      toast: { type: "success", content: `you said ${data.action.value.answer}` },
    }),
  });
  const connection = new lark.WSClient({ appId, appSecret, domain: base });
  connection.start({ eventDispatcher: handlers });

  const people = await ask("/phone/people");
  const [user, chat] = [people.users[0].open_id, people.chats[0].chat_id];
  const hear = async (text) => {
    const before = (await ask("/phone/acks")).length;
    const { message_id: said } = await ask("/phone/say", { user, chat, text });
    const answers = (each) => each.reply_to === said && each.text === `heard: ${text}`;
    await until(`an answer to ${text}`, (news, shown) => news.acks > before && shown.some(answers));
  };

  await until("a connection", (news) => news.connections.length === 1);
  await until("a ping", (news) => news.connections.some((each) => each.pings > 0));
  await hear("你好 <b>");

  const sent = await client.im.message.create({
    params: { receive_id_type: "chat_id" },
    data: { receive_id: chat, msg_type: "interactive", content: JSON.stringify(card) },
  });
  check(sent.code === 0, `the card was refused: ${JSON.stringify(sent)}`);
  const press = { user, message_id: sent.data.message_id, press: { label: "Yes" } };
  const clicked = await ask("/phone/click", press);
  check(clicked.toast?.content === "you said yes", `no toast: ${JSON.stringify(clicked)}`);

  for (const [place, how] of ["close", "reset"].entries()) {
    await ask("/phone/drop", { how });
    const again = (news) => news.connections_made === place + 2 && news.connections.length === 1;
    await until("a new connection", again);
    await hear(`after ${how}`);
  }

  await ask("/phone/delivering", { slices: 3 });
  await hear("in three slices");
  const codes = (await ask("/phone/acks")).map((ack) => ack.code);
  check(codes.join() === "200,200,200,200,200", `acknowledged with ${codes}`);
  console.log("ok");
  process.exit(0);
};

setTimeout(() => fail("it takes too long"), 60_000).unref();
main().catch((error) => fail(error.stack ?? error));
